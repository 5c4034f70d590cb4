"""What is read of results and events: how far a task is, and nothing of what it was given or gave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.clock import SECOND_US
from daemon.dispatch.sightings import sighting_of_meta, sighting_of_task
from daemon.scheduler.ports import Progress, Sighting
from shim.results.meta import parse_meta
from tests.support.event_stream import AT_S, SECRET, fields, received, task_of

P = Progress
DONE = "2026-11-22T00:00:05+00:00"
DONE_US = round(AT_S + 5) * SECOND_US


def of_meta(**stored: Any) -> Sighting | None:
    return sighting_of_meta(parse_meta("a", json.dumps({"date_done": DONE, **stored}).encode()))


def error(name: str) -> dict[str, Any]:
    return {"exc_type": name, "exc_message": [SECRET], "exc_module": "builtins"}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"status": "SUCCESS", "result": SECRET}, Sighting("a", P.SUCCEEDED, DONE_US)),
        ({"status": "SUCCESS", "result": SECRET, "worker": "w1@ward"}, Sighting("a", P.SUCCEEDED, DONE_US, None, "w1@ward")),
        ({"status": "FAILURE", "result": error("KeyError")}, Sighting("a", P.FAILED, DONE_US, reason="KeyError")),
        ({"status": "FAILURE", "result": error("make.<locals>.Odd")}, Sighting("a", P.FAILED, DONE_US, reason="make.<locals>.Odd")),
        ({"status": "FAILURE", "result": error(f"it was {SECRET}")}, Sighting("a", P.FAILED, DONE_US)),
        ({"status": "FAILURE", "result": error("x" * 500)}, Sighting("a", P.FAILED, DONE_US)),
        ({"status": "FAILURE", "result": {"error": SECRET}}, Sighting("a", P.FAILED, DONE_US)),
        ({"status": "FAILURE", "result": None}, Sighting("a", P.FAILED, DONE_US)),
        ({"status": "REVOKED", "result": error("TaskRevokedError")}, Sighting("a", P.REVOKED, DONE_US, reason="TaskRevokedError")),
        ({"status": "SUCCESS", "result": 1, "date_done": SECRET}, Sighting("a", P.SUCCEEDED)),
        ({"status": "STARTED", "result": {"pid": 7, "hostname": "w1@ward"}}, Sighting("a", P.STARTED, None, None, "w1@ward")),
        ({"status": "STARTED", "result": {"hostname": ["w1"]}}, Sighting("a", P.STARTED)),
        ({"status": "PROGRESS", "result": {"hostname": SECRET}}, Sighting("a", P.STARTED)),
        ({"status": "RETRY", "result": error("KeyError")}, Sighting("a", P.STARTED)),
        ({"status": "PENDING"}, None),
        ({"status": 5}, None),
    ],
)  # fmt: skip
def test_what_a_stored_result_tells(stored: dict[str, Any], expected: Sighting | None) -> None:
    found = of_meta(**stored)
    assert found == expected
    assert SECRET not in repr(found)


def test_what_cannot_be_read_tells_nothing() -> None:
    assert sighting_of_meta(parse_meta("a", b"\x00\xff")) is None


def at(seconds: float) -> int:
    return round((AT_S + seconds) * SECOND_US)


STARTED = fields("task-started", "a", at_s=AT_S + 1)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([received()], None),
        ([received(), STARTED], Sighting("a", P.STARTED, at(1), at(1), "w1@ward")),
        (
            [STARTED, fields("task-succeeded", "a", at_s=AT_S + 2, result=SECRET, runtime=1.0)],
            Sighting("a", P.SUCCEEDED, at(2), at(1), "w1@ward"),
        ),
        (
            [fields("task-failed", "a", at_s=AT_S + 2, exception=f"ValueError('{SECRET}')", traceback=SECRET)],
            Sighting("a", P.FAILED, at(2), None, "w1@ward"),
        ),
        (
            [fields("task-revoked", "a", at_s=AT_S + 2, terminated=True, signum="15", expired=False)],
            Sighting("a", P.REVOKED, at(2), None, "w1@ward"),
        ),
    ],
)
def test_what_events_tell(told: list[dict[str, Any]], expected: Sighting | None) -> None:
    assert sighting_of_task(task_of(told)) == expected
