"""A message body in one of the forms a worker may accept, as kombu registers them (``kombu/serialization.py``)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from shim.encoding import NO_EMBED, encode_body
from shim.errors import RequestInvalid
from shim.value import LongText, Value

SERIALIZERS = ("json", "yaml", "msgpack")

_MINUTE = timedelta(minutes=1)
_INTEGER_LEAST, _INTEGER_MOST = -(2**63), 2**64 - 1


class Body(NamedTuple):
    """The bytes of a body and what the properties of the message say of them.

    Attributes:
        content: the bytes; not part of the representation.
        content_type, content_encoding: as kombu writes them.
    """

    content: bytes
    content_type: str
    content_encoding: str

    def __repr__(self) -> str:
        """Show its form, and nothing it holds."""
        return f"Body(content_type={self.content_type!r}, content_encoding={self.content_encoding!r})"


def serialize(
    serializer: str, args: Sequence[Value], kwargs: Mapping[str, Value], embed: Mapping[str, Value] = NO_EMBED
) -> Body:
    """Write ``[args, kwargs, embed]``. YAML and msgpack take what JSON takes, less the types they have no form for.

    Raises:
        RequestInvalid: a serializer a worker should not be sent, one whose library is not installed, or values it cannot carry.
    """
    content = encode_body(args, kwargs, embed)  # checks the values for all of them
    if serializer == "json":
        return Body(content, "application/json", "utf-8")
    if serializer == "yaml":
        return Body(_yaml([args, kwargs, embed]), "application/x-yaml", "utf-8")
    if serializer == "msgpack":
        return Body(_msgpack([args, kwargs, embed]), "application/x-msgpack", "binary")
    message = f"serializer: one of {', '.join(SERIALIZERS)} is needed"
    hint = "pickle runs what it is sent, and signed messages need the sender's key: send those with Celery itself"
    raise RequestInvalid(message, hint=hint)


def _yaml(document: Any) -> bytes:
    yaml = _library("yaml", "PyYAML")
    # Without line breaks in long text, and as ASCII, as kombu's safe_dump writes it. The keys keep their order.
    text: str = yaml.safe_dump(_plain(document, _for_yaml), sort_keys=False)
    return text.encode()


def _msgpack(document: Any) -> bytes:
    msgpack = _library("msgpack", "msgpack")
    packed: bytes = msgpack.packb(_plain(document, _for_msgpack), use_bin_type=True)
    return packed


def _library(module: str, distribution: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        message = f"serializer: {distribution} is not installed"
        raise RequestInvalid(message, hint="install the extra: carillond[serializers]") from None


def _plain(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Copy a checked value into plain dicts, lists and leaves."""
    if isinstance(value, Mapping):
        return {key: _plain(item, leaf) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, leaf) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    return "".join(value.pieces()) if isinstance(value, LongText) else leaf(value)


def _for_yaml(value: Any) -> Any:
    if isinstance(value, (time, UUID, Decimal)):
        _refuse(value, "yaml")
    if isinstance(value, datetime):
        offset = value.utcoffset()
        if offset is not None and offset % _MINUTE:
            message = "arguments: YAML has no form for an offset with seconds"
            raise RequestInvalid(message, hint="bring the instant to UTC")
        return datetime.fromisoformat(value.isoformat())
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    return int(value) if isinstance(value, int) else bytes(value)


def _for_msgpack(value: Any) -> Any:
    if isinstance(value, (date, time, UUID, Decimal)):
        _refuse(value, "msgpack")
    if isinstance(value, int):
        if not _INTEGER_LEAST <= value <= _INTEGER_MOST:
            message = "arguments: msgpack has no form for an integer beyond 64 bits"
            raise RequestInvalid(message, hint="send it as text, or use json")
        return int(value)
    return bytes(value)


def _refuse(value: object, serializer: str) -> None:
    message = f"arguments: {serializer} has no form for a {type(value).__name__} that a worker reads"
    raise RequestInvalid(message, hint="send it as text, or use json")
