"""Messages of the event stream: both forms, both encodings, and everything that is none."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shim.events import EventState, Fault, Reading, read_message
from shim.events.message import EVENTS_LIMIT, PAYLOAD_LIMIT_BYTES
from tests.support.event_stream import AT, SECRET, fields, payload, received

HEARTBEAT = fields("worker-heartbeat", freq=2.0, active=0, processed=2, loadavg=[1.9, 1.41, 0.82])
NAMES = st.sampled_from(("type", "hostname", "timestamp", "uuid", "name", "args", "retries", "runtime", "clock", "freq",
                         "loadavg", "utcoffset", "terminated", "exception", "eta", "expires", "active"))  # fmt: skip
KINDS = st.sampled_from(("task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "task-retried",
                         "task-revoked", "task-rejected", "task-progress", "task-", "worker-online", "worker-heartbeat",
                         "worker-offline", "worker-", "other"))  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | KINDS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=8),
    max_leaves=20,
)
NEARLY = st.fixed_dictionaries(
    {"type": KINDS, "hostname": st.text(min_size=1, max_size=3), "timestamp": st.floats(min_value=1, max_value=1e10)},
    optional=dict.fromkeys(("uuid",), st.text(min_size=1, max_size=3))
    | dict.fromkeys(("name", "args", "exception", "eta", "expires", "clock", "retries", "runtime", "freq"), JSON)
    | dict.fromkeys(("loadavg", "utcoffset", "pid", "active", "processed", "terminated", "root_id", "queue"), JSON),
)  # fmt: skip


@pytest.mark.parametrize("encoding", ["base64", "utf-8", None])
@pytest.mark.parametrize("body", [received(), [received()], HEARTBEAT, [received("b"), HEARTBEAT]])
def test_single_events_and_batches_are_read_from_either_encoding(body: Any, encoding: str | None) -> None:
    reading = read_message(payload(body, encoding=encoding))
    wanted = body if isinstance(body, list) else [body]
    assert reading.faults == ()
    assert [one.fields for one in reading.events] == wanted
    assert [(one.kind, one.hostname, one.at_s, one.task_id) for one in reading.events] == [
        (one["type"], one["hostname"], one["timestamp"], one.get("uuid", "")) for one in wanted
    ]


ENVELOPES = {
    Fault.TOO_LARGE: b" " * (PAYLOAD_LIMIT_BYTES + 1),
    Fault.NOT_AN_ENVELOPE: [
        b"", b"\xff", b"{", b"[]", b"1", b'{"body": 5, "content-type": "application/json"}', b"{}",
    ],
    Fault.CONTENT_TYPE: [payload([], content_type=other) for other in ("application/x-python-serialize", None, 5)],
    Fault.BODY: [
        payload("{", encoding=None),
        payload("", encoding=None),
        payload("[" * 100_000, encoding=None),
        payload("5" * 5_000, encoding=None),
        orjson.dumps({"body": "ü", "content-type": "application/json", "properties": {"body_encoding": "base64"}}),
        orjson.dumps({"body": "abcde", "content-type": "application/json", "properties": {"body_encoding": "base64"}}),
    ],
    Fault.NOT_EVENTS: [payload(body) for body in (5, "null", True, '"text"', "NaN")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "message"),
    [(fault, one) for fault, given in ENVELOPES.items() for one in (given if isinstance(given, list) else [given])],
    ids=lambda value: value.value if isinstance(value, Fault) else "",
)
def test_a_message_that_cannot_be_read_is_named(fault: Fault, message: bytes) -> None:
    assert read_message(message) == Reading((), (fault,))


EVENTS = {
    Fault.NOT_AN_EVENT: (None, 5, "text", []),
    Fault.TYPE: ({}, {**received(), "type": None}, {**received(), "type": ""}, {**received(), "type": "t" * 256}),
    Fault.HOSTNAME: ({**received(), "hostname": 1}, {**received(), "hostname": ""}, {**received(), "hostname": "h" * 256}),
    Fault.TIMESTAMP: tuple(
        {**received(), "timestamp": value} for value in (None, "1", 0, -1.0, 1e300, 253402300800, True, float("nan"))
    ),
    Fault.TASK_ID: ({**received(), "uuid": None}, {**received(), "uuid": ""}, {**received(), "uuid": "u" * 256}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "bad"),
    [(fault, one) for fault, given in EVENTS.items() for one in given],
    ids=lambda value: value.value if isinstance(value, Fault) else "",
)
def test_a_bad_event_is_named_and_those_beside_it_are_kept(fault: Fault, bad: Any) -> None:
    reading = read_message(payload([received("before"), bad, received("after")]))
    assert [one.task_id for one in reading.events] == ["before", "after"]
    assert reading.faults == (fault,)


def test_what_only_pythons_encoder_writes_is_read_too() -> None:
    odd = received("odd", args="\ud83d", load=float("nan"), more=float("inf"))
    [event, other] = read_message(payload([odd, received("other")])).events
    assert (event.task_id, event.fields["args"], other.task_id) == ("odd", "\ufffd", "other")
    orjson.dumps(event.fields)  # what was not Unicode is replaced


def test_of_a_message_with_too_many_events_the_first_are_taken() -> None:
    small = {"type": "worker-heartbeat", "hostname": "w", "timestamp": 1}
    reading = read_message(payload([small] * (EVENTS_LIMIT + 1)))
    assert (len(reading.events), reading.faults) == (EVENTS_LIMIT, (Fault.TOO_MANY,))
    assert read_message(payload([small] * EVENTS_LIMIT)).faults == ()


def test_an_event_shows_nothing_it_holds() -> None:
    reading = read_message(payload([received()]))
    assert SECRET in json.dumps(reading.events[0].fields)
    assert SECRET not in f"{reading!r} {reading.events[0]} {reading.events[0]:}"


def take(message: bytes) -> EventState:
    state = EventState(tasks_limit=3, workers_limit=2)
    reading = read_message(message)
    state.take(reading, AT)
    assert state.events_count == len(reading.events)
    assert state.faults.total() == len(reading.faults)
    state.changes(0, AT)
    state.workers(AT)
    return state


@given(st.binary())
@example(b"")
def test_any_bytes_are_taken_without_an_error(message: bytes) -> None:
    assert read_message(message).faults
    take(message)


@given(body=JSON | st.lists(NEARLY | JSON, max_size=6), encoding=st.sampled_from(("base64", None)))
def test_any_json_is_taken_without_an_error(body: Any, encoding: str | None) -> None:
    state = take(payload(json.dumps(body), encoding=encoding))
    assert state.events_count or state.faults.total() or body == []
