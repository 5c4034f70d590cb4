"""Bodies in other forms than JSON, read by kombu's own decoders; and the same bodies made smaller."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType, ModuleType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import compression as their_compression
from kombu import serialization as their_serialization

from shim.compression import COMPRESSIONS, compress
from shim.encoding import DEPTH_LIMIT, NO_EMBED
from shim.errors import RequestInvalid
from shim.serializer import SERIALIZERS, Body, serialize
from shim.signature import SIGNATURE_DEPTH_LIMIT, Signature
from tests.support.task_requests import exactly, good_values, is_typed

MARKER = "ZZPATIENT"


class Number(IntEnum):
    SEVEN = 7


class Text(str):
    __slots__ = ()


theirs: Any = their_serialization  # neither carries types
their_bodies: Any = their_compression


def decoded(body: Body) -> Any:
    accept = theirs.prepare_accept_content(list(SERIALIZERS))
    return theirs.loads(body.content, body.content_type, body.content_encoding, accept=accept)


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_content_type_and_encoding_are_those_kombu_registers(serializer: str) -> None:
    body = serialize(serializer, [1], {})
    assert (body.content_type, body.content_encoding) == theirs.dumps([], serializer)[:2]


def within_64_bits(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(within_64_bits, value.values()))
    if isinstance(value, list):
        return all(map(within_64_bits, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64


@given(
    serializer=st.sampled_from(SERIALIZERS),
    args=st.lists(good_values.filter(within_64_bits), max_size=3),
    kwargs=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=12), good_values, max_size=3).filter(
        lambda value: within_64_bits(value) and not is_typed(value)
    ),
)
def test_json_values_arrive_alike_by_every_serializer(serializer: str, args: Any, kwargs: Any) -> None:
    assert exactly(decoded(serialize(serializer, args, kwargs))) == exactly([args, kwargs, NO_EMBED])


minutes = st.integers(-1439, 1439).map(lambda offset: timezone(timedelta(minutes=offset)))


@given(values=st.lists(st.datetimes(timezones=st.none() | minutes) | st.dates() | st.binary(max_size=20)))
def test_yaml_carries_instants_dates_and_bytes(values: list[Any]) -> None:
    found = decoded(serialize("yaml", values, {}))[0]
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@given(value=st.binary(max_size=20))
def test_msgpack_carries_bytes(value: bytes) -> None:
    assert decoded(serialize("msgpack", [value], {"k": value}))[:2] == [[value], {"k": value}]


@pytest.mark.parametrize("serializer", ["yaml", "msgpack"])
def test_values_by_another_type_arrive_as_plain_ones(serializer: str) -> None:
    given_values: list[Any] = [Number.SEVEN, Text("text"), (1, (2,)), MappingProxyType({"a": 1})]
    assert decoded(serialize(serializer, given_values, MappingProxyType({"k": Text("v")})))[:2] == [
        [7, "text", [1, [2]], {"a": 1}],
        {"k": "v"},
    ]


@pytest.mark.parametrize(
    ("serializer", "value"),
    [
        *((serializer, value) for serializer in ("yaml", "msgpack") for value in (time(1), UUID(int=1), Decimal(1))),
        ("yaml", datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))),
        ("msgpack", datetime(2026, 1, 1, tzinfo=UTC)),
        ("msgpack", date(2026, 1, 1)),
        ("msgpack", 2**64),
        ("msgpack", -(2**63) - 1),
    ],
)
def test_a_value_a_serializer_has_no_form_for_is_refused(serializer: str, value: Any) -> None:
    for wrapped in (value, [value], {"a": {"b": value}}):
        with pytest.raises(RequestInvalid, match="no form for a") as caught:
            serialize(serializer, [MARKER, wrapped], {})
        assert MARKER not in repr(caught.value)
    with pytest.raises(RequestInvalid, match="no form for a"):
        serialize(serializer, [], {}, {**NO_EMBED, "callbacks": [Signature("a", [value]).as_json()]})


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("value", [float("nan"), "\ud800", {1}, {1: 2}, {"__type__": "uuid", "__value__": 1}, 2**5000])
def test_what_json_refuses_the_others_refuse_too(serializer: str, value: Any) -> None:
    with pytest.raises(RequestInvalid):
        serialize(serializer, [value], {})


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_the_deepest_body_that_is_taken_is_read(serializer: str) -> None:
    value: Any = None
    for _ in range(DEPTH_LIMIT - 1):
        value = {"in": value}
    nested = Signature("a", [value])
    for _ in range(SIGNATURE_DEPTH_LIMIT - 1):
        nested = Signature("a", options={"link": [nested]})
    document = [[value], {}, {**NO_EMBED, "callbacks": [nested.as_json()]}]
    assert exactly(decoded(serialize(serializer, document[0], {}, document[2]))) == exactly(document)  # type: ignore[arg-type]


@pytest.mark.parametrize("serializer", ["pickle", "auth", "raw", "application/json", "", None, 1, []])
def test_other_serializers_are_refused_with_a_reason(serializer: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^serializer: one of json, yaml, msgpack") as caught:
        serialize(serializer, [], {})
    assert "pickle runs what it is sent" in caught.value.hint


@pytest.mark.parametrize(
    ("serializer", "module", "name"), [("yaml", "yaml", "PyYAML"), ("msgpack", "msgpack", "msgpack")]
)
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, serializer: str, module: str, name: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RequestInvalid, match=f"{name} is not installed") as caught:
        serialize(serializer, [], {})
    assert "carillond[serializers]" in caught.value.hint


def test_a_body_does_not_show_what_it_holds() -> None:
    assert MARKER not in repr(serialize("json", [MARKER], {}))


# -- compression -------------------------------------------------------------------------------------------------------

ALWAYS = ["gzip", "zlib", "bzip2", "bzip", "lzma", "xz"]


@pytest.mark.parametrize("name", ALWAYS)
def test_a_compressed_body_is_kombus(name: str) -> None:
    body = b"largely the same, " * 50
    content, mime = compress(body, name)
    assert (content, mime) == their_bodies.compress(body, name)
    assert their_bodies.decompress(content, mime) == body
    assert len(content) < len(body)


def test_every_name_of_kombus_is_known() -> None:
    assert {name: COMPRESSIONS[name] for name in their_bodies._aliases} == their_bodies._aliases


@pytest.mark.parametrize("name", sorted(COMPRESSIONS.keys() - {*ALWAYS}))
def test_a_compression_is_taken_from_a_library_or_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    class Library(ModuleType):
        @staticmethod
        def compress(body: bytes) -> bytes:
            return b"small " + body

    for module in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RequestInvalid, match=f"compression {name}: no library"):
        compress(b"x", name)
    monkeypatch.setitem(sys.modules, "brotlicffi" if name == "brotli" else "backports.zstd", Library("library"))
    assert compress(b"x", name) == (b"small x", COMPRESSIONS[name])
