"""A mixed load run by a stock worker: what the stream tells us of it is what it tells Celery's own state."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.events import EventState, Task
from tests.support.celery_state import celery_following, same_as_celery
from tests.support.following import following, now, told
from tests.support.valkey import ValkeyServer
from tests.support.worker import NEW, OLD, Worker

ENDS = {
    "succeeded": "SUCCESS",
    "failed": "FAILURE",
    "succeeded in the end": "SUCCESS",
    "failed in the end": "FAILURE",
    "a word of its own": "SUCCESS",
    "revoked before it ran": "REVOKED",
    "expired": "REVOKED",
    "revoked while it ran": "REVOKED",
    "beyond its time limit": "FAILURE",
    "unknown": "FAILURE",
    "nobody takes it": "PENDING",
    "the last": "SUCCESS",
}
"""How each task of the load ends, in Celery's words."""
REJECTED = {"5.7.": "FAILURE", "5.3.": "STARTED"}
"""Older workers tell no end of a task that was rejected for good."""


@dataclass(frozen=True)
class House:
    """What became of the load: our state, Celery's, and the worker's name."""

    state: EventState
    theirs: Any
    worker: str
    version: str
    at: datetime

    def task(self, task_id: str) -> Task:
        found = self.state.task(task_id)
        assert found is not None, task_id
        return found


def send(app: Any) -> None:
    """Send the load; all of it waits in the queue for the worker, which takes one task after the other."""

    def one(task_id: str, name: str, *args: Any, **options: Any) -> None:
        app.send_task(f"event_tasks.{name}", args, task_id=task_id, **{"queue": "celery", **options})

    one("revoked while it ran", "endless")  # in front, so that nothing else runs until it is revoked
    one("nobody takes it", "add", 1, 1, queue="deserted")
    one("succeeded", "add", 2, 3)
    one("failed", "fail")
    one("succeeded in the end", "try_again", 2)
    one("failed in the end", "give_up")
    one("rejected", "reject")
    one("a word of its own", "progress")
    one("revoked before it ran", "add", 4, 5)
    one("expired", "add", 6, 7, expires=now() - timedelta(seconds=1))
    one("beyond its time limit", "endless", time_limit=1)
    one("unknown", "unheard_of")


def revoke(app: Any) -> None:
    app.control.revoke("revoked before it ran")
    app.control.revoke("revoked while it ran", terminate=True)


async def follow(server: ValkeyServer, app: Any, worker: Worker) -> EventState:
    """Follow the load to its end."""
    async with following(server.url) as receiver:
        state = receiver.state

        def is_(task_id: str, *words: str) -> bool:
            task = state.task(task_id)
            return task is not None and task.state in words

        await anyio.to_thread.run_sync(send, app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, worker.__enter__)
            await told(receiver, lambda: is_("revoked while it ran", "STARTED"))
            await anyio.to_thread.run_sync(revoke, app)
        await anyio.to_thread.run_sync(lambda: app.send_task("event_tasks.add", (8, 9), task_id="the last"))
        await told(receiver, lambda: all(is_(task_id, end) for task_id, end in ENDS.items()))
        await told(receiver, lambda: (task := state.task("rejected")) is not None and task.rejected_at is not None)
        return state


@pytest.fixture(scope="module", params=[pytest.param((NEW, "5.7."), id="5.7"), pytest.param((OLD, "5.3."), id="5.3")])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    python, version = request.param
    with ValkeyServer(append_only=False) as server:
        app = Celery("sender", broker=server.url, set_as_current=False)
        app.conf.update(task_send_sent_event=True, task_ignore_result=True)
        worker = Worker(server.url, python=python, app="event_tasks", arguments=["-E"])
        try:
            with celery_following(app, server) as theirs:
                state = anyio.run(follow, server, app, worker)
                deadline = time.monotonic() + 60
                while theirs.tasks.get("the last") is None or theirs.tasks["the last"].state != "SUCCESS":
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                yield House(state, theirs, worker.name, version, now())
        finally:
            worker.__exit__(None, None, None)
            app.close()


@pytest.mark.parametrize("task_id", [*ENDS, "rejected"])
def test_a_task_is_to_us_what_it_is_to_celery(house: House, task_id: str) -> None:
    task = house.task(task_id)
    assert task.state == (ENDS | {"rejected": REJECTED[house.version]})[task_id]
    same_as_celery(task, house.theirs.tasks[task_id])


def test_what_only_we_keep_is_there(house: House) -> None:
    assert [house.task(name).is_terminated for name in ("revoked while it ran", "revoked before it ran")] == [
        True,
        False,
    ]
    assert [house.task(name).is_expired for name in ("expired", "revoked before it ran")] == [True, False]
    assert (house.task("nobody takes it").queue, house.task("succeeded").queue) == ("deserted", "celery")
    assert house.task("succeeded in the end").retries == 2
    assert house.task("beyond its time limit").exception is not None
    assert house.task("succeeded").args == "(2, 3)"


def test_nothing_of_the_stream_was_unreadable_or_missed(house: House) -> None:
    assert dict(house.state.faults) == {}
    assert [gap.reason for gap in house.state.gaps] == ["the receiver was stopped"]
    assert house.state.events_count >= house.theirs.event_count - 2, "Celery goes on listening a little longer"


def test_the_worker_is_listed_and_nobody_else(house: House) -> None:
    [worker] = house.state.workers(house.at)
    [theirs] = house.theirs.workers.values()
    assert worker.is_alive
    assert worker.hostname == theirs.hostname == house.worker
    assert (worker.pid, worker.sw_ident, worker.sw_ver, worker.sw_sys, worker.freq_s) == (
        theirs.pid, theirs.sw_ident, theirs.sw_ver, theirs.sw_sys, theirs.freq,
    )  # fmt: skip
    assert (worker.sw_ver or "").startswith(house.version)
    assert len(worker.loadavg) == 3
    assert worker.online_at is not None
    assert worker.drift_s == pytest.approx(0, abs=5)
    assert house.state.counts_by_worker() == {house.worker: len(ENDS)}, "all but the one that waits"


def test_counts_by_state_are_those_of_celery(house: House) -> None:
    assert house.state.counts_by_state() == Counter(task.state for task in house.theirs.tasks.values())
    assert house.state.counts_by_name() == Counter(task.name for task in house.theirs.tasks.values())
