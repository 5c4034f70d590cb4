"""Query strings and bodies, read into models; what is wrong is said of each field, and never quoted."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from daemon.api.http.asked import Body, Query
from daemon.api.http.reading import FieldsRefused, read_body, read_query
from daemon.desks import BadRequest
from tests.support.builders import MARKER


class Colour(Enum):
    RED = "red"


class Wanted(Query):
    limit: Annotated[int, Field(ge=1, le=10)] = 5
    state: tuple[str, ...] = ()
    is_open: bool = False


class Said(Body):
    name: Annotated[str, Field(max_length=5)]
    count: int = 1
    colour: Colour = Colour.RED
    tags: tuple[str, ...] = ()


def test_a_query_string_is_read_into_numbers_lists_and_flags() -> None:
    read = read_query(Wanted, [("limit", "7"), ("state", "a"), ("state", "b"), ("is_open", "true")])
    assert read == Wanted(limit=7, state=("a", "b"), is_open=True)


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ([("limit", "0")], "query.limit"),
        ([("limit", MARKER)], "query.limit"),
        ([("limit", "1"), ("limit", "2")], "query.limit"),
        ([(MARKER[:3], "1")], f"query.{MARKER[:3]}"),
    ],
)
def test_a_query_that_is_wrong_names_its_field(pairs: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(FieldsRefused) as refused:
        read_query(Wanted, pairs)
    assert [one.field for one in refused.value.errors] == [field]
    assert MARKER not in str(refused.value)


def test_where_nothing_is_asked_for_nothing_may_be_said() -> None:
    assert read_query(None, []) is None
    assert read_body(None, b" ") is None
    assert read_body(None, b" {}\n") is None
    with pytest.raises(FieldsRefused):
        read_query(None, [("limit", "1")])
    with pytest.raises(BadRequest):
        read_body(None, b'{"a": 1}')


def test_a_body_is_read_into_its_types_and_a_text_is_no_number() -> None:
    said = read_body(Said, b'{"name": "x", "colour": "red", "tags": ["a"]}')
    assert said == Said(name="x", colour=Colour.RED, tags=("a",))
    with pytest.raises(FieldsRefused) as refused:
        read_body(Said, orjson.dumps({"name": "x" * 6, "count": "5", "colour": MARKER, "more": MARKER}))
    assert {one.field for one in refused.value.errors} == {"body.name", "body.count", "body.colour", "body.more"}
    assert MARKER not in repr(refused.value.errors)


@pytest.mark.parametrize("raw", [b"[]", b"5", b"{", b'"x"', b"null", b"\xff", b"[" * 5000, b'{"name": NaN}'])
def test_what_is_no_json_object_is_refused_as_such(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        read_body(Said, raw)


def test_many_wrong_fields_are_told_in_bounded_number() -> None:
    with pytest.raises(FieldsRefused) as refused:
        read_body(Said, orjson.dumps({f"f{number}": 1 for number in range(500)}))
    assert len(refused.value.errors) == 20


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
        lambda value: orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str) if _fits(value) else b""
    )
)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        read = read_body(Said, raw)
    except BadRequest:
        return
    assert isinstance(read, Said)


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
