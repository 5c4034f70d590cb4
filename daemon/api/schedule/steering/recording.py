"""Records what is about to be changed of the schedule: what stands there, and what will. Values of arguments are in neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from daemon.api.http.asked import Asked, named
from daemon.deeds import DeedKind
from daemon.desks.schedule import EntryDetail
from daemon.ports import AuditTrail

_HIDDEN = ("args", "kwargs", "chain", "group", "chord", "options.headers", "expect")


class Recording:
    """Writes deeds to the trail."""

    def __init__(self, audit: AuditTrail) -> None:
        """Keep the trail."""
        self._audit = audit

    async def deed(
        self, asked: Asked, kind: DeedKind, about: str, reason: str, before: str, after: str, *, count: int = 1
    ) -> None:
        """Record a deed before it is done.

        Raises:
            AuditFailed: it is not on disk; then it is not done.
        """
        deed = asked.deed(kind, about, note=named(reason), before=named(before), after=named(after), count=count)
        await self._audit.record(deed)

    async def edit(
        self, asked: Asked, entry: EntryDetail, given: Mapping[str, Any], clear: Sequence[str], reason: str
    ) -> None:
        """Record which fields are about to be changed; of those that are taken away, what they fall back to."""
        here = {one.field: one for one in entry.fields}
        names = sorted({*given, *clear})
        before = {name: here[name].value if name in here else None for name in names}
        after = {name: given[name] if name in given else here[name].below if name in here else None for name in names}
        kind = DeedKind.ENTRY_CHANGED
        await self.deed(asked, kind, entry.row.id, reason, fields_text(before), fields_text(after))


def fields_text(fields: Mapping[str, Any]) -> str:
    """Write fields in one line; what tasks are given is named alone."""
    parts = []
    for name, value in fields.items():
        is_hidden = name.startswith(_HIDDEN) or name == "options"
        parts.append(f"{name}=…" if is_hidden else f"{name}={orjson.dumps(value, default=str).decode()}")
    return ", ".join(parts)
