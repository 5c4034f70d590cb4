"""A message made from what is remembered of others is, byte for byte, the one that is made anew."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.envelope import build_envelope
from shim.mould import MOULDS_LIMIT, Moulds
from shim.request import TaskRequest
from shim.routing import Target
from tests.support.task_requests import good_requests, names

ORIGIN = 'one "host"'
NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by timezones
TARGETS = st.builds(Target, st.sampled_from(("celery", 'odd "queue" ä')), st.integers(0, 9))
VALUES = st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.none(), max_size=3)
PLAIN = st.builds(
    TaskRequest, task=names, task_id=names | st.uuids().map(str), kwargs=VALUES, kwargsrepr=st.text(max_size=9)
)
TAGS = st.integers(0, 10**6).map(lambda number: f"tag-{number:x}")


@given(st.lists(st.tuples(PLAIN | good_requests, TARGETS, TAGS, INSTANTS), max_size=6))
def test_a_remembered_message_is_that_which_is_made_anew(
    wanted: list[tuple[TaskRequest, Target, str, datetime]],
) -> None:
    moulds = Moulds(ORIGIN)
    for request, target, tag, at in (*wanted, *wanted):
        made = moulds.envelope(request, target, tag, at)
        anew = build_envelope(request, target, delivery_tag=tag, at=at, origin=ORIGIN)
        assert made is None or made == anew


def test_what_a_feed_sends_is_remembered() -> None:
    moulds = Moulds(ORIGIN)
    for number in range(3):
        request = TaskRequest("app.movement", f"{number}-0c", kwargs={"message": {"text": 'MSH|^~\\&|"'}}, headers={})
        made = moulds.envelope(request, Target("ours", 3), f"t-{number}", NOW)
        assert made == build_envelope(request, Target("ours", 3), delivery_tag=f"t-{number}", at=NOW, origin=ORIGIN)


def test_an_id_that_json_writes_otherwise_is_left_to_be_made_anew() -> None:
    moulds = Moulds(ORIGIN)
    for odd in ('a"b', "a\\b", "ä", "a\nb", ""):
        assert moulds.envelope(TaskRequest("app.tick", odd), Target("ours", 0), "t-1", NOW) is None


def test_names_that_look_like_what_is_put_in_their_place_do_no_harm() -> None:
    moulds = Moulds(ORIGIN)
    for stand_in in ("5b3c0f6e-id-goes-here-9d0c", "5b3c0f6e-tag-goes-here-9d0c", "0.5}}"):
        for request, queue in ((TaskRequest(stand_in, "one"), "ours"), (TaskRequest("app.tick", "one"), stand_in)):
            made = moulds.envelope(request, Target(queue, 0), "t-1", NOW)
            anew = build_envelope(request, Target(queue, 0), delivery_tag="t-1", at=NOW, origin=ORIGIN)
            assert made is None or made == anew


def test_a_message_near_the_limit_is_left_to_be_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shim.mould._MOST_BYTES", 1000)
    large = TaskRequest("app.tick", "one", kwargs={"text": "x" * 1000})
    assert Moulds(ORIGIN).envelope(large, Target("ours", 0), "t-1", NOW) is None


def test_tasks_without_number_are_not_all_remembered() -> None:
    moulds = Moulds(ORIGIN)
    for number in range(2 * MOULDS_LIMIT + 1):
        assert moulds.envelope(TaskRequest(f"app.tick{number}", "one"), Target("ours", 0), "t-1", NOW) is not None
    assert len(moulds._known) <= MOULDS_LIMIT
