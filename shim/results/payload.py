"""The bytes a result back-end holds to a Python value: compression marker first, then the serializer.

Pickle is never loaded: it runs code of whoever can write to the back-end. YAML and msgpack are read if their libraries are installed
(extra ``serializers``), and only by a reader that was told to.
"""

from __future__ import annotations

import bz2
import importlib
import json
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

COMPRESSED_MARKER = b"\x00celery-compressed\x00"
"""Stands before the MIME type, a NUL and the compressed bytes (``celery/backends/base.py``, ``compress_payload``, 5.7)."""

SIZE_LIMIT_BYTES = 64 * 1024 * 1024
LZMA_MEMORY_BYTES = 256 * 1024 * 1024
_PICKLE_PROTOCOLS = range(2, 6)


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """How the application writes its results.

    Attributes:
        serializer: ``result_serializer`` of the application: json, yaml or msgpack.
        size_limit_bytes: a compressed result that is larger when decompressed is unreadable.
    """

    serializer: str = "json"
    size_limit_bytes: int = SIZE_LIMIT_BYTES


JSON_RESULTS = ResultFormat()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why bytes could not be read; never quotes them."""

    reason: str


def decode_payload(stored: bytes, form: ResultFormat = JSON_RESULTS) -> Any | Unreadable:
    """Read what a worker encoded; never raises."""
    if stored.startswith(COMPRESSED_MARKER):
        mime, mark, body = stored[len(COMPRESSED_MARKER) :].partition(b"\x00")
        if not mark:
            return Unreadable("compressed, but the marker is cut off")
        found = _decompress(body, mime.decode("ascii", "replace"), form.size_limit_bytes)
        if isinstance(found, Unreadable):
            return found
        stored = found
    reader = _READERS.get(form.serializer)
    if reader is None:
        return Unreadable(_WHY_NOT.get(form.serializer, "result_serializer is not one of json, yaml, msgpack"))
    try:
        return reader(stored)
    except ImportError:
        return Unreadable(f"no library for {form.serializer} is installed; the extra 'serializers' brings it")
    except Exception:  # noqa: BLE001 - decoders of others raise whatever they like; the bytes are unreadable all the same
        return Unreadable(_PICKLED if _is_pickle(stored) else f"not {form.serializer}, or damaged")


_PICKLED = "a pickle, which is never loaded"
_WHY_NOT = {"pickle": f"result_serializer is pickle: {_PICKLED}"}


def _is_pickle(stored: bytes) -> bool:
    return stored[:1] == b"\x80" and len(stored) > 1 and stored[1] in _PICKLE_PROTOCOLS


def _read_json(stored: bytes) -> Any:
    # Not orjson: workers write NaN, lone surrogates and integers of any size, and it takes none of them as they are.
    return json.loads(stored)


def _read_yaml(stored: bytes) -> Any:
    return importlib.import_module("yaml").safe_load(stored)


def _read_msgpack(stored: bytes) -> Any:
    return importlib.import_module("msgpack").unpackb(stored, raw=False)


_READERS: Mapping[str, Callable[[bytes], Any]] = {"json": _read_json, "yaml": _read_yaml, "msgpack": _read_msgpack}


def _decompress(body: bytes, mime: str, limit_bytes: int) -> bytes | Unreadable:
    opened = _DECOMPRESSORS.get(mime)
    if opened is None:
        return Unreadable("compressed in a way that is not known here")
    try:
        found, is_whole = opened(body, limit_bytes + 1)
    except ImportError:
        return Unreadable(f"compressed as {mime}, and no library for it is installed")
    except Exception:  # noqa: BLE001 - each library has errors of its own, and all of them mean the same
        return Unreadable(f"compressed as {mime}, but damaged")
    if len(found) > limit_bytes:
        return Unreadable(f"larger than {limit_bytes} bytes when decompressed")
    return found if is_whole else Unreadable(f"compressed as {mime}, but cut off")


def _unzip(body: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    stream = zlib.decompressobj()
    return stream.decompress(body, limit_bytes), stream.eof


def _unbzip2(body: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    stream = bz2.BZ2Decompressor()
    return stream.decompress(body, limit_bytes), stream.eof


def _unxz(body: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    stream = lzma.LZMADecompressor(memlimit=LZMA_MEMORY_BYTES)
    return stream.decompress(body, limit_bytes), stream.eof


def _unzstd(body: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    try:
        library = importlib.import_module("compression.zstd")  # Python 3.14
    except ImportError:
        library = importlib.import_module("backports.zstd")
    stream = library.ZstdDecompressor()
    found: bytes = stream.decompress(body, limit_bytes)
    return found, stream.eof


def _unbrotli(body: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    stream = importlib.import_module("brotli").Decompressor()
    found: bytes = stream.process(body, output_buffer_limit=limit_bytes)  # brotli 1.2: older ones know no limit
    return found, stream.is_finished()


_DECOMPRESSORS: Mapping[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "application/x-gzip": _unzip,
    "application/x-bz2": _unbzip2,
    "application/x-lzma": _unxz,
    "application/zstd": _unzstd,
    "application/x-brotli": _unbrotli,
}
"""By the MIME types of ``kombu/compression.py``."""
