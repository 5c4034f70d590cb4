"""Arguments of a request as Flower reads them: of the query string and of a form alike, the last one counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from daemon.api.http.asked import Asked
from daemon.desks import BadRequest
from daemon.public import escaped

FORM = "application/x-www-form-urlencoded"
FIELDS_LIMIT = 1000
SHOWN_LIMIT = 100
INSTANT = "%Y-%m-%d %H:%M:%S.%f"
_TRUE = frozenset(("y", "yes", "t", "true", "on", "1"))
_FALSE = frozenset(("n", "no", "f", "false", "off", "0"))
_NUMBER_LIMIT = 2**53
_WHOLE = re.compile(r"[+-]?\d{1,15}", re.ASCII)


class Arguments:
    """What a request says, by name."""

    def __init__(self, asked: Asked) -> None:
        """Read it.

        Raises:
            BadRequest: a form nobody can read.
        """
        self._values: dict[str, str] = dict(asked.raw_query)
        if asked.content_type == FORM and asked.raw_body:
            try:
                pairs = parse_qsl(
                    asked.raw_body.decode(), keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="strict"
                )
            except ValueError:
                message = "the form cannot be read"
                raise BadRequest(message) from None
            self._values.update(pairs)

    def text(self, name: str) -> str | None:
        """Give a text without the space around it; ``None`` if it is not there."""
        value = self._values.get(name)
        return None if value is None else value.strip()

    def needed(self, name: str) -> str:
        """Give a text that must be there.

        Raises:
            BadRequest: it is not.
        """
        value = self.text(name)
        if not value:
            message = f"Missing argument {name}"
            raise BadRequest(message, field=f"query.{name}")
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Give a whole number.

        Raises:
            BadRequest: it is none.
        """
        value = self.text(name)
        if value is None:
            return default
        if not _WHOLE.fullmatch(value):
            raise _wrong(name, value, "int")
        return int(value)

    def number(self, name: str) -> float | None:
        """Give a number.

        Raises:
            BadRequest: it is none.
        """
        value = self.text(name)
        if value is None:
            return None
        try:
            found = float(value)
        except ValueError:
            raise _wrong(name, value, "float") from None
        if not abs(found) < _NUMBER_LIMIT:  # not a number, too
            raise _wrong(name, value, "float")
        return found

    def flag(self, name: str) -> bool:
        """Give a yes or no; no if it is not there.

        Raises:
            BadRequest: it is neither.
        """
        value = self.text(name)
        if value is None or value.lower() in _FALSE:
            return False
        if value.lower() not in _TRUE:
            raise _wrong(name, value, "bool")
        return True


def call_of(raw: bytes, zone: str | None) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """Read what a task is to be called with, and the options of ``apply_async``; instants without a zone are in ``zone``.

    Raises:
        BadRequest: it is no JSON object, or a part of it is not what it should be.
    """
    try:
        options = orjson.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        message = "the body is no JSON"
        raise BadRequest(message) from None
    if not isinstance(options, dict):
        message = "invalid options"
        raise BadRequest(message)
    args, kwargs = options.pop("args", []), options.pop("kwargs", {})
    if not isinstance(args, list):
        message = "args must be an array"
        raise BadRequest(message, field="body.args")
    if not isinstance(kwargs, dict):
        message = "kwargs must be an object"
        raise BadRequest(message, field="body.kwargs")
    try:
        return args, kwargs, _normal(options, zone)
    except (ValueError, TypeError, OverflowError):
        message = "Invalid option"
        raise BadRequest(message) from None


def _normal(options: Mapping[str, Any], zone: str | None) -> dict[str, Any]:
    found = dict(options)
    if found.get("eta") is not None:
        found["eta"] = _instant(found["eta"], zone)
    if found.get("countdown") is not None:
        found["countdown"] = float(found["countdown"])
    if found.get("expires") is not None:
        try:
            found["expires"] = float(found["expires"])
        except (ValueError, TypeError):
            found["expires"] = _instant(found["expires"], zone)
    return found


def _instant(text: Any, zone: str | None) -> datetime:
    try:
        at = datetime.strptime(text, INSTANT)  # noqa: DTZ007 - the zone is added below
    except ValueError:
        at = datetime.fromisoformat(text)
    if at.tzinfo is not None:
        return at
    try:
        return at.replace(tzinfo=UTC if not zone else ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return at.replace(tzinfo=UTC)


def _wrong(name: str, value: str, kind: str) -> BadRequest:
    return BadRequest(f"Invalid argument '{escaped(value[:SHOWN_LIMIT])}' of type '{kind}'", field=f"query.{name}")
