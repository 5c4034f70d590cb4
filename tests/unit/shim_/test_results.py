"""Reading what workers stored of a task's outcome."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.results import UNREADABLE, TaskMeta, parse_meta, result_key_prefix

MARKER = "ZZPATIENT"


def stored(**fields: Any) -> bytes:
    return json.dumps({"status": "SUCCESS", "result": None, "traceback": None, "task_id": "id", **fields}).encode()


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
def test_a_final_state_is_ready(state: str) -> None:
    meta = parse_meta("id", stored(status=state, result={"a": [1]}))
    assert (meta.task_id, meta.state, meta.result, meta.is_ready) == ("id", state, {"a": [1]}, True)


@pytest.mark.parametrize("state", ["STARTED", "RETRY", "PROGRESS", "made up", ""])
def test_any_other_state_is_not_ready(state: str) -> None:
    meta = parse_meta("id", stored(status=state))
    assert (meta.state, meta.is_ready) == (state, False)


def test_a_result_that_is_not_there_is_none() -> None:
    assert parse_meta("id", b'{"status": "SUCCESS"}') == TaskMeta("id", "SUCCESS", None)


@pytest.mark.parametrize("result", [math.inf, -math.inf, "\ud800", {"\udfff": 1}, 10**30, [10**300]])
def test_what_pythons_json_writes_and_others_refuse_is_read(result: Any) -> None:
    assert parse_meta("id", stored(result=result)) == TaskMeta("id", "SUCCESS", result)


def test_a_result_of_nan_is_read() -> None:
    meta = parse_meta("id", stored(result=math.nan))
    assert meta.is_ready
    assert isinstance(meta.result, float)
    assert math.isnan(meta.result)


def nested(depth: int) -> bytes:
    return b'{"status":"SUCCESS","result":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b"null",
            b"[]",
            b'"SUCCESS"',
            b"1",
            b"{}",
            b'{"status": null}',
            b'{"status": 1}',
            b'{"status": ["SUCCESS"]}',
        ),
        *(b"{", b"\xff\xfe", b"\x80\x04\x95pickle", b"\x00celery-compressed\x00application/x-gzip\x00\x78\x9c"),
        pytest.param(nested(100_000), id="nested beyond all limits"),
        pytest.param(b'{"status":"SUCCESS","result":' + b"1" * 5000 + b"}", id="an integer beyond all limits"),
    ],
)
def test_what_is_no_object_with_a_status_is_unreadable_and_not_ready(value: bytes) -> None:
    meta = parse_meta("id", value)
    assert meta == TaskMeta("id", UNREADABLE, None)
    assert not meta.is_ready


@given(
    st.binary() | st.text().map(str.encode) | st.recursive(st.none() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_reading_never_raises(value: bytes) -> None:
    assert parse_meta("id", value).task_id == "id"


def test_a_meta_does_not_show_its_result() -> None:
    assert MARKER not in repr(parse_meta("id", stored(result=MARKER)))


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
