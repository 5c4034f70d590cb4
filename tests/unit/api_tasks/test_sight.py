"""Who sees what a task holds, and what stands in its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.http.caller import Caller, Capability, Means, Role
from daemon.api.tasks.sight import Sight, fragment, may_ask, shape_of, sight_of, sound, who_of
from daemon.api.tasks.views import arguments_of, contents_of, detail_of, status_of
from daemon.desks.tasks import Origin, Outcome, SentRecord, Standing
from daemon.dispatch.task_values import read_record, written_record
from daemon.public import Public
from tests.unit.api_tasks.test_listing import heard

PHI, RESULTS = Capability.PHI, Capability.RESULTS
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECRET = "Doe^Jane"


def caller(*capabilities: Capability, feeds: frozenset[str] | None = None, credential: str = "k1") -> Caller:
    role = Role.NOBODY if capabilities == (RESULTS,) else Role.ADMIN
    return Caller(Public("app"), role, Means.TOKEN, frozenset(capabilities), feeds=feeds, credential=credential)


def standing(*, by: Caller | None = None, name: str = "app.x", origin: Origin | None = None) -> Standing:
    sent = None if by is None else SentRecord(who_of(by), "app", name, (), NOW)
    return Standing("t", Outcome("SUCCESS", SECRET, SECRET, name=name), sent=sent, origin=origin)


FEED = Origin("feed", "adt")


@pytest.mark.parametrize(
    ("who", "what", "sight"),
    [
        (caller(), standing(), Sight.HIDDEN),
        (caller(PHI), standing(), Sight.RECORDED),
        (caller(), standing(name="reports.daily"), Sight.HARMLESS),
        (caller(PHI), standing(name="reports.daily"), Sight.HARMLESS),
        (caller(RESULTS), standing(by=caller(RESULTS)), Sight.HARMLESS),
        (caller(RESULTS), standing(by=caller(RESULTS, credential="k2")), Sight.HIDDEN),
        (caller(), standing(by=caller()), Sight.HIDDEN),
        (caller(PHI, feeds=frozenset(("adt",))), standing(), Sight.HIDDEN),
        (caller(PHI, feeds=frozenset(("adt",))), standing(origin=FEED), Sight.RECORDED),
        (caller(PHI, feeds=frozenset(("lab",))), standing(origin=FEED), Sight.HIDDEN),
        (caller(PHI, feeds=frozenset(("adt",))), standing(origin=Origin("feed", "")), Sight.HIDDEN),
    ],
)
def test_contents_are_shown_to_those_who_may_see_them(who: Caller, what: Standing, sight: Sight) -> None:
    assert sight_of(who, what, ("reports.*",)) is sight


def test_a_token_for_an_application_asks_for_its_own_tasks_alone() -> None:
    mine, other = caller(RESULTS), caller(RESULTS, credential="k2")
    assert may_ask(mine, standing(by=mine))
    assert not may_ask(mine, standing(by=other))
    assert not may_ask(mine, standing())


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(ANY)
def test_anything_is_written_as_json(value: Any) -> None:
    json.loads(orjson.dumps(fragment(value)))
    json.loads(orjson.dumps(sound(value)))


def test_what_is_nested_without_end_is_cut() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    assert "…" in orjson.dumps(fragment(value)).decode()


@given(st.dictionaries(st.text(min_size=8), st.text(min_size=8), min_size=1))
def test_a_shape_names_no_value_and_no_key_that_is_no_parameter(value: dict[str, str]) -> None:
    shape = shape_of(value, with_names=True)
    assert shape is not None
    assert set(shape.names) == {name for name in value if name.isidentifier() and len(name) <= 64}
    assert shape_of(value).names == ()  # type: ignore[union-attr]


TEXT = st.text(st.characters(codec="utf-8"))


@given(st.builds(SentRecord, TEXT, TEXT, TEXT, st.lists(TEXT).map(tuple), st.just(NOW), TEXT, st.booleans()))
def test_what_is_kept_of_a_task_is_read_back(record: SentRecord) -> None:
    assert read_record(written_record(record)) == record


@pytest.mark.parametrize("stored", [None, b"", b"[]", b"{}", b"\xff", b'{"who": 1, "at": "x"}'])
def test_what_is_no_record_is_none(stored: bytes | None) -> None:
    assert read_record(stored) is None


@pytest.mark.parametrize(
    ("args", "kwargs", "known"),
    [
        ("(1, 'a')", "{'k': [2]}", ((1, "a"), {"k": [2]})),
        ("()", "{}", ((), {})),
        ("('abc...',)", "{}", None),
        ("(1, ...)", "{}", None),
        ("<not shown>", "<not shown>", None),
        ("(datetime.date(2026, 1, 1),)", "{}", None),
        ("5", "{}", None),
        ("()", "{1: 2}", None),
        (None, "{}", None),
        ("(" * 500, "{}", None),
    ],
)
def test_arguments_are_known_only_if_the_sender_told_all(args: str | None, kwargs: str | None, known: Any) -> None:
    told = {"args": args, "kwargs": kwargs} if args is not None else {"kwargs": kwargs}
    assert arguments_of(Standing("t", seen=heard("t", **told))) == known


def test_nothing_of_contents_is_in_any_representation_or_masked_answer() -> None:
    seen = heard("t", args=f"('{SECRET}',)", kwargs="{}")
    outcome = Outcome("FAILURE", SECRET, SECRET, f"Traceback {SECRET}", args=[SECRET], kwargs={}, has_arguments=True)
    found = Standing("t", outcome, seen)
    assert SECRET not in repr(found)
    assert SECRET not in repr(detail_of(found, caller(PHI), 60.0, is_own=False))
    assert SECRET not in repr(status_of(found, shows=False, remembered_s=60.0))
    assert SECRET not in repr(contents_of(found))
