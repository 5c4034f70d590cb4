"""Arguments of a task to the JSON text of a message body, refusing what a worker would choke on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite

import orjson

from shim.errors import RequestInvalid
from shim.request import Json

DEPTH_LIMIT = 64
"""Nesting allowed in arguments. Python's own JSON reader in the worker recurses; far below its limit."""

INTEGER_LIMIT_BITS = 4096
"""Larger integers have more digits than Python's ``int()`` converts by default, and the worker would drop the task."""

_STR = frozenset((str,))
_PLAIN = frozenset((str, bool, type(None)))
_TYPED_KEYS = frozenset(("__type__", "__value__"))
_EMBED: Mapping[str, Json] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def encode_body(args: Sequence[Json], kwargs: Mapping[str, Json]) -> bytes:
    """Write ``[args, kwargs, embed]``, the body of a protocol-2 message, as JSON.

    Raises:
        RequestInvalid: a value that is not JSON, is nested too deeply, is not finite, holds a lone surrogate, or is an
            object of exactly the keys ``__type__`` and ``__value__``, which kombu would turn into something else or
            refuse (``kombu/utils/json.py``, ``object_hook``).
    """
    if not isinstance(args, (list, tuple)):
        message = "args: a list is needed"
        raise RequestInvalid(message)
    for place, value in enumerate(args):
        _check(value, f"args[{place}]", 1)
    check_mapping(kwargs, "kwargs")
    _check_keys(kwargs, "kwargs")
    for name, value in kwargs.items():
        _check(value, f"kwargs[{name!r}]", 1)
    return dump([args, kwargs, _EMBED], "arguments")


def as_json_text(document: bytes) -> bytes:
    """Write a JSON document as the inside of a JSON string.

    No control character stands in a JSON document that ``dump`` wrote, so only two characters need an escape (RFC 8259 7);
    a general encoder takes twice as long over all those quotation marks.
    """
    return document.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def check_mapping(value: object, label: str) -> None:
    """Refuse what is no mapping.

    Raises:
        RequestInvalid: as it says.
    """
    if type(value) is not dict and not isinstance(value, Mapping):  # the first is the common case, the second slow
        message = f"{label}: a mapping is needed"
        raise RequestInvalid(message)


def check_header(name: str, value: Json) -> None:
    """Apply the rules of arguments to one custom header.

    Raises:
        RequestInvalid: as ``encode_body``.
    """
    _check(value, f"headers[{name!r}]", 1)


def dump(value: Json, what: str) -> bytes:
    """Write checked JSON as UTF-8 bytes; falls back to the standard encoder for integers beyond 64 bits.

    Raises:
        RequestInvalid: text that is not Unicode (lone surrogates).
    """
    try:
        return orjson.dumps(value, default=_as_dict)
    except TypeError:  # orjson.JSONEncodeError: a large integer or a surrogate
        pass
    text = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # it quotes the text; not even as a context may it go along
    message = f"{what}: text with lone surrogates is not Unicode and cannot travel"
    raise RequestInvalid(message)


def _check(value: Json, where: str, depth: int) -> None:  # noqa: C901 - one branch for each kind of JSON value
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return
    if isinstance(value, int):
        if value.bit_length() > INTEGER_LIMIT_BITS:
            message = f"{where}: an integer of more than {INTEGER_LIMIT_BITS} bits"
            raise RequestInvalid(message)
        return
    if isinstance(value, float):
        if not isfinite(value):
            message = f"{where}: NaN and infinity are not JSON"
            raise RequestInvalid(message)
        return
    if isinstance(value, str):
        return
    if depth >= DEPTH_LIMIT:
        message = f"{where}: nested deeper than {DEPTH_LIMIT}"
        raise RequestInvalid(message)
    if isinstance(value, Mapping):
        _check_object(value, where, depth)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item, where, depth + 1)
    else:
        message = f"{where}: {kind.__name__} is not JSON"
        raise RequestInvalid(message, hint="send text, numbers, booleans, null, lists and objects")


def _check_keys(value: Mapping[str, Json], where: str) -> None:
    if len(value) == len(_TYPED_KEYS) and value.keys() == _TYPED_KEYS:
        message = f"{where}: an object of just __type__ and __value__ means a typed object to Celery's decoder"
        raise RequestInvalid(message, hint="add a third key or nest it differently")
    if not set(map(type, value)) <= _STR:
        message = f"{where}: every key of an object must be a string"
        raise RequestInvalid(message)


def _check_object(value: Mapping[str, Json], where: str, depth: int) -> None:
    _check_keys(value, where)
    if set(map(type, value.values())) <= _PLAIN:
        return  # a flat object of text, the common case
    for item in value.values():
        _check(item, where, depth + 1)


def _as_dict(value: object) -> dict[str, Json]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _plain(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
