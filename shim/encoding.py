"""Arguments of a task to the JSON text of a message body, refusing what a worker would choke on."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from operator import methodcaller
from typing import Any, cast
from uuid import UUID

import orjson

from shim.errors import RequestInvalid
from shim.value import Json, LongText, Typed, Value

DEPTH_LIMIT = 64
"""Nesting allowed in arguments. Python's own JSON reader in the worker recurses; far below its limit."""

LARGE_BYTES = 1024 * 1024

INTEGER_LIMIT_BITS = 4096
"""Larger integers have more digits than Python's ``int()`` converts by default, and the worker would drop the task."""

NO_EMBED: Mapping[str, Value] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
"""The third element of a body: what follows the task."""

_STR = frozenset((str,))
_PLAIN = frozenset((str, bool, type(None)))
_TYPED_KEYS = frozenset(("__type__", "__value__"))
_TYPED = (date, time, UUID, Decimal, bytes)


def encode_body(args: Sequence[Value], kwargs: Mapping[str, Value], embed: Mapping[str, Value] = NO_EMBED) -> bytes:
    """Write ``[args, kwargs, embed]``, the body of a protocol-2 message, as JSON; ``embed`` has been checked.

    Instants, dates, times, UUIDs, decimals and bytes are written in the form kombu 5.3 and later turns back into Python
    objects (``kombu/utils/json.py``, ``object_hook``).

    Raises:
        RequestInvalid: a value that is not JSON and none of these, is nested too deeply, is not finite, holds a lone
            surrogate, or is an object of exactly the keys ``__type__`` and ``__value__``, which kombu would turn into
            something else or refuse.
    """
    return write_body(args, kwargs, embed, is_typed=check_arguments(args, kwargs))


def check_arguments(args: object, kwargs: object) -> bool:
    """Check the arguments of a task; say whether any of them is typed or a long text, at any depth.

    Raises:
        RequestInvalid: as ``encode_body``.
    """
    return check_positional_values(args, "args") | check_keyword_values(check_mapping(kwargs, "kwargs"), "kwargs")


def write_body(
    args: Sequence[Value], kwargs: Mapping[str, Value], embed: Mapping[str, Value] = NO_EMBED, *, is_typed: bool
) -> bytes:
    """Write the body of checked arguments; ``is_typed`` as ``check_arguments`` says.

    Raises:
        RequestInvalid: text that is not Unicode (lone surrogates).
    """
    if is_typed or embed is not NO_EMBED:
        return dump(in_full([args, kwargs, embed]), "arguments")
    return dump(cast("Json", [args, kwargs, embed]), "arguments")


def as_json_text(document: bytes) -> bytes | bytearray:
    """Write a JSON document as the inside of a JSON string.

    No control character stands in a JSON document that ``dump`` wrote, so only two characters need an escape (RFC 8259 7);
    a general encoder takes twice as long over all those quotation marks.
    """
    if len(document) <= LARGE_BYTES:
        return document.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    text = bytearray()  # a large one piece by piece: each step over the whole would hold one more of it
    for start in range(0, len(document), LARGE_BYTES):
        text += document[start : start + LARGE_BYTES].replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return text


def check_mapping(value: object, label: str) -> Mapping[str, Any]:
    """Refuse what is no mapping.

    Raises:
        RequestInvalid: as it says.
    """
    if type(value) is not dict and not isinstance(value, Mapping):  # the first is the common case, the second slow
        message = f"{label}: a mapping is needed"
        raise RequestInvalid(message)
    return value


def check_positional_values(args: object, label: str) -> bool:
    """Check a list of arguments; say whether any of them is typed or a long text, at any depth.

    Raises:
        RequestInvalid: as ``encode_body``.
    """
    if not isinstance(args, (list, tuple)):
        message = f"{label}: a list is needed"
        raise RequestInvalid(message)
    typed = False
    for place, value in enumerate(args):
        if type(value) in _PLAIN or (type(value) is int and value.bit_length() <= INTEGER_LIMIT_BITS):
            continue  # the common case, spared a call
        if _check(value, f"{label}[{place}]", 1):
            typed = True
    return typed


def check_keyword_values(kwargs: Mapping[str, Any], label: str) -> bool:
    """Check a mapping of keyword arguments; say whether any of them is typed or a long text, at any depth.

    Raises:
        RequestInvalid: as ``encode_body``.
    """
    _check_keys(kwargs, label)
    typed = False
    for name, value in kwargs.items():
        if type(value) in _PLAIN or (type(value) is int and value.bit_length() <= INTEGER_LIMIT_BITS):
            continue  # the common case, spared a call
        if _check(value, f"{label}[{name!r}]", 1):
            typed = True
    return typed


def check_header(value: Json, label: str) -> None:
    """Apply the rules of arguments to one custom header. Typed values have no form there that every broker carries.

    Raises:
        RequestInvalid: as ``encode_body``, and for typed values.
    """
    if _check(value, label, 1):
        message = f"{label}: only plain JSON travels in a header"
        raise RequestInvalid(message, hint="write it as text")


def dump(value: Json, what: str) -> bytes:
    """Write checked JSON as UTF-8 bytes; falls back to the standard encoder for integers beyond 64 bits.

    Raises:
        RequestInvalid: text that is not Unicode (lone surrogates).
    """
    try:
        return orjson.dumps(value, default=_as_dict)
    except TypeError:  # orjson.JSONEncodeError: a large integer or a surrogate
        pass
    text = json.dumps(in_full(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # it quotes the text; not even as a context may it go along
    message = f"{what}: text with lone surrogates is not Unicode and cannot travel"
    raise RequestInvalid(message)


def _check(value: Any, where: str, depth: int) -> bool:  # noqa: C901, PLR0911 - one branch for each kind of value
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return False
    if isinstance(value, int):
        if value.bit_length() > INTEGER_LIMIT_BITS:
            message = f"{where}: an integer of more than {INTEGER_LIMIT_BITS} bits"
            raise RequestInvalid(message)
        return False
    if isinstance(value, float):
        if not isfinite(value):
            message = f"{where}: NaN and infinity are not JSON"
            raise RequestInvalid(message)
        return False
    if isinstance(value, str):
        return False
    if isinstance(value, _TYPED):
        return True
    if depth >= DEPTH_LIMIT:
        message = f"{where}: nested deeper than {DEPTH_LIMIT}"
        raise RequestInvalid(message)
    if isinstance(value, Mapping):
        return _check_object(value, where, depth)
    if isinstance(value, (list, tuple)):
        return _check_array(value, where, depth)
    if isinstance(value, LongText):
        return True
    message = f"{where}: {kind.__name__} is not JSON"
    raise RequestInvalid(
        message, hint="send text, numbers, booleans, null, lists, objects, instants, UUIDs or decimals"
    )


def _check_array(value: Sequence[Any], where: str, depth: int) -> bool:
    typed = False
    for item in value:
        if _check(item, where, depth + 1):
            typed = True
    return typed


def _check_keys(value: Mapping[str, Any], where: str) -> None:
    if len(value) == len(_TYPED_KEYS) and value.keys() == _TYPED_KEYS:
        message = f"{where}: an object of just __type__ and __value__ means a typed object to Celery's decoder"
        raise RequestInvalid(message, hint="add a third key or nest it differently")
    if not set(map(type, value)) <= _STR:
        message = f"{where}: every key of an object must be a string"
        raise RequestInvalid(message)


def _check_object(value: Mapping[str, Any], where: str, depth: int) -> bool:
    _check_keys(value, where)
    if set(map(type, value.values())) <= _PLAIN:
        return False  # a flat object of text, the common case
    typed = False
    for item in value.values():
        if _check(item, where, depth + 1):
            typed = True
    return typed


def _as_dict(value: object) -> dict[str, Json]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def in_full(value: Value) -> Json:
    """Copy a checked value into dicts and lists, with kombu's form for what is typed and long texts as a whole."""
    if isinstance(value, _TYPED):
        return _typed(value)
    if isinstance(value, Mapping):
        return {key: in_full(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [in_full(item) for item in value]
    if not isinstance(value, str) and isinstance(value, LongText):
        return "".join(value.pieces())
    return cast("Json", value)


def _typed(value: Typed) -> Json:
    for kind, marker, write in _FORMS:
        if isinstance(value, kind):
            return {"__type__": marker, "__value__": write(value)}
    try:
        return {"__type__": "bytes", "__value__": cast("bytes", value).decode()}
    except UnicodeDecodeError:
        return {"__type__": "base64", "__value__": b64encode(cast("bytes", value)).decode()}


_FORMS: tuple[tuple[type, str, Callable[[Any], Json]], ...] = (
    (datetime, "datetime", methodcaller("isoformat")),  # before date: it is one too
    (date, "date", methodcaller("isoformat")),
    (time, "time", methodcaller("isoformat")),
    (Decimal, "decimal", str),
    (UUID, "uuid", lambda value: {"hex": value.hex}),
)
