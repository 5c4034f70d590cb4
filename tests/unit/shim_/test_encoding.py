"""Arguments to the JSON text of a body, and what is refused on the way."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from math import inf, nan
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shim.encoding import DEPTH_LIMIT, INTEGER_LIMIT_BITS, check_header, encode_body
from shim.errors import RequestInvalid
from tests.support.stock import read, write

EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
TYPED: dict[str, Any] = {"__type__": "uuid", "__value__": {"hex": "0" * 32}}


class Number(IntEnum):
    SEVEN = 7


class Word(StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Colour(Enum):
    """No text: the fast encoder would write its value all the same."""

    RED = "red"


@dataclass
class Point:
    """The fast encoder would write it as an object."""

    x: int


class Pair(NamedTuple):
    left: int
    right: int


class Lazy(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def decoded(*args: Any, **kwargs: Any) -> Any:
    return json.loads(encode_body(args, kwargs))


def in_list(value: Any) -> Any:
    return ["before", [value]]


def in_object(value: Any) -> Any:
    return {"before": None, "in": value}


def nested(depth: int, value: Any = None, *, wrap: Any = lambda value: [value]) -> Any:
    for _ in range(depth):
        value = wrap(value)
    return value


def test_a_body_is_a_list_of_args_kwargs_and_an_empty_embed() -> None:
    assert decoded(2, 3, z=4) == [[2, 3], {"z": 4}, EMBED]


def test_a_body_without_arguments_has_an_empty_list_and_an_empty_object() -> None:
    assert json.loads(encode_body((), {})) == [[], {}, EMBED]


def test_a_body_is_compact_and_its_text_is_not_escaped() -> None:
    assert encode_body(["Ünï 😀"], {"a": [1]}).decode().startswith('[["Ünï 😀"],{"a":[1]},{')


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 0.1, -0.0, 1e308, 5e-324, "", "\x00\x1f\u2028"),
        *([], {}, [[]], {"": {"": []}}, {"a": "b", "c": None, "d": True}, {"a": 1, "b": [1.5, {"c": "d"}]}),
    ],
)
def test_a_json_value_comes_back_as_it_was(value: Any) -> None:
    [args, kwargs, _] = decoded(value, k=value)
    assert repr((args, kwargs)) == repr(([value], {"k": value}))


@pytest.mark.parametrize(
    "value", [2**64, -(2**63) - 1, 10**30, 2**INTEGER_LIMIT_BITS - 1, -(2**INTEGER_LIMIT_BITS) + 1]
)
def test_an_integer_beyond_64_bits_comes_back_exactly(value: int) -> None:
    assert decoded(value, "ü", k={"in": [value]})[:2] == [[value, "ü"], {"k": {"in": [value]}}]


def test_a_body_with_a_large_integer_is_as_compact_and_unescaped_as_any_other() -> None:
    assert encode_body(["ü", 2**64], {"a": [1]}).decode().startswith('[["ü",18446744073709551616],{"a":[1]},{')


@pytest.mark.parametrize("large", [(), (2**70,)])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        (Number.SEVEN, 7),
        (Word.RED, "red"),
        (Text("text"), "text"),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Lazy(a=Lazy(b="c")), {"a": {"b": "c"}}),
    ],
)
def test_values_that_are_json_by_another_type_travel_as_json(value: Any, expected: Any, large: tuple[int, ...]) -> None:
    [args, kwargs, _] = decoded(value, *large, k=value)
    assert args == [expected, *large]
    assert kwargs == {"k": expected}


def test_keyword_arguments_may_be_any_mapping() -> None:
    assert json.loads(encode_body([], Lazy(a=1)))[1] == {"a": 1}


# -- typed values ------------------------------------------------------------------------------------------------------


class Day(date):
    """A subclass, as date libraries have."""


TYPED_VALUES = [
    pytest.param(datetime(2026, 3, 1, 12, 30, 1, 5, tzinfo=UTC), id="instant"),
    pytest.param(datetime(2026, 3, 1, 12, 30), id="naive instant"),  # noqa: DTZ001 - it arrives naive, as it is sent
    pytest.param(datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")), id="offset with seconds"),
    pytest.param(datetime(2026, 3, 1, tzinfo=timezone(timedelta(seconds=-1))), id="offset of a second"),
    pytest.param(datetime(1, 1, 1, tzinfo=UTC), id="first instant"),
    pytest.param(datetime.max.replace(tzinfo=UTC), id="last instant"),
    pytest.param(date(2026, 3, 1), id="date"),
    pytest.param(Day(1, 1, 1), id="date by another type"),
    pytest.param(time(23, 59, 59, 999_999), id="time"),
    pytest.param(time(1, tzinfo=timezone(timedelta(hours=-3))), id="time with an offset"),
    pytest.param(UUID(int=2**128 - 1), id="uuid"),
    pytest.param(Decimal("1.10"), id="decimal"),
    pytest.param(Decimal("-0E-30"), id="decimal with an exponent"),
    pytest.param(Decimal("Infinity"), id="infinite decimal"),
    pytest.param("Größe \x00".encode(), id="bytes that are text"),
    pytest.param(b"\xff\x00\xfe", id="bytes that are none"),
    pytest.param(b"", id="no bytes"),
]


@pytest.mark.parametrize("wrap", [lambda value: value, in_list, in_object], ids=["bare", "in a list", "in an object"])
@pytest.mark.parametrize("value", TYPED_VALUES)
def test_a_typed_value_is_written_as_kombu_writes_it_and_arrives_as_it_was(value: Any, wrap: Any) -> None:
    written = encode_body([1, wrap(value)], {"k": wrap(value)})
    assert json.loads(written) == json.loads(write([[1, wrap(value)], {"k": wrap(value)}, EMBED]))
    [args, kwargs, _] = read(written)
    assert (args, kwargs) == ([1, wrap(value)], {"k": wrap(value)})


@pytest.mark.parametrize("value", TYPED_VALUES)
def test_a_typed_value_travels_beside_what_only_the_slow_encoder_writes(value: Any) -> None:
    assert read(encode_body([value, 2**70], {}))[0] == [value, 2**70]


def test_a_typed_value_is_no_key() -> None:
    foreign: Any = {UUID(int=1): "a"}
    with pytest.raises(RequestInvalid, match="every key"):
        encode_body([foreign], {})


# -- refusals ----------------------------------------------------------------------------------------------------------

POISONS = [
    pytest.param(nan, id="nan"),
    pytest.param(inf, id="infinity"),
    pytest.param(-inf, id="minus infinity"),
    pytest.param("\ud800", id="high surrogate"),
    pytest.param("a\udfffb", id="low surrogate"),
    pytest.param({"\udc80": 1}, id="surrogate in a key"),
    pytest.param(2**INTEGER_LIMIT_BITS, id="huge integer"),
    pytest.param(-(2**INTEGER_LIMIT_BITS), id="huge negative integer"),
    pytest.param(10**5000, id="integer too long to be written"),
    pytest.param(TYPED, id="typed object"),
    pytest.param({"__type__": "nope", "__value__": 1}, id="object of an unknown type"),
    pytest.param({"__value__": None, "__type__": None}, id="object of no type"),
    pytest.param(MappingProxyType(TYPED), id="typed object in a mapping"),
    pytest.param({1: "a"}, id="integer key"),
    pytest.param({None: "a"}, id="null key"),
    pytest.param({"a": "b", b"c": "d"}, id="bytes key"),
    pytest.param({Text("k"): "a"}, id="key of a string subclass"),
    pytest.param(bytearray(b"bytes"), id="mutable bytes"),
    pytest.param(timedelta(1), id="length of time"),
    pytest.param(Colour.RED, id="member of an enumeration"),
    pytest.param(Point(1), id="dataclass"),
    pytest.param({1, 2}, id="set"),
    pytest.param(1j, id="complex"),
    pytest.param(deque([1]), id="deque"),
    pytest.param(range(3), id="range"),
    pytest.param(object(), id="object"),
    pytest.param(int, id="class"),
]


@pytest.mark.parametrize("wrap", [lambda value: value, in_list, in_object], ids=["bare", "in a list", "in an object"])
@pytest.mark.parametrize("poison", POISONS)
def test_a_poison_is_refused_wherever_it_stands(poison: Any, wrap: Any) -> None:
    with pytest.raises(RequestInvalid):
        encode_body(["first", wrap(poison)], {})
    with pytest.raises(RequestInvalid):
        encode_body([], {"first": 1, "k": wrap(poison)})


@pytest.mark.parametrize("poison", [one for one in POISONS if "surrogate" not in str(one.id)])
def test_a_poison_in_a_header_is_refused(poison: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^headers\['colour'\]"):
        check_header(in_list(poison), "headers['colour']")


@pytest.mark.parametrize("value", [datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1), Decimal(1), b"bytes"])
def test_a_typed_value_in_a_header_is_refused(value: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^headers\['colour'\]: only plain JSON"):
        check_header(in_object(value), "headers['colour']")


def test_a_plain_header_is_let_through() -> None:
    check_header({"a": [1, None, "red"]}, "headers['colour']")


@pytest.mark.parametrize("args", ["text", b"ab", {"a": 1}, None, 1, deque([1]), range(2), {1}, iter([1])])
def test_args_that_are_not_a_list_or_tuple_are_refused(args: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^args: "):
        encode_body(args, {})


@pytest.mark.parametrize("kwargs", ["text", [("a", 1)], None, 1, {"a"}])
def test_kwargs_that_are_not_a_mapping_are_refused(kwargs: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^kwargs: "):
        encode_body([], kwargs)


@pytest.mark.parametrize("kwargs", [{1: "a"}, {"a": 1, None: 2}, {Text("k"): 1}])
def test_a_keyword_that_is_not_plain_text_is_refused(kwargs: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^kwargs: every key"):
        encode_body([], kwargs)


def test_kwargs_that_would_be_read_as_a_typed_object_are_refused() -> None:
    with pytest.raises(RequestInvalid, match=r"^kwargs: .*__type__"):
        encode_body([], TYPED)


def test_an_object_that_only_resembles_a_typed_one_travels() -> None:
    alike: list[Any] = [{"__type__": "uuid"}, {"__value__": 1}, {**TYPED, "third": 1}, {"__type__": 1, "__other__": 2}]
    assert decoded(*alike)[0] == alike
    assert json.loads(encode_body([], {**TYPED, "third": 1}))[1] == {**TYPED, "third": 1}


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}], ids=["lists", "objects"])
def test_nesting_is_allowed_up_to_its_limit(wrap: Any) -> None:
    deepest = nested(DEPTH_LIMIT - 1, wrap=wrap)
    assert decoded(deepest, k=deepest)[:2] == [[deepest], {"k": deepest}]


@pytest.mark.parametrize("leaf", [None, [], {}], ids=["null", "list", "object"])
@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}], ids=["lists", "objects"])
def test_nesting_beyond_its_limit_is_refused(wrap: Any, leaf: Any) -> None:
    with pytest.raises(RequestInvalid, match=f"nested deeper than {DEPTH_LIMIT}"):
        encode_body([nested(DEPTH_LIMIT, leaf, wrap=wrap)], {})


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(RequestInvalid):
        encode_body([loop], {})


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        ([1, nan], {}, "args[1]"),
        ([], {"colour": nan}, "kwargs['colour']"),
        ([1, [{"a": {1}}]], {}, "args[1]"),
        ([], {"colour": {"a": [{2: 1}]}}, "kwargs['colour']"),
    ],
)
def test_a_refusal_names_the_argument(args: Any, kwargs: Any, place: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        encode_body(args, kwargs)
    assert str(caught.value).startswith(f"{place}: ")


def test_a_refusal_of_a_foreign_type_names_the_type_and_says_what_to_send() -> None:
    foreign: Any = {1}
    with pytest.raises(RequestInvalid, match="set is not JSON") as caught:
        encode_body([foreign], {})
    assert "send text" in caught.value.hint
