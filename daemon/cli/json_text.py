"""Values as one JSON document, whatever workers have put into them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any

import orjson

DEPTH_LIMIT = 200
TOO_DEEP = "(nested too deeply to be shown)"


def json_text(value: Any) -> str:
    """Write ``value`` on one line.

    Integers of any size and lone surrogates stay what they are; NaN and infinity become null, keys text, and what JSON does not
    know its ``str``. What is not printable is escaped, for it could steer a terminal.
    """
    try:
        return _escaped(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode())
    except TypeError:  # orjson's own limits: 64 bits, 254 levels, no surrogates, few kinds of keys
        return json.dumps(_plain(value, DEPTH_LIMIT), separators=(",", ":"))


def _escaped(document: str) -> str:
    if document.isprintable():
        return document
    return "".join(mark if mark.isprintable() else json.dumps(mark)[1:-1] for mark in document)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    if depth == 0:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth - 1) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth - 1) for field in fields(value)}
    return value.isoformat() if isinstance(value, date) else str(value)
