"""A message with a long text is written piece by piece; put together it says what it would say if it were written at once."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.text import base64_text
from daemon.hl7listener.text.base64_text import Base64Text
from shim import pieces
from shim.encoding import encode_body
from shim.envelope import ENVELOPE_LIMIT_BYTES, build_envelope
from shim.errors import RequestInvalid
from shim.foreign.call import ForeignCall, send_options
from shim.message import build_message
from shim.mould import Moulds
from shim.pieces import Pieces
from shim.request import TaskRequest
from shim.routing import Target
from tests.support.task_requests import good_text, good_values

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
LATER = datetime(2026, 11, 23, tzinfo=UTC)
TARGET = Target("ours", 3)


class Slow:
    """A long text, for tests: its characters one by one."""

    def __init__(self, text: str) -> None:
        self.text = text

    def pieces(self) -> Iterator[str]:
        return iter(self.text)


def in_full(value: Any) -> Any:
    """Give a value with its long texts as text."""
    if isinstance(value, Slow):
        return value.text
    if isinstance(value, dict):
        return {key: in_full(item) for key, item in value.items()}
    return [in_full(item) for item in value] if isinstance(value, (list, tuple)) else value


def payload_of(request: TaskRequest) -> bytes | Pieces:
    return build_envelope(request, TARGET, delivery_tag="t-1", at=NOW, origin="me@test").payload


def read(payload: bytes | Pieces) -> tuple[dict[str, Any], Any]:
    """Give what stands around a body, and what is in it."""
    around = json.loads(bytes(payload))
    return around, json.loads(around.pop("body"))


@given(st.lists(good_text | good_text.map(Slow) | st.integers(0, 9), max_size=3), st.integers(1, 5))
def test_pieces_of_text_are_the_bytes_that_are_written_at_once(args: list[Any], piece: int) -> None:
    request = TaskRequest("app.take", "one", args=[*args, Slow("")])
    with patch.object(pieces, "PIECE_CHARACTERS", piece):
        assert bytes(payload_of(request)) == payload_of(request._replace(args=in_full(request.args)))


leaves = good_text.map(Slow) | good_text | good_values
nested = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\', max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(nested, max_size=2),
    st.dictionaries(good_text, nested, max_size=3),
    good_text,
    st.none() | st.just(LATER),
    st.integers(1, 5),
)
def test_pieces_make_the_message_that_is_written_at_once(
    args: list[Any], kwargs: dict[str, Any], text: str, expires_at: datetime | None, piece: int
) -> None:
    kwargs = {**kwargs, "long": Slow(text)}
    request = TaskRequest("app.take", "one", args=args, kwargs=kwargs, expires_at=expires_at)
    plain = request._replace(args=in_full(args), kwargs=in_full(kwargs))
    with patch.object(pieces, "PIECE_CHARACTERS", piece):
        made = payload_of(request)
        assert isinstance(made, Pieces)
        assert b"".join(made) == bytes(made)
        assert len(made) == len(bytes(made))
        # Not the same bytes: beside an integer of more than 64 bits a number such as 1e-5 is written otherwise.
        assert read(made) == read(payload_of(plain))
    assert encode_body(args, kwargs) == encode_body(plain.args, plain.kwargs)


@given(st.binary(max_size=40), st.sampled_from((3, 6, 9)))
def test_bytes_in_base64_are_the_same_in_pieces(data: bytes, piece: int) -> None:
    with patch.object(base64_text, "PIECE_BYTES", piece):
        assert "".join(Base64Text(data).pieces()) == b64encode(data).decode("ascii")


def test_what_is_remembered_of_a_task_is_not_used_for_a_long_text() -> None:
    request = TaskRequest("app.take", "one", kwargs={"message": {"raw_b64": Base64Text(b"abc")}})
    assert Moulds("me").envelope(request, TARGET, "t-1", NOW) is None


@pytest.mark.parametrize("serializer", ["json", "yaml", "msgpack"])
def test_where_a_message_is_written_at_once_a_long_text_is_text(serializer: str) -> None:
    request = TaskRequest(
        "app.take", "one", args=[Slow('aä"')], kwargs={"in": [{"deep": Slow("\\")}]}, serializer=serializer
    )
    plain = request._replace(args=['aä"'], kwargs={"in": [{"deep": "\\"}]})
    made, wanted = (build_message(one, TARGET, at=NOW, origin="me@test") for one in (request, plain))
    assert made == wanted
    assert (
        payload_of(request) == payload_of(plain)
        if serializer != "json"
        else bytes(payload_of(request)) == payload_of(plain)
    )


def test_celery_is_handed_text() -> None:
    moment: dict[str, Any] = {"at": NOW, "more": [1, Slow("b")]}
    options = send_options(ForeignCall(TaskRequest("app.take", "one", args=[Slow("a")], kwargs={"deep": moment})))
    assert (options["args"], options["kwargs"]) == (["a"], {"deep": {"at": NOW, "more": [1, "b"]}})


def test_a_long_text_that_is_not_unicode_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(RequestInvalid, match="lone surrogates") as refused:
        payload_of(TaskRequest("app.take", "one", kwargs={"long": Slow("secret\ud800")}))
    assert "secret" not in str(refused.value)


def test_a_value_beside_a_long_text_is_checked_like_any_other() -> None:
    odd: dict[str, Any] = {"long": Slow("a"), "odd": object()}
    with pytest.raises(RequestInvalid, match="is not JSON"):
        payload_of(TaskRequest("app.take", "one", kwargs=odd))


def test_more_than_an_element_may_hold_is_refused_in_pieces_too() -> None:
    class Endless:
        def pieces(self) -> Iterator[str]:
            return iter(["x" * (ENVELOPE_LIMIT_BYTES // 100)] * 101)

    with pytest.raises(RequestInvalid, match="more than"):
        payload_of(TaskRequest("app.take", "one", kwargs={"long": Endless()}))


def test_nothing_shows_what_a_long_text_says() -> None:
    request = TaskRequest("app.take", "one", kwargs={"long": Slow("Hopper^Grace")})
    assert "Hopper" not in f"{payload_of(request)!r} {Base64Text(b'Hopper')!r}"
    assert "Hopper" in json.loads(bytes(payload_of(request)))["body"]
