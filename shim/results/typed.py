"""Values that JSON has no form for, back from the marked objects kombu writes for them (``kombu/utils/json.py``)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

_MARKED = frozenset(("__type__", "__value__"))


def typed_value(value: Any) -> Any:
    """Give ``value`` with every marked object replaced by what it stands for.

    datetime, date, time, Decimal, UUID and bytes. An object with another mark, or one that does not hold what its mark says, stays as
    it is, where Celery's reader raises. Nested too deeply to be walked, the whole value stays as it is.
    """
    try:
        return _typed(value)
    except RecursionError:
        return value


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _typed(item) for key, item in value.items()}
    if found.keys() != _MARKED:
        return found
    mark = found["__type__"]
    decode = _DECODERS.get(mark) if isinstance(mark, str) else None
    if decode is None:
        return found
    try:
        return decode(found["__value__"])
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        return found


_DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": lambda text: datetime.fromisoformat(text).date(),
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda fields: UUID(**fields),
    "bytes": lambda text: text.encode(),
    "base64": lambda text: base64.b64decode(text.encode()),
}
