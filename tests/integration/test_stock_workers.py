"""What the shim writes, run by unmodified Celery workers of the oldest and the newest version, as processes of their own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.claim import Claim, Outcome, Write, WriteResult
from shim.envelope import Envelope, build_envelope
from shim.request import TaskRequest
from shim.results import Results, TaskMeta
from shim.routing import Route, Router, Target
from shim.transport import RedisTransport
from tests.support.publishing import linked, outcomes, publishing
from tests.support.valkey import ValkeyServer
from tests.support.worker import SERIES, Worker, ran

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
PER_STEP = 3
ROUTER = Router({"recording.tick": Route("wards", 6), "recording.*": Route()})


@dataclass(frozen=True)
class House:
    """A server and a single-process worker, which found ``waiting`` in the queue when it came up."""

    server: ValkeyServer
    celery: Any
    waiting: list[Envelope]
    version: str

    def push(self, *writes: Write) -> list[WriteResult]:
        return push(self.server, writes)

    def send(self, *requests: TaskRequest) -> None:
        """Publish requests in one write, where the router takes them."""
        self.push(Write(None, tuple(envelope(request) for request in requests)))

    def metas(self, *task_ids: str) -> dict[str, TaskMeta]:
        """Read results with the shim."""

        async def fetch() -> dict[str, TaskMeta]:
            async with linked(self.server.url) as link:
                return await Results(link).fetch(task_ids)

        return anyio.run(fetch)

    def finished(self, *task_ids: str) -> dict[str, TaskMeta]:
        """Wait until all have a final result; give them."""

        def all_ready() -> bool:
            found = self.metas(*task_ids)
            return len(found) == len(set(task_ids)) and all(meta.is_ready for meta in found.values())

        wait_until(all_ready, f"results of {task_ids}")
        return self.metas(*task_ids)

    def ran(self, *task_ids: str) -> list[dict[str, Any]]:
        """Give what was written down of these tasks, in the order they ran."""
        return [one for one in ran(self.server.client) if one["id"] in task_ids]

    def now(self) -> datetime:
        """Read the server's clock."""
        seconds, micros = self.server.client.time()
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def push(server: ValkeyServer, writes: Sequence[Write]) -> list[WriteResult]:
    async def write() -> list[WriteResult]:
        async with publishing(server.url) as publisher:
            return await publisher.write(writes)

    return anyio.run(write)


def envelope(request: TaskRequest, target: Target | None = None) -> Envelope:
    target = target or ROUTER.resolve(request.task)
    return build_envelope(
        request, target, delivery_tag=f"tag of {request.task_id}", at=datetime(2026, 11, 22, tzinfo=UTC), origin="test"
    )


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {LIMIT_S} s"
        time.sleep(0.02)


def all_priorities() -> list[Envelope]:
    """Give messages of every priority, mixed."""
    numbered = [(priority, number) for priority in range(10) for number in range(PER_STEP)]
    random.Random(7).shuffle(numbered)
    return [
        envelope(TaskRequest("recording.tick", f"step-{priority}-{number}"), Target("steps", priority))
        for priority, number in numbered
    ]


@pytest.fixture(
    scope="module",
    params=[pytest.param((python, version), id=f"celery-{version}x") for version, python in SERIES.items()],
)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    environment: tuple[Path, str] = request.param
    python, version = environment
    waiting = all_priorities()
    with ValkeyServer(append_only=False) as server:
        push(server, [Write(None, tuple(waiting))])
        celery = Celery("reader", broker=server.url, backend=server.url, set_as_current=False)
        with Worker(server.url, queues="celery,wards,steps", python=python):
            yield House(server, celery, waiting, version)
        celery.close()


# -- order -------------------------------------------------------------------------------------------------------------


def test_messages_run_by_step_and_within_a_step_in_the_order_they_were_written(house: House) -> None:
    steps = RedisTransport().priority_steps
    by_step = sorted(
        house.waiting, key=lambda one: max(step for step in steps if step <= one.target.priority)
    )  # a stable sort
    ids = [one.task_id for one in by_step]
    house.finished(*ids)
    found = house.ran(*ids)
    assert [one["id"] for one in found] == ids
    assert [one["priority"] for one in found] == [one.target.priority for one in by_step]
    assert {one["queue"] for one in found} == {"steps"}


def test_every_message_runs_once_in_the_order_it_was_written(house: House) -> None:
    ids = [f"order-{number:03}" for number in range(150)]
    house.push(*(Write(None, (envelope(TaskRequest("recording.tick", one, args=[one])),)) for one in ids))
    house.finished(*ids)
    found = house.ran(*ids)
    assert [one["id"] for one in found] == ids
    assert [one["args"] for one in found] == [[one] for one in ids]
    assert {one["name"] for one in found} == {"recording.tick"}
    assert found[0]["celery"].startswith(house.version)


def test_nothing_stays_behind_in_the_broker(house: House) -> None:
    client = house.server.client
    house.send(TaskRequest("recording.tick", "last"))
    house.finished("last")
    wait_until(lambda: not client.hexists("unacked", "tag of last"), "acknowledgement")
    queues = [key for queue in ("celery", "wards", "steps") for key in RedisTransport().list_keys(queue)]
    assert sum(client.llen(key) for key in queues) == 0


def test_messages_written_twice_under_one_claim_run_once(house: House) -> None:
    write = Write(Claim("ledger", "entry", None, "1"), (envelope(TaskRequest("recording.tick", "claimed")),))
    told = [outcomes(house.push(write)) for _ in range(3)]
    house.send(TaskRequest("recording.tick", "after the claimed"))
    house.finished("claimed", "after the claimed")
    assert told == [[Outcome.WRITTEN], [Outcome.ALREADY], [Outcome.ALREADY]]
    assert [one["id"] for one in house.ran("claimed", "after the claimed")] == ["claimed", "after the claimed"]


# -- what arrives ------------------------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "text": "Größe 😀 \u2028 \x00 \\ \" ' 漢字",
    "large integers": [2**53 + 1, 2**63, 2**64, -(2**70), 10**600],
    "numbers": [0, -0.0, 1.0, 1e308, 5e-324, True, False, None],
    "nested": {"a": [{"b": [[], {}, [{"": {"ü": [1, [2, [3]]]}}]]}]},
    "alike": [{"__type__": "uuid"}, {"__type__": "uuid", "__value__": 1, "third": 2}],
    "a megabyte": "x" * 1024 * 1024,
    "a megabyte of escapes": "\n" * 1024 * 1024,
}


@pytest.mark.parametrize("name", VALUES)
def test_arguments_arrive_as_they_were_sent_and_come_back_as_the_result(house: House, name: str) -> None:
    value, task_id = VALUES[name], f"value {name}"
    house.send(TaskRequest("recording.tick", task_id, args=[value, 2], kwargs={"größe": value}))
    meta = house.finished(task_id)[task_id]
    [found] = house.ran(task_id)
    assert repr((found["args"], found["kwargs"])) == repr(([value, 2], {"größe": value}))
    assert (meta.state, repr(meta.result)) == ("SUCCESS", repr({"args": [value, 2], "kwargs": {"größe": value}}))
    assert repr(house.celery.AsyncResult(task_id).get(timeout=LIMIT_S)) == repr(meta.result)


def test_custom_headers_reach_the_task(house: House) -> None:
    headers: dict[str, Any] = {"celery_beat_task": True, "periodic_task_name": "nightly Ä", "colour": {"a": [1, None]}}
    house.send(TaskRequest("recording.tick", "headers", headers=headers), TaskRequest("recording.tick", "none"))
    house.finished("headers", "none")
    [found, bare] = house.ran("headers", "none")
    assert found["custom"] == headers
    assert found["headers"] == {"celery_beat_task": True, "periodic_task_name": "nightly Ä", "expires": None}
    assert not bare["custom"]


def test_a_route_takes_a_task_to_its_queue_and_priority(house: House) -> None:
    house.send(TaskRequest("recording.message", "unrouted"), TaskRequest("recording.tick", "routed"))
    house.finished("unrouted", "routed")
    found = {one["id"]: (one["name"], one["queue"], one["priority"]) for one in house.ran("unrouted", "routed")}
    assert found == {"unrouted": ("recording.message", "celery", 0), "routed": ("recording.tick", "wards", 6)}


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_task_with_an_eta_does_not_run_before(house: House) -> None:
    eta = house.now() + timedelta(seconds=1)
    house.send(TaskRequest("recording.tick", "held", eta_at=eta))
    house.finished("held")
    [held] = house.ran("held")
    assert datetime.fromisoformat(held["eta"]) == eta
    assert (
        held["at_us"] >= (eta - timedelta(milliseconds=100)).timestamp() * 1_000_000
    )  # its timer may be a little early


def test_a_task_with_an_eta_is_held_by_the_worker_while_others_pass_it(house: House) -> None:
    tomorrow = house.now() + timedelta(days=1)
    house.send(TaskRequest("recording.tick", "tomorrow", eta_at=tomorrow), TaskRequest("recording.tick", "passing"))
    house.finished("passing")
    assert [one["id"] for one in house.ran("tomorrow", "passing")] == ["passing"]
    assert house.server.client.hexists("unacked", "tag of tomorrow")


def test_an_expired_task_is_revoked_unrun_and_one_that_has_time_runs(house: House) -> None:
    now = house.now()
    house.send(
        TaskRequest("recording.tick", "expired", expires_at=now - timedelta(seconds=1)),
        TaskRequest("recording.tick", "in time", expires_at=now + timedelta(hours=1)),
    )
    metas = house.finished("expired", "in time")
    assert {task_id: meta.state for task_id, meta in metas.items()} == {"expired": "REVOKED", "in time": "SUCCESS"}
    [found] = house.ran("expired", "in time")
    assert found["id"] == "in time"
    assert datetime.fromisoformat(found["headers"]["expires"]) == now + timedelta(hours=1)
    assert house.celery.AsyncResult("expired").state == "REVOKED"


@pytest.mark.parametrize(
    ("limits", "ended_by"),
    [
        ({"time_limit_s": 1}, "TimeLimitExceeded"),
        ({"time_limit_s": 60, "soft_time_limit_s": 1}, "SoftTimeLimitExceeded"),
    ],
    ids=["hard", "soft"],
)
def test_a_time_limit_ends_the_task_and_the_worker_goes_on(house: House, limits: dict[str, Any], ended_by: str) -> None:
    house.send(TaskRequest("recording.endless", ended_by, **limits), TaskRequest("recording.tick", f"after {ended_by}"))
    metas = house.finished(ended_by, f"after {ended_by}")
    [found] = house.ran(ended_by)
    result: Any = metas[ended_by].result
    assert found["limits"] == [limits.get("time_limit_s"), limits.get("soft_time_limit_s")]
    assert (metas[ended_by].state, result["exc_type"]) == ("FAILURE", ended_by)
    assert metas[f"after {ended_by}"].state == "SUCCESS"


# -- results -----------------------------------------------------------------------------------------------------------


def test_a_failing_task_is_a_failure_to_the_shim_and_to_celery(house: House) -> None:
    house.send(TaskRequest("recording.fail", "failing"))
    meta = house.finished("failing")["failing"]
    assert meta.state == "FAILURE"
    assert meta.result == {"exc_type": "ValueError", "exc_message": ["as asked"], "exc_module": "builtins"}
    judged = house.celery.AsyncResult("failing")
    assert (judged.state, repr(judged.result)) == ("FAILURE", "ValueError('as asked')")
    assert len(house.ran("failing")) == 1


def test_a_result_is_stored_unless_the_request_says_otherwise(house: House) -> None:
    choices = {"unsaid": None, "kept": False, "ignored": True}
    house.send(*(TaskRequest("recording.tick", name, ignore_result=choice) for name, choice in choices.items()))
    house.send(TaskRequest("recording.tick", "the next"))
    house.finished("the next")
    assert [one["id"] for one in house.ran(*choices)] == ["unsaid", "kept", "ignored"]
    assert house.metas(*choices).keys() == {"unsaid", "kept"}


def test_a_task_nobody_knows_is_a_failure_and_stops_no_one(house: House) -> None:
    house.send(TaskRequest("recording.unheard-of", "unknown"), TaskRequest("recording.tick", "after the unknown"))
    metas = house.finished("unknown", "after the unknown")
    assert {one.task_id: one.state for one in metas.values()} == {"unknown": "FAILURE", "after the unknown": "SUCCESS"}
