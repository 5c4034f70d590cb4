"""Saved groups and the state of chords, judged by Celery's own results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery
from celery.result import GroupResult
from hypothesis import given
from hypothesis import strategies as st

from shim.results import (
    Callback,
    ChordPart,
    ChordState,
    GroupMeta,
    GroupOutcome,
    ResultFormat,
    ResultRef,
    TaskMeta,
    parse_chord,
    parse_group,
)

MARKER = "ZZPATIENT"


def judge(**conf: Any) -> Any:
    app = Celery("judge", backend="redis://", set_as_current=False)
    app.conf.update(conf)
    return app


def saved(app: Any, group: Any) -> bytes:
    """Write a group as Celery's ``_save_group`` does."""
    stored = app.backend.encode({"result": group.as_tuple()})
    return stored if isinstance(stored, bytes) else bytes(stored.encode())


def nested() -> Any:
    app = Celery(
        "judge", backend="cache+memory://", set_as_current=False
    )  # a group's members ask their back-end at once
    inner = GroupResult("inner", [app.AsyncResult("c"), app.AsyncResult("d")], app=app)
    before = app.AsyncResult("before", parent=app.AsyncResult("first"))
    return GroupResult("g", [app.AsyncResult("a"), inner, app.AsyncResult("b")], parent=before, app=app)


@pytest.mark.parametrize(
    ("conf", "form"),
    [
        ({}, ResultFormat()),
        ({"result_compression": "zlib"}, ResultFormat()),
        ({"result_serializer": "msgpack"}, ResultFormat("msgpack")),
        ({"result_serializer": "yaml"}, ResultFormat("yaml")),
    ],
)
def test_a_group_as_celery_saves_it_is_read(conf: dict[str, Any], form: ResultFormat) -> None:
    group = parse_group("g", saved(judge(**conf), nested()), form)
    assert group == GroupMeta(
        "g",
        (ResultRef("a"), ResultRef("inner", None, (ResultRef("c"), ResultRef("d"))), ResultRef("b")),
        ResultRef("before", ResultRef("first")),
    )
    assert group.task_ids == ("a", "c", "d", "b")


@pytest.mark.parametrize(
    "stored",
    [
        *(b"", b"\xff", b"[]", b"{}", b'{"result": null}', b'{"result": [["g", null], null]}', b'{"result": ["g"]}'),
        *(b'{"result": [["g", null], {}]}', b'{"result": [["g", null], [[["a", null], null], 5]]}'),
        *(b'{"result": [["g", 7], []]}', b'{"result": [[5, null], []]}', b"\x00celery-compressed\x00x"),
    ],
)
def test_what_is_no_group_is_unreadable_with_the_reason(stored: bytes) -> None:
    group = parse_group("g", stored)
    assert (group.is_unreadable, group.members) == (True, ())
    assert group.reason
    assert not GroupOutcome(group, {}).is_ready


@given(
    st.binary()
    | st.recursive(st.none() | st.text(max_size=2), st.lists).map(lambda v: json.dumps({"result": v}).encode())
)
def test_reading_a_group_never_raises(stored: bytes) -> None:
    assert parse_group("g", stored).group_id == "g"


def test_an_empty_group_is_ready() -> None:
    group = parse_group("g", b'{"result": [["g", null], []]}')
    assert GroupOutcome(group, {}).is_ready
    assert GroupOutcome(group, {}).is_successful


def test_a_group_is_ready_when_all_its_tasks_are() -> None:
    group = GroupMeta("g", (ResultRef("a"), ResultRef("h", None, (ResultRef("b"),))))
    done, failed, running = (TaskMeta("b", state, MARKER) for state in ("SUCCESS", "FAILURE", "STARTED"))
    first = TaskMeta("a", "SUCCESS", 1)
    found = [GroupOutcome(group, {"a": first, "b": last}) for last in (done, failed, running)]
    assert [(one.is_ready, one.is_successful) for one in found] == [(True, True), (True, False), (False, False)]
    missing = GroupOutcome(group, {"a": first})
    assert (missing.is_ready, missing.results) == (False, [1, None])
    assert found[0].results == [1, MARKER]
    assert MARKER not in repr(found)


def test_the_state_of_a_chord_is_read() -> None:
    parts = [judge().backend.encode([1, "a", "SUCCESS", MARKER]), judge().backend.encode([1, "b", "FAILURE", {}])]
    found = parse_chord("g", size=b"3", added=b"1", callback=None, returned=2, parts=[one.encode() for one in parts])
    assert found == ChordState(
        "g", 4, 2, (ChordPart("a", "SUCCESS", MARKER), ChordPart("b", "FAILURE", {})), 0, Callback.WAITING
    )
    assert found.missing == 2
    assert MARKER not in repr(found)


@pytest.mark.parametrize(
    ("callback", "meant"), [(None, Callback.WAITING), (b"4f0c", Callback.CLAIMED), (b"done", Callback.DONE)]
)
def test_the_claim_of_a_chords_body_is_read(callback: bytes | None, meant: Callback) -> None:
    found = parse_chord("g", size=b"1", added=None, callback=callback, returned=0, parts=[])
    assert found is not None
    assert found.callback is meant


def test_of_an_unknown_chord_nothing_is_known() -> None:
    assert parse_chord("g", size=None, added=b"1", callback=None, returned=0, parts=[]) is None


@pytest.mark.parametrize("size", [b"", b"x", b"-", b"1.5", b"9" * 5000, b"\xff", "\u0663".encode()])
def test_a_size_that_is_no_number_is_unknown(size: bytes) -> None:
    found = parse_chord("g", size=size, added=b"1", callback=None, returned=3, parts=[])
    assert found is not None
    assert (found.size, found.missing) == (None, None)


def test_a_size_may_shrink_and_more_may_come_back_than_were_sent() -> None:
    found = parse_chord("g", size=b"3", added=b"-1", callback=None, returned=5, parts=[])
    assert found is not None
    assert (found.size, found.missing) == (2, 0)


@pytest.mark.parametrize(
    "part", [b"", b"{}", b"[]", b'[1, "a", "SUCCESS"]', b'[1, 5, "SUCCESS", 1]', b'[1, "a", null, 1]']
)
def test_a_part_that_cannot_be_read_is_counted(part: bytes) -> None:
    found = parse_chord("g", size=b"2", added=None, callback=None, returned=2, parts=[part, b'[1, "a", "SUCCESS", 1]'])
    assert found is not None
    assert (found.unreadable, [one.task_id for one in found.parts]) == (1, ["a"])
