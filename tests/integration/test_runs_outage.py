"""Runs are followed on when the result back-end was away, and whatever lies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.run_events import RunsSeen, RunsUnseen
from daemon.scheduler.run import RunState
from tests.support.histories import until
from tests.support.run_watching import watching
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio
DONE = "2026-11-22T00:00:05+00:00"


def store(server: ValkeyServer, task_id: str, **meta: Any) -> None:
    """Store a result as a worker does, for those who look it up and those who listen."""
    key, stored = f"celery-task-meta-{task_id}", json.dumps({"date_done": DONE, "task_id": task_id, **meta})
    server.client.set(key, stored)
    server.client.publish(key, stored)


async def test_a_back_end_that_was_away_is_said_once_and_asked_again(valkey: ValkeyServer, tmp_path: Path) -> None:
    with ValkeyServer() as results:
        async with watching(valkey, tmp_path, results=results.url) as watched:
            before = await watched.enqueue("app.before")
            store(results, before.task_id, status="SUCCESS", result=1)
            await watched.state(before, RunState.SUCCEEDED)
            results.kill()
            run = await watched.enqueue("app.during", holds=True)
            await until(lambda: any(isinstance(event, RunsUnseen) for event in watched.said))
            assert watched.known(run).state is RunState.ENQUEUED
            results.start()
            store(results, run.task_id, status="FAILURE", result={"exc_type": "KeyError", "exc_message": []})
            failed = await watched.state(run, RunState.FAILED)
            assert failed.reason == "KeyError"
            await watched.freed_place()
            await until(lambda: any(isinstance(event, RunsSeen) for event in watched.said))
            assert sum(isinstance(event, RunsUnseen) for event in watched.said) == 1


async def test_whatever_lies_in_the_back_end_hurts_no_other_run(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with watching(valkey, tmp_path) as watched:
        odd = [await watched.enqueue("app.odd", f"odd{number}", holds=True) for number in range(3)]
        valkey.client.set(f"celery-task-meta-{odd[0].task_id}", b"\x80\x00 no result")
        store(valkey, odd[1].task_id, status="FAILURE", result={"error": "no template"})
        store(valkey, odd[2].task_id, status="FAILURE", result=[[[{"exc_type": 5}]]])
        good = await watched.enqueue("app.good", holds=True)
        store(valkey, good.task_id, status="SUCCESS", result=None)
        await watched.state(good, RunState.SUCCEEDED)
        for run in odd[1:]:
            assert (await watched.state(run, RunState.FAILED)).reason == ""
            await watched.freed_place(run.entry)
        assert not watched.known(odd[0]).state.is_over


async def test_a_revoked_run_lets_its_place_go(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with watching(valkey, tmp_path) as watched:
        run = await watched.enqueue("app.tick", holds=True)
        store(valkey, run.task_id, status="REVOKED", result={"exc_type": "TaskRevokedError", "exc_message": []})
        await watched.state(run, RunState.REVOKED)
        await watched.freed_place()


async def test_two_daemons_that_follow_the_same_runs_write_the_same(valkey: ValkeyServer, tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    async with watching(valkey, folders[0]) as first, watching(valkey, folders[1]) as second:
        runs = [await first.enqueue("app.tick", f"e{number}", holds=True) for number in range(5)]
        runs += [await second.enqueue("app.tick", f"f{number}") for number in range(5)]
        for number, run in enumerate(runs):
            store(valkey, run.task_id, status="SUCCESS" if number % 2 else "FAILURE", result={"exc_type": "E"})
        await until(lambda: all(daemon.known(run).state.is_over for run in runs for daemon in (first, second)))
        for run in runs:
            assert await first.written(run) == await second.written(run)
        for run in runs[:5]:
            await first.freed_place(run.entry)
            await second.freed_place(run.entry)
