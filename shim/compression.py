"""A message body made smaller, as kombu does it (``kombu/compression.py``)."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Mapping

from shim.errors import RequestInvalid

COMPRESSIONS: Mapping[str, str] = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "brotli": "application/x-brotli",
    "zstd": "application/zstd",
    "zstandard": "application/zstd",
}
"""Names of compressions and what the header ``compression`` calls them."""

_ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "application/x-gzip": zlib.compress,  # by its name gzip, by its bytes zlib
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
}
_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "application/x-brotli": ("brotli", "brotlicffi"),
    "application/zstd": ("compression.zstd", "backports.zstd"),
}
"""Modules that may be installed, tried in this order."""


def compress(body: bytes, name: object) -> tuple[bytes, str]:
    """Compress a body; give it with the value of the header ``compression``.

    The worker needs the same library; without it, it fails at each such message.

    Raises:
        RequestInvalid: a name kombu does not know, or a library that is not installed here.
    """
    if not isinstance(name, str) or name not in COMPRESSIONS:
        message = f"compression: one of {', '.join(COMPRESSIONS)} is needed"
        raise RequestInvalid(message)
    mime = COMPRESSIONS[name]
    encode = _ENCODERS.get(mime) or _from_library(mime, name)
    return encode(body), mime


def _from_library(mime: str, name: str) -> Callable[[bytes], bytes]:
    for module in _LIBRARIES[mime]:
        try:
            found: Callable[[bytes], bytes] = importlib.import_module(module).compress
        except ImportError:
            continue
        return found
    message = f"compression {name}: no library for it is installed"
    raise RequestInvalid(message, hint=f"install one of {', '.join(_LIBRARIES[mime])}, here and at the workers")
