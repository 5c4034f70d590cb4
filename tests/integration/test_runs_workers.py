"""What becomes of runs on real workers, and when their places are free again."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from daemon.dispatch import RunWatch
from daemon.run_events import RunEnded, RunLost
from daemon.scheduler.ports import Holders, Wanted
from daemon.scheduler.run import RunState
from daemon.scheduler.runs.judge import VANISHED_NEEDED
from tests.support.histories import until
from tests.support.run_watching import watching
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, ran

pytestmark = pytest.mark.anyio
SOLO = ("-P", "solo")
SECRET = "Doe^Jane"


def kill(worker: Worker) -> None:
    """End a worker and its pool as the kernel does when memory is short."""
    assert worker._process is not None
    os.killpg(worker._process.pid, signal.SIGKILL)
    worker._process.wait()


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


@pytest.mark.parametrize("events", [(), ("-E",)], ids=["silent", "telling"])
async def test_a_run_is_followed_to_its_end(valkey: ValkeyServer, tmp_path: Path, events: tuple[str, ...]) -> None:
    async with watching(valkey, tmp_path) as watched:
        with Worker(valkey.url, arguments=(*SOLO, *events)) as worker:
            good = await watched.enqueue("recording.tick", holds=True)
            done = await watched.state(good, RunState.SUCCEEDED)
            assert done.finished_us is not None
            await watched.freed_place()
            bad = await watched.enqueue("recording.fail", "other")
            failed = await watched.state(bad, RunState.FAILED)
            await until(lambda: watched.known(bad).reason)
            assert watched.known(bad).reason == "ValueError"
            if events:
                await until(lambda: watched.known(good).started_us)
                done = watched.known(good)
                assert (done.worker, failed.worker) == (worker.name, worker.name)
                assert done.started_us is not None
                assert done.finished_us is not None
                assert done.started_us <= done.finished_us
            assert await watched.written(good) == watched.known(good)
            assert await watched.written(bad) == watched.known(bad)
            assert [(event.entry, event.state) for event in watched.said if isinstance(event, RunEnded)] == [
                ("nightly", "succeeded"),
                ("other", "failed"),
            ]
            await until(lambda: len(watched.tracker) == 0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (SOLO, "vanished"),  # it told and answered nobody while it ran, so nobody knew that it had the run
        (("-P", "prefork"), "worker-gone"),
        (("-P", "prefork", "-E"), "worker-gone"),
    ],
    ids=["solo", "prefork", "prefork-telling"],
)
async def test_a_run_whose_worker_was_killed_holds_its_place_no_longer(
    valkey: ValkeyServer, tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    async with watching(valkey, tmp_path) as watched:
        with Worker(valkey.url, arguments=arguments) as worker:
            run = await watched.enqueue("recording.endless", holds=True)
            await until(lambda: ran(valkey.client))
            if why == "worker-gone":
                assert (await watched.state(run, RunState.STARTED)).worker == worker.name
            assert watched.holders()
            kill(worker)
            lost = await watched.state(run, RunState.LOST)
            assert lost.reason == why
            await watched.freed_place()
            assert [event.why for event in watched.said if isinstance(event, RunLost)] == [why]
            assert await watched.written(run) == lost


async def test_a_busy_worker_that_answers_nothing_is_not_taken_for_dead(
    valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Holders] = []
    held = RunWatch.held

    async def counted(watch: RunWatch, wanted: Sequence[Wanted]) -> Holders:
        answers.append(await held(watch, wanted))
        return answers[-1]

    monkeypatch.setattr(RunWatch, "held", counted)
    async with watching(valkey, tmp_path) as watched:
        with Worker(valkey.url, arguments=SOLO):
            run = await watched.enqueue("recording.endless", holds=True)
            await until(lambda: ran(valkey.client))
            seen = len(answers)
            await until(lambda: len(answers) > seen + VANISHED_NEEDED)
            assert not any(one.is_complete for one in answers[seen + 1 :])
            assert not watched.known(run).state.is_over
            assert watched.holders()


async def test_a_daemon_that_starts_anew_takes_up_what_holds_places(valkey: ValkeyServer, tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    async with watching(valkey, folders[0]) as watched:
        run = await watched.enqueue("recording.tick", holds=True)
        await until(lambda: len(watched.tracker) == 1)
    valkey.client.delete("carillon:1:lab:history")  # nothing but the place tells of it
    async with watching(valkey, folders[1]) as watched:
        with Worker(valkey.url, arguments=SOLO):
            await watched.freed_place()
            assert watched.known(run) is run
            assert watched.book.of("nightly") is None


async def test_a_restart_goes_on_following(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with watching(valkey, tmp_path) as watched:
        run = await watched.enqueue("recording.tick")
        await watched.written(run)
    with Worker(valkey.url, arguments=SOLO):
        async with watching(valkey, tmp_path) as watched:
            await watched.state(run, RunState.SUCCEEDED)


async def test_where_nobody_tells_the_outcome_is_unknown_and_no_success(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with watching(valkey, tmp_path, results=None) as watched:
        with Worker(valkey.url, arguments=SOLO):
            run = await watched.enqueue("recording.tick")
            await until(lambda: ran(valkey.client))
            assert (await watched.state(run, RunState.UNKNOWN)).reason == "untold"
            held = await watched.enqueue("recording.tick", "other", holds=True)
            await watched.state(held, RunState.UNKNOWN)
            await watched.freed_place("other")


async def test_nothing_of_arguments_results_and_errors_is_kept(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with watching(valkey, tmp_path) as watched:
        with Worker(valkey.url, arguments=(*SOLO, "-E")):
            good = await watched.enqueue("recording.tick", args=[SECRET], kwargs={"name": SECRET})
            bad = await watched.enqueue(
                "recording.fail", "other", kwargs={"name": SECRET}
            )  # its TypeError quotes nothing
            await watched.state(good, RunState.SUCCEEDED)
            await watched.state(bad, RunState.FAILED)
            await until(lambda: watched.known(bad).reason)
            worse = await watched.enqueue("recording.fail", "third")  # "as asked" is what it raises with
            await watched.state(worse, RunState.FAILED)
            await until(lambda: watched.known(worse).reason)
            await watched.written(worse)
            stored = contents(tmp_path)
            said = repr(watched.said)
    assert SECRET in str(valkey.client.get(f"celery-task-meta-{good.task_id}"))
    stored += contents(tmp_path)
    assert b"ValueError" in stored
    for secret in (SECRET, "as asked"):
        assert secret.encode() not in stored
        assert secret not in said
