"""Bytes as Celery encodes results, judged by Celery's own encoder."""

from __future__ import annotations

import bz2
import json
import lzma
import pickle
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu.compression import encoders
from kombu.utils import json as kombu_json

from shim.results import ResultFormat, TaskMeta, parse_meta, typed_value
from shim.results.payload import COMPRESSED_MARKER

dumps: Callable[[Any], str] = kombu_json.dumps
loads: Callable[[bytes], Any] = kombu_json.loads
ALGORITHMS: list[str] = cast("Callable[[], list[str]]", encoders)()
RESULTS: list[Any] = [5, "Grüße", None, [1, [2.5]], {"a": {"b": True}}]
META = b'{"status": "SUCCESS", "result": 5}'
SERIALIZERS = ("json", "yaml", "msgpack")
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "application/x-gzip": zlib.compress,
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
}


def backend(**conf: Any) -> Any:
    app = Celery("judge", backend="redis://", set_as_current=False)
    app.conf.update(conf)
    return app.backend


def packed(mime: str, body: bytes) -> bytes:
    return COMPRESSED_MARKER + mime.encode() + b"\x00" + body


def reason(stored: bytes, **form: Any) -> str:
    meta = parse_meta("id", stored, ResultFormat(**form))
    assert meta.is_unreadable
    assert not meta.is_ready
    return meta.reason


@pytest.mark.parametrize("compression", [None, *ALGORITHMS])
@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("result", RESULTS)
def test_what_celery_encodes_is_read(serializer: str, compression: str | None, result: Any) -> None:
    writer = backend(result_serializer=serializer, result_compression=compression)
    stored = writer.encode(writer._get_result_meta(result, "SUCCESS", None, None))
    stored = stored if isinstance(stored, bytes) else stored.encode()  # as redis-py writes text
    assert stored.startswith(COMPRESSED_MARKER) == (compression is not None)
    meta = parse_meta("id", stored, ResultFormat(serializer))
    assert (meta.state, meta.result) == ("SUCCESS", result)
    assert meta.date_done is not None


def test_all_compressions_of_the_standard_library_are_among_celerys() -> None:
    assert COMPRESSED.keys() <= set(ALGORITHMS)


@pytest.mark.parametrize("mime", COMPRESSED)
def test_what_is_larger_than_the_limit_when_decompressed_is_unreadable(mime: str) -> None:
    stored = packed(mime, COMPRESSED[mime](b" " * 1000 + META))
    assert parse_meta("id", stored, ResultFormat(size_limit_bytes=1000 + len(META))).result == 5
    assert reason(stored, size_limit_bytes=999 + len(META)) == f"larger than {999 + len(META)} bytes when decompressed"


@pytest.mark.parametrize("mime", COMPRESSED)
def test_a_bomb_is_not_blown_up(mime: str) -> None:
    stored = packed(mime, COMPRESSED[mime](b" " * 100_000_000))
    assert reason(stored) == "larger than 67108864 bytes when decompressed"


@pytest.mark.parametrize("mime", COMPRESSED)
def test_a_compressed_result_that_is_cut_off_or_damaged_is_unreadable(mime: str) -> None:
    body = COMPRESSED[mime](META)
    assert reason(packed(mime, body[:-3])) in (
        f"compressed as {mime}, but cut off",
        f"compressed as {mime}, but damaged",
    )
    assert reason(packed(mime, b"not so")) == f"compressed as {mime}, but damaged"


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (COMPRESSED_MARKER, "compressed, but the marker is cut off"),
        (COMPRESSED_MARKER + b"application/x-gzip", "compressed, but the marker is cut off"),
        (packed("application/x-secret", META), "compressed in a way that is not known here"),
        (packed("\u00e4", META), "compressed in a way that is not known here"),
        (packed("application/x-gzip", zlib.compress(b"[")), "not json, or damaged"),
        (pickle.dumps({"status": "SUCCESS"}), "a pickle, which is never loaded"),
    ],
)
def test_what_cannot_be_decoded_says_why(stored: bytes, why: str) -> None:
    assert reason(stored) == why


@pytest.mark.parametrize(
    ("mime", "module"), [("application/zstd", "backports.zstd"), ("application/x-brotli", "brotli")]
)
def test_without_its_library_a_compressed_result_says_so(
    monkeypatch: pytest.MonkeyPatch, mime: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    assert reason(packed(mime, META)) == f"compressed as {mime}, and no library for it is installed"


@pytest.mark.parametrize(("serializer", "module"), [("yaml", "yaml"), ("msgpack", "msgpack")])
def test_without_its_library_a_serializer_says_so(
    monkeypatch: pytest.MonkeyPatch, serializer: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert reason(b"", serializer=serializer) == (
        f"no library for {serializer} is installed; the extra 'serializers' brings it"
    )


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("serializer", [*SERIALIZERS, "pickle", "x-own"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_loaded(serializer: str, protocol: int) -> None:
    assert reason(pickle.dumps({"status": "SUCCESS", "result": Trap()}, protocol), serializer=serializer)


def test_a_serializer_that_is_not_read_says_so() -> None:
    assert reason(META, serializer="pickle") == "result_serializer is pickle: a pickle, which is never loaded"
    assert reason(META, serializer="x-own") == "result_serializer is not one of json, yaml, msgpack"


def test_yaml_makes_no_objects() -> None:
    assert reason(b"!!python/object/apply:os.getcwd []", serializer="yaml") == "not yaml, or damaged"


def test_yaml_that_repeats_itself_endlessly_is_read_in_finite_time() -> None:
    lines = ["status: SUCCESS", "children:", " - &a0 [[x, null], null]"]
    lines += [f" - &a{n} [[g, null], [*a{n - 1}, *a{n - 1}]]" for n in range(1, 60)]
    meta = parse_meta("id", "\n".join(lines).encode(), ResultFormat("yaml"))
    assert 0 < len(meta.children) < 60


@given(
    st.binary() | st.binary().map(lambda body: COMPRESSED_MARKER + body) | st.text().map(str.encode),
    st.sampled_from(SERIALIZERS),
)
def test_decoding_never_raises(stored: bytes, serializer: str) -> None:
    assert parse_meta("id", stored, ResultFormat(serializer)).task_id == "id"


@given(st.sampled_from(sorted(COMPRESSED)), st.data())
def test_a_damaged_compression_never_raises_and_never_yields_another_result(mime: str, data: Any) -> None:
    body = bytearray(COMPRESSED[mime](META))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    meta = parse_meta("id", packed(mime, bytes(body)))
    assert meta.is_unreadable or meta == TaskMeta("id", "SUCCESS", 5)


TYPED = [
    *(
        datetime(2026, 11, 22, 3, 15, 37, 5, tzinfo=UTC),
        date(2026, 11, 22),
        time(3, 15),
        Decimal("1.10"),
        b"text",
        b"\xff",
    ),
    UUID(int=5),
]


@pytest.mark.parametrize("value", [*TYPED, {"deep": [TYPED]}])
def test_values_json_has_no_form_for_come_back_as_celery_gives_them(value: Any) -> None:
    stored = dumps({"status": "SUCCESS", "result": value}).encode()
    meta = parse_meta("id", stored)
    assert meta.value == loads(stored)["result"] == value
    assert json.dumps(meta.result)  # as stored it can be handed on as it is


@pytest.mark.parametrize(
    "marked",
    [
        {"__type__": "datetime", "__value__": "never"},
        {"__type__": "datetime", "__value__": 5},
        {"__type__": "decimal", "__value__": "x"},
        {"__type__": "uuid", "__value__": {"hex": "x"}},
        {"__type__": "uuid", "__value__": {"bytes": 5}},
        {"__type__": "bytes", "__value__": None},
        {"__type__": "base64", "__value__": "a"},
        {"__type__": ["a"], "__value__": 5},
        {"__type__": "unknown", "__value__": 5},
        {"__type__": "datetime", "__value__": "2026-11-22", "third": 1},
        {"__type__": "datetime"},
    ],
)
def test_a_mark_that_means_nothing_stays_as_it_is(marked: Any) -> None:
    assert typed_value([marked]) == [marked]


def test_what_is_nested_too_deeply_to_be_walked_stays_as_it_is() -> None:
    value: Any = []
    for _ in range(20_000):
        value = [value]
    assert typed_value(value) is value
