"""Options of every kind, run by unmodified workers of five series as processes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import pytest

from shim.envelope import build_envelope
from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import Signature
from tests.support.apps import SERIES
from tests.support.valkey import ValkeyServer
from tests.support.worker import NEW, Worker, wait_until_ran

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
TYPED: dict[str, Any] = {
    "instant": NOW,
    "date": NOW.date(),
    "time": time(23, 59, 59, 1),
    "uuid": UUID(int=2**127),
    "decimal": Decimal("1.10"),
    "bytes": b"\xff\x00",
    "nested": [{"a": (Decimal(1), None)}],
}


@dataclass(frozen=True)
class House:
    """A server, a worker that takes from it, and the serializers it accepts."""

    server: ValkeyServer
    serializers: list[str]

    def run(self, *requests: TaskRequest, runs: int) -> list[dict[str, Any]]:
        """Push requests at once and wait for so many runs."""
        client = self.server.client
        client.delete("ran")
        for request in requests:
            tag = f"tag of {request.task_id}"
            envelope = build_envelope(request, Target("celery", 0), delivery_tag=tag, at=NOW, origin="test")
            client.lpush("celery", envelope.payload)
        return wait_until_ran(client, runs)


@pytest.fixture(scope="module", params=sorted(SERIES), ids=lambda series: f"celery-{series}")
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    python = SERIES[request.param]
    # The environments of the older ones have no library for the others.
    serializers = ["json", "yaml", "msgpack"] if python == NEW else ["json"]
    with (
        ValkeyServer(append_only=False) as server,
        Worker(
            server.url,
            queues="celery,links",
            python=python,
            app="option_tasks",
            environment={"ACCEPT": json.dumps(serializers)},
        ),
    ):
        yield House(server, serializers)


@pytest.mark.parametrize("compression", [None, "gzip", "bzip2", "lzma"])
def test_values_arrive_by_every_serializer_and_compression(house: House, compression: str | None) -> None:
    carried = {"json": TYPED, "yaml": {"i": NOW, "d": date(2026, 3, 1), "b": b"\xff"}, "msgpack": {"b": b"\xff"}}
    requests = [
        TaskRequest(
            "options.keep",
            f"{serializer}-{compression}",
            [1, "Größe"],
            carried[serializer],
            serializer=serializer,
            compression=compression,
        )
        for serializer in house.serializers
    ]
    found = {one["id"]: one for one in house.run(*requests, runs=len(requests))}
    for request in requests:
        shown = found[request.task_id]["kwargs"].replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc")
        expected = {name: as_arrives(value) for name, value in sorted(request.kwargs.items())}
        assert (found[request.task_id]["args"], shown) == (repr([1, "Größe"]), repr(expected))


def as_arrives(value: Any) -> Any:
    """Give a value as JSON gives it back: a tuple is a list."""
    if isinstance(value, (list, tuple)):
        return [as_arrives(item) for item in value]
    return {key: as_arrives(item) for key, item in value.items()} if isinstance(value, dict) else value


def test_what_a_request_says_of_itself_reaches_the_task(house: House) -> None:
    [found] = house.run(
        TaskRequest(
            "options.keep",
            "said",
            root_id="root",
            parent_id="parent",
            group_id="group",
            group_index=3,
            retries=2,
            stamps={"ward": "7b"},
            time_limit_s=30,
            soft_time_limit_s=20,
            headers={"colour": "red"},
            reply_to="replies",
        ),
        runs=1,
    )
    assert (found["root"], found["parent"], found["group"], found["group_index"]) == ("root", "parent", "group", 3)
    assert (found["retries"], found["stamps"], found["limits"]) == (2, {"ward": "7b"}, [30, 20])
    assert found["custom"] == {"colour": "red"}


def test_links_run_with_the_result_in_front_and_where_they_say(house: House) -> None:
    links = [
        Signature("options.keep", [Decimal("2.5")], {"when": NOW}, {"task_id": "link", "queue": "links"}),
        Signature("options.keep", ["alone"], options={"task_id": "immutable", "expires": 60}, immutable=True),
    ]
    found = {one["id"]: one for one in house.run(TaskRequest("options.keep", "linked", [1, 2, 3], links=links), runs=3)}
    assert found["link"]["args"] == repr([3, Decimal("2.5")])
    assert (found["link"]["queue"], found["link"]["parent"], found["link"]["root"]) == ("links", "linked", "linked")
    assert found["immutable"]["args"] == repr(["alone"])


def test_an_error_link_runs_with_the_id_of_what_failed(house: House) -> None:
    errors = [Signature("options.keep", ["kept"], options={"task_id": "told"})]
    request = TaskRequest("options.fail", "failing", links=[Signature("options.keep")], error_links=errors)
    found = house.run(request, runs=2)
    assert [(one["id"], one["args"]) for one in found] == [("failing", "[]"), ("told", repr(["failing", "kept"]))]


def test_a_chain_runs_in_the_order_it_was_given_each_step_on_the_result_before(house: House) -> None:
    steps = [Signature("options.keep", ["x"] * number, options={"task_id": f"step-{number}"}) for number in range(1, 5)]
    found = house.run(TaskRequest("options.keep", "chained", chain=steps), runs=5)
    assert [one["id"] for one in found] == ["chained", "step-1", "step-2", "step-3", "step-4"]
    assert [one["args"] for one in found[1:3]] == [repr([0, "x"]), repr([2, "x", "x"])]
    assert {one["root"] for one in found} == {"chained"}


def test_the_body_of_a_chord_runs_once_its_header_has(house: House) -> None:
    body = Signature("options.keep", options={"task_id": "body"})
    house.server.client.set("celery-taskset-meta-chord.s", 2, ex=60)  # the size of the header, as a publisher writes it
    parts = [
        TaskRequest("options.keep", f"part-{number}", ["x"] * number, group_id="chord", group_index=number, chord=body)
        for number in range(2)
    ]
    found = {one["id"]: one for one in house.run(*parts, runs=3)}
    assert found["body"]["args"] == repr([[0, 1]])


def test_a_link_with_a_countdown_or_an_eta_is_held_by_the_worker(house: House) -> None:
    seconds, _ = house.server.client.time()
    in_an_hour = datetime.fromtimestamp(seconds, UTC) + timedelta(hours=1)
    held = {
        "later": Signature("options.keep", options={"task_id": "later", "countdown": 3600}),
        "at an instant": Signature("options.keep", options={"task_id": "at an instant", "eta": in_an_hour}),
    }
    house.run(*(TaskRequest("options.keep", f"before {name}", links=[link]) for name, link in held.items()), runs=2)
    deadline = monotonic() + LIMIT_S
    etas: dict[str, str] = {}
    while etas.keys() != held.keys():
        assert monotonic() < deadline, f"only {sorted(etas)} held within {LIMIT_S} s"
        sleep(0.02)
        waiting = [json.loads(one)[0]["headers"] for one in house.server.client.hvals("unacked")]
        etas = {one["id"]: one["eta"] for one in waiting if one["id"] in held}
    assert datetime.fromisoformat(etas["at an instant"]) == in_an_hour
