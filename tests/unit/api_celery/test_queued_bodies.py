"""Bodies of waiting messages, opened: what Celery itself writes, and what nobody should."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.queues import read_body
from shim.queues.body import BODY_LIMIT_BYTES

PACKERS: dict[str, Any] = {
    "application/x-gzip": zlib.compress,
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
}


def element(body: bytes, *, kind: str = "application/json", packed: str | None = None, encoded: bool = True) -> bytes:
    headers = {} if packed is None else {"compression": packed}
    text = base64.b64encode(body).decode() if encoded else body.decode()
    properties = {"body_encoding": "base64"} if encoded else {}
    return json.dumps({"body": text, "content-type": kind, "headers": headers, "properties": properties}).encode()


BODY = json.dumps([[1, "x"], {"bed": "B-12"}, {"callbacks": None}]).encode()


@pytest.mark.parametrize("packed", [None, *PACKERS])
def test_what_a_task_was_called_with_is_read(packed: str | None) -> None:
    body = BODY if packed is None else PACKERS[packed](BODY)
    found = read_body(element(body, packed=packed))
    assert (found.args, found.kwargs, found.why) == ([1, "x"], {"bed": "B-12"}, "")


def test_plain_bodies_and_the_first_protocol_are_read() -> None:
    assert read_body(element(BODY, encoded=False)).args == [1, "x"]
    old = json.dumps({"task": "t", "args": [1], "kwargs": {"a": 2}}).encode()
    assert (read_body(element(old)).args, read_body(element(old)).kwargs) == ([1], {"a": 2})


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (element(b"\x80\x04", kind="application/x-python-serialize"), "only application/json is opened"),
        (element(BODY, packed="application/zstd"), "which is not opened"),
        (element(BODY, packed="application/x-gzip"), "damaged"),
        (element(zlib.compress(b" " * (BODY_LIMIT_BYTES + 1)), packed="application/x-gzip"), "unpacked it has more"),
        (element(b"[1]"), "not the form"),
        (b"[]", "no message"),
        (b"{", "damaged"),
        (b'{"body": "*", "properties": {"body_encoding": "base64"}}', "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_what_cannot_be_opened_says_why(raw: bytes, why: str) -> None:
    found = read_body(raw)
    assert why in found.why
    assert (found.args, found.kwargs) == (None, None)


@given(st.binary(max_size=200) | st.builds(element, st.binary(max_size=50), packed=st.sampled_from([None, *PACKERS])))
def test_reading_never_raises(raw: bytes) -> None:
    assert read_body(raw) is not None


def test_its_representation_holds_nothing_of_it() -> None:
    assert "B-12" not in repr(read_body(element(BODY)))
