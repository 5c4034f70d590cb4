"""Looks into the audit trail for people and programs, in threads: from its newest record back, or all of it to see whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import orjson
from anyio import to_thread

from daemon.audit.trail_file import CURRENT, TrailFile, here
from daemon.clock import SECOND_US, Clock, instant, microseconds
from daemon.desks import Unavailable
from daemon.desks.audit import DeedChoice, DeedRow, FlawRow, TrailStatus
from daemon.errors import AuditFailed
from daemon.settings import Settings

PIECE_BYTES = 256 * 1024
LOOKED_AT_LIMIT = 200_000
"""Records that one question looks at; beyond, the answer is what was found until there."""

CHECK_EVERY_US = 10 * SECOND_US
_OLDER_GLOB = "audit-*.log"
_TEXTS = ("kind", "outcome", "who", "role", "address", "about", "reason", "note", "before", "after")


class TrailDesk:
    """Answers questions; see ``daemon.desks.audit.AuditDesk``."""

    def __init__(self, folder: Path, trail: TrailFile, clock: Clock) -> None:
        """Open nothing yet."""
        self._folder = folder
        self._trail = trail
        self._clock = clock
        self._threads = anyio.CapacityLimiter(1)
        self._checked: tuple[int, TrailStatus] | None = None

    async def records(self, choice: DeedChoice, limit: int, before: int | None) -> list[DeedRow]:
        """Give records, the newest first."""
        return await to_thread.run_sync(self._records, choice, limit, before, limiter=self._threads)

    async def status(self) -> TrailStatus:
        """Follow the chain; what was found a moment ago is told again."""
        now_us = self._clock.now_us()
        if self._checked is None or now_us - self._checked[0] > CHECK_EVERY_US:
            self._checked = (now_us, await to_thread.run_sync(self._status, now_us, limiter=self._threads))
        return self._checked[1]

    def _status(self, now_us: int) -> TrailStatus:
        try:
            found = self._trail.verify()
        except AuditFailed as error:
            raise Unavailable(str(error), hint=error.hint) from None
        flaws = [FlawRow(one.file, one.line, one.what) for one in found.flaws]
        head = f"{found.head.number}:{found.head.digest}"
        return TrailStatus(not flaws, found.records, found.first, head, flaws, instant(now_us))

    def _records(self, choice: DeedChoice, limit: int, before: int | None) -> list[DeedRow]:
        rows: list[DeedRow] = []
        try:
            for looked_at, line in enumerate(self._lines_back(), 1):
                if looked_at > LOOKED_AT_LIMIT:
                    break
                row = row_of(line)
                if row is None or (before is not None and row.n >= before):
                    continue
                if choice.since_us is not None and row.at is not None and microseconds(row.at) < choice.since_us:
                    break
                if _fits(row, choice):
                    rows.append(row)
                    if len(rows) == limit:
                        break
        except OSError as error:
            message = f"the trail cannot be read: {error.strerror}"
            raise Unavailable(message, hint="who may read the state folder?") from None
        return rows

    def _lines_back(self) -> Iterator[bytes]:
        """Give all lines, the last first."""
        for path in (self._folder / CURRENT, *sorted(self._folder.glob(_OLDER_GLOB), reverse=True)):
            if path.exists():
                yield from _lines_of(path)


def make_trail_desk(settings: Settings, clock: Clock) -> TrailDesk:
    """Make the desk of a site's trail."""
    folder = settings.site.state_dir
    return TrailDesk(folder, TrailFile(folder, here(settings.site.name), settings.audit), clock)


def _lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        place, rest = file.seek(0, 2), b""
        while place > 0:
            begin = max(place - PIECE_BYTES, 0)
            file.seek(begin)
            lines = (file.read(place - begin) + rest).split(b"\n")
            place, rest = begin, lines[0]
            for line in reversed(lines[1:]):
                if line:
                    yield line
        if rest:
            yield rest


def row_of(line: bytes) -> DeedRow | None:
    """Read a record; ``None`` if the line is none."""
    try:
        raw: Any = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(raw, dict) or not isinstance(raw.get("n"), int):
        return None
    try:
        at = datetime.fromisoformat(str(raw.get("at", "")))
    except ValueError:
        at = None
    count = raw.get("count", 1)
    texts = {name: str(raw.get(name, "")) for name in _TEXTS}
    sound_at = at if at is not None and at.tzinfo is not None else None
    return DeedRow(n=raw["n"], at=sound_at, count=count if isinstance(count, int) else 1, **texts)


def _fits(row: DeedRow, choice: DeedChoice) -> bool:
    if choice.until_us is not None and (row.at is None or microseconds(row.at) >= choice.until_us):
        return False
    if (choice.who and row.who != choice.who) or (choice.kinds and row.kind not in choice.kinds):
        return False
    if choice.about and choice.about.casefold() not in row.about.casefold():
        return False
    text = choice.text.casefold()
    shown = (row.who, row.about, row.note, row.reason, row.before, row.after, row.address)
    return not text or any(text in one.casefold() for one in shown)
