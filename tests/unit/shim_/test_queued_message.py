"""Messages in a queue, read without being taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.queues.backlog import Backlog, consumers_by_queue, count_unacked
from shim.queues.message import read_message, read_routing_key, readdress

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_lies_in_a_queue_can_be_shown(raw: bytes) -> None:
    assert read_message(raw).size_bytes == len(raw)


@given(st.dictionaries(st.sampled_from(["headers", "properties", "body"]), JSON))
def test_a_message_with_odd_parts_can_be_shown_and_is_moved_whole_or_not_at_all(parts: dict[str, Any]) -> None:
    raw = json.dumps(parts).encode()
    read_message(raw)
    anew = readdress(raw, "new")
    if anew is not None:
        found, before = json.loads(anew), json.loads(raw)
        assert found["properties"].pop("delivery_info")["routing_key"] == "new"
        before["properties"].pop("delivery_info")
        assert repr(found) == repr(before)  # NaN is not equal to itself


@given(st.text(min_size=1), st.text(), st.text())
def test_the_queue_a_held_message_goes_back_to_is_found_at_its_end(queue: str, exchange: str, message: str) -> None:
    assert read_routing_key(json.dumps([message, exchange, queue]).encode()[-2048 - 8 * len(queue) :]) == queue


@pytest.mark.parametrize("end", [b"", b"]", b'"]x', b"[1, 2, 3]", b'"\\x"]'])
def test_an_end_that_tells_no_queue_is_none(end: bytes) -> None:
    assert read_routing_key(end) is None


def test_the_time_of_sending_is_read_where_it_is_told() -> None:
    raw = json.dumps({"headers": {"task": "t"}, "properties": {"timestamp": 1_800_000_000}}).encode()
    assert read_message(raw).sent_at == datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "1", True, 1e300, float("nan"), -1e18])
def test_a_time_of_sending_that_is_none_is_left_out(value: object) -> None:
    assert read_message(json.dumps({"properties": {"timestamp": value}}).encode()).sent_at is None


def test_the_age_of_the_oldest_is_never_negative() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    assert Backlog("q", 1, (1,), oldest_sent_at=at + timedelta(seconds=9)).oldest_age(at) == timedelta()
    assert Backlog("q", 1, (1,), oldest_sent_at=at - timedelta(seconds=9)).oldest_age(at) == timedelta(seconds=9)
    assert Backlog("q", 1, (1,)).oldest_age(at) is None


def test_consumers_are_listed_by_queue_whatever_workers_answer() -> None:
    answers = {
        "w2": [{"name": "a"}, {"name": "b"}],
        "w1": [{"name": "a"}],
        "w3": {"error": "x"},
        "w4": [3, {"name": 5}],
    }
    assert consumers_by_queue(answers) == {"a": ("w1", "w2"), "b": ("w2",)}


def test_only_queues_that_were_asked_about_are_counted() -> None:
    assert count_unacked(["a", "b", "a", "z"], ["a", "c"]) == {"a": 2, "c": 0}
