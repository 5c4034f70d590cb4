"""Reading what workers stored of a task's outcome."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from celery import states
from hypothesis import given
from hypothesis import strategies as st

from shim.results import (
    CELERY_STATES,
    EXCEPTION_STATES,
    READY_STATES,
    UNREADABLE,
    ResultRef,
    TaskMeta,
    meta_from_mapping,
    parse_meta,
    result_key_prefix,
)

MARKER = "ZZPATIENT"
FINAL = sorted(READY_STATES)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("status", "result", "traceback", "children", "date_done", "task_id", "parent_id", "group_id", "name", "args"),
    *("kwargs", "worker", "retries", "queue", "stamped_headers", "tenant"),
)
known_words = st.sampled_from([*sorted(CELERY_STATES), "PROGRESS", "2026-11-22T03:15:37", "tenant", "exc_type"])


def stored(**fields: Any) -> bytes:
    return json.dumps({"status": "SUCCESS", "result": None, "traceback": None, "task_id": "id", **fields}).encode()


def read(**fields: Any) -> TaskMeta:
    return parse_meta("id", stored(**fields))


def touch(meta: TaskMeta) -> None:
    """Ask a meta for everything it can tell."""
    for name in ("is_ready", "is_successful", "is_unreadable", "is_poisoned", "value", "error", "progress"):
        getattr(meta, name)
    if meta.progress is not None:
        assert meta.progress.fraction is None or 0 <= meta.progress.fraction <= 1
        assert meta.progress.text is None or isinstance(meta.progress.text, str)
    if meta.error is not None:
        assert isinstance(meta.error.text, str)
    for child in meta.children:
        assert all(isinstance(task_id, str) for task_id in child.task_ids)
    assert meta.date_done is None or meta.date_done.tzinfo is UTC
    repr(meta)


def test_the_states_are_celerys() -> None:
    assert states.READY_STATES == READY_STATES
    assert states.EXCEPTION_STATES == EXCEPTION_STATES
    assert states.ALL_STATES | {states.REJECTED, states.IGNORED} == CELERY_STATES


@pytest.mark.parametrize("state", FINAL)
def test_a_final_state_is_ready(state: str) -> None:
    meta = read(status=state, result={"a": [1]})
    assert (meta.task_id, meta.state, meta.result, meta.is_ready) == ("id", state, {"a": [1]}, True)
    assert meta.is_successful == (state == "SUCCESS")


@pytest.mark.parametrize("state", ["STARTED", "RETRY", "PROGRESS", "made up", ""])
def test_any_other_state_is_not_ready(state: str) -> None:
    meta = read(status=state)
    assert (meta.state, meta.is_ready, meta.is_successful) == (state, False, False)


def test_a_result_that_is_not_there_is_none() -> None:
    assert parse_meta("id", b'{"status": "SUCCESS"}') == TaskMeta("id", "SUCCESS", None)


@pytest.mark.parametrize("result", [math.inf, -math.inf, "\ud800", {"\udfff": 1}, 10**30, [10**300]])
def test_what_pythons_json_writes_and_others_refuse_is_read(result: Any) -> None:
    assert read(result=result) == TaskMeta("id", "SUCCESS", result)


def test_a_result_of_nan_is_read() -> None:
    meta = read(result=math.nan)
    assert meta.is_ready
    assert isinstance(meta.result, float)
    assert math.isnan(meta.result)


def test_the_id_asked_for_counts_and_not_the_one_inside() -> None:
    assert read(task_id="another").task_id == "id"


def test_a_meta_with_everything_is_read() -> None:
    extended: dict[str, Any] = {
        "children": [[["c1", None], None], [["g", ["p", None]], [[["m1", None], None], ["m2", None]]]],
        "date_done": "2026-11-22T03:15:37.603692+00:00",
        "traceback": "Traceback …",
        "parent_id": "p",
        "group_id": "g",
        "name": "tasks.add",
        "args": [2, 3],
        "kwargs": {"a": 1},
        "worker": "x1@wire",
        "retries": 2,
        "queue": "wards",
        "stamped_headers": ["tenant", "gone"],
        "tenant": ["a"],
    }
    assert read(**extended, result=5) == TaskMeta(
        "id",
        "SUCCESS",
        5,
        "Traceback …",
        datetime(2026, 11, 22, 3, 15, 37, 603692, tzinfo=UTC),
        children=(ResultRef("c1"), ResultRef("g", ResultRef("p"), (ResultRef("m1"), ResultRef("m2")))),
        parent_id="p",
        group_id="g",
        name="tasks.add",
        args=[2, 3],
        kwargs={"a": 1},
        worker="x1@wire",
        retries=2,
        queue="wards",
        stamps={"tenant": ["a"]},
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22T03:15:37+00:00", datetime(2026, 11, 22, 3, 15, 37, tzinfo=UTC)),
        ("2026-11-22T03:15:37.5", datetime(2026, 11, 22, 3, 15, 37, 500_000, tzinfo=UTC)),
        ("2026-11-22T03:15:37+02:00", datetime(2026, 11, 22, 1, 15, 37, tzinfo=UTC)),
        ("2026-11-22T03:15:37Z", datetime(2026, 11, 22, 3, 15, 37, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
        (1795316777.5, None),
        (None, None),
        (True, None),
        ({"date": 1}, None),
    ],
)
def test_the_instant_of_the_end_is_aware_or_unknown(written: Any, meant: datetime | None) -> None:
    assert read(date_done=written).date_done == meant


def test_instants_and_exceptions_that_are_python_objects_already_are_read() -> None:
    naive = datetime(2026, 11, 22, 3, 15)  # noqa: DTZ001 - as SQLAlchemy gives it
    failed = meta_from_mapping("id", {"status": "FAILURE", "result": KeyError("a", 1), "date_done": naive})
    assert failed.date_done == naive.replace(tzinfo=UTC)
    assert failed.result == {"exc_type": "KeyError", "exc_message": ["a", 1], "exc_module": "builtins"}
    elsewhere = naive.replace(tzinfo=timezone(timedelta(hours=2)))
    assert meta_from_mapping("id", {"status": "SUCCESS", "date_done": elsewhere}).date_done == elsewhere


@pytest.mark.parametrize(
    "children", [None, [], "text", 5, {}, [None], [["one"]], [[[1, None], None]], [[["a", 5], None]]]
)
def test_children_that_are_none_are_left_out(children: Any) -> None:
    assert read(children=children).children == ()


def test_a_child_beside_damage_is_kept() -> None:
    assert read(children=[7, [["c", None], None]]).children == (ResultRef("c"),)


def test_parents_deeper_than_any_canvas_are_not_followed() -> None:
    ref: Any = None
    for number in range(300):
        ref = [[str(number), ref], None]
    assert read(children=[ref]).children == ()


@pytest.mark.parametrize("field", ["traceback", "parent_id", "group_id", "name", "worker", "queue", "retries"])
@pytest.mark.parametrize("odd", [[], {}, 1.5, True])
def test_a_field_of_another_type_counts_as_missing(field: str, odd: Any) -> None:
    assert getattr(read(**{field: odd}), field) is None


@pytest.mark.parametrize("names", [None, "tenant", 5, {"tenant": 1}, [["tenant"]], ["missing"]])
def test_stamps_that_are_not_named_are_none(names: Any) -> None:
    assert read(stamped_headers=names, tenant="acme").stamps == {}


def nested(depth: int) -> bytes:
    return b'{"status":"SUCCESS","result":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *((text, "not a mapping") for text in (b"null", b"[]", b'"SUCCESS"', b"1")),
        *((text, "no status") for text in (b"{}", b'{"status": null}', b'{"status": 1}', b'{"status": ["SUCCESS"]}')),
        *((text, "not json, or damaged") for text in (b"", b"{", b"\xff\xfe", b"\x80")),
        pytest.param(nested(100_000), "not json, or damaged", id="nested beyond all limits"),
        pytest.param(
            b'{"status":"SUCCESS","result":' + b"1" * 5000 + b"}",
            "not json, or damaged",
            id="an integer beyond all limits",
        ),
    ],
)
def test_what_is_no_object_with_a_status_is_unreadable_and_not_ready(value: bytes, reason: str) -> None:
    meta = parse_meta("id", value)
    assert meta == TaskMeta("id", UNREADABLE, None, reason=reason)
    assert (meta.is_ready, meta.is_unreadable, meta.error, meta.progress) == (False, True, None, None)


@given(
    st.binary() | st.text().map(str.encode) | st.recursive(st.none() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_reading_bytes_never_raises(value: bytes) -> None:
    meta = parse_meta("id", value)
    assert meta.task_id == "id"
    touch(meta)


@given(st.dictionaries(st.sampled_from(FIELDS), anything | known_words, max_size=16))
def test_reading_any_json_never_raises(fields: dict[str, Any]) -> None:
    touch(parse_meta("id", json.dumps(fields).encode()))


@given(
    st.dictionaries(st.sampled_from(FIELDS), anything | st.binary() | st.datetimes() | st.builds(ValueError, anything))
)
def test_reading_any_mapping_never_raises(fields: dict[str, Any]) -> None:
    touch(meta_from_mapping("id", fields))


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "PROGRESS"])
def test_a_meta_shows_nothing_the_task_was_given_or_gave(state: str) -> None:
    secret = {"exc_type": "E", "exc_message": [MARKER], "text": MARKER}
    given = {"args": [MARKER], "kwargs": {"a": MARKER}, "stamped_headers": ["tenant"], "tenant": MARKER}
    meta = read(status=state, result=secret, traceback=MARKER, **given)
    assert MARKER in str([meta.result, meta.args, meta.kwargs, meta.traceback, meta.stamps])
    assert MARKER not in f"{meta!r} {meta.error!r} {meta.progress!r}"


@pytest.mark.parametrize("text", [MARKER, "{" + MARKER, f'["{MARKER}"]', f'{{"status": ["{MARKER}"]}}'])
def test_what_cannot_be_read_is_not_quoted(text: str) -> None:
    assert MARKER not in repr(parse_meta("id", text.encode()))


@pytest.mark.parametrize(
    ("given_prefix", "joined"),
    [
        ("", ""),
        ("site", "site_"),
        ("site:", "site:"),
        ("site_", "site_"),
        ("site-", "site-"),
        ("site.", "site."),
        ("a/", "a/_"),
    ],
)
def test_a_key_prefix_gets_an_underscore_unless_it_ends_in_a_separator(given_prefix: str, joined: str) -> None:
    assert result_key_prefix(given_prefix) == joined
