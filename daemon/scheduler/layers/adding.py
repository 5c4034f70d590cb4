"""Entries to be added, from what someone wrote. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from daemon.scheduler.errors import EntryRefused
from daemon.scheduler.layers.added import Added
from daemon.settings.values import Name

_NAME: TypeAdapter[Any] = TypeAdapter(Name)


def added_from(name: Any, data: Mapping[str, Any], *, author: str, reason: str, now_us: int) -> Added:
    """Make an entry of keys as in a site file. One with a single instant goes when it has fired.

    Raises:
        EntryRefused: it has no name, or is known by another than its own.
    """
    try:
        known_by = str(_NAME.validate_python(name))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise EntryRefused(detail["msg"], hint=str((detail.get("ctx") or {}).get("hint", ""))) from None
    if "id" in data:
        message = f"{known_by}: an entry that is added is known by its name"
        raise EntryRefused(message, hint="leave id out")
    is_once = "at" in data and not isinstance(data["at"], (list, tuple))
    return Added(known_by, known_by, data, author, now_us, reason, now_us, is_once=is_once)
