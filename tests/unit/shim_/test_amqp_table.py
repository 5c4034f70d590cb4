"""Field tables and property lists, against py-amqp, the client Celery uses."""

from __future__ import annotations

from typing import Any

import amqp  # type: ignore[import-untyped]
import amqp.serialization  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.amqp.table import encode_properties, encode_short, encode_table
from shim.errors import RequestInvalid

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(TEXT, VALUES, max_size=6)


@given(TABLES)
def test_a_table_is_byte_for_byte_what_py_amqp_writes(table: dict[str, Any]) -> None:
    assert encode_table(table) == amqp.serialization.dumps("F", [table])


@given(TABLES)
def test_py_amqp_reads_back_what_was_written(table: dict[str, Any]) -> None:
    [read], _ = amqp.serialization.loads("F", encode_table(table), 0)
    assert read == table


@given(
    TABLES,
    st.integers(1, 2),
    st.none() | st.integers(0, 255),
    st.none() | TEXT.filter(bool),
    st.none() | TEXT.filter(bool),
    st.none() | st.integers(0, 10**9).map(str),
)
def test_a_property_list_is_byte_for_byte_what_py_amqp_writes(
    headers: dict[str, Any],
    mode: int,
    priority: int | None,
    correlation_id: str | None,
    reply_to: str | None,
    expiration: str | None,
) -> None:
    given_too = {"priority": priority, "correlation_id": correlation_id, "reply_to": reply_to, "expiration": expiration}
    theirs = amqp.Message(
        "",
        application_headers=headers,
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=mode,
        message_id="m",
        **{name: value for name, value in given_too.items() if value is not None},
    )
    ours = encode_properties(
        headers,
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=mode,
        priority=priority,
        correlation_id=correlation_id,
        reply_to=reply_to,
        expiration=expiration,
        message_id="m",
    )
    assert ours == theirs._serialize_properties()


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
def test_an_integer_beyond_64_bits_is_refused_and_not_shown(value: int) -> None:
    with pytest.raises(RequestInvalid, match="more than 64 bits") as caught:
        encode_table({"deep": {"er": [1, value]}})
    assert "headers['deep']['er']" in str(caught.value)
    assert str(value) not in str(caught.value)


def test_a_time_limit_keeps_its_digits() -> None:
    [read], _ = amqp.serialization.loads("F", encode_table({"timelimit": [0.3, None]}), 0)
    assert read == {"timelimit": [0.3, None]}


@pytest.mark.parametrize("text", ["x" * 256, "é" * 128])
def test_a_name_of_more_than_255_bytes_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid, match="256 bytes"):
        encode_short(text, "routing key")


def test_a_lone_surrogate_is_refused_without_quoting_the_text() -> None:
    with pytest.raises(RequestInvalid, match="lone surrogates") as caught:
        encode_table({"name": "Mustermann \ud800"})
    assert "Mustermann" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_value_without_a_form_is_refused_by_its_type() -> None:
    with pytest.raises(RequestInvalid, match=r"headers\['when'\]: object has no form"):
        encode_table({"when": object()})  # type: ignore[dict-item]
