"""Where tasks came from: an entry of the schedule or a feed, told by what a site sends, and exactly by its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Error as SqliteError

from anyio import to_thread

from daemon.clock import instant
from daemon.desks.tasks import Origin
from daemon.errors import HistoryFailed
from daemon.hl7listener.feed import Feed
from daemon.scheduler.history.schema import FILE, connect_reader
from daemon.scheduler.model import Entry
from daemon.scheduler.target import tasks_of

ENTRY, FEED, API = "entry", "feed", "api"
NEAR = timedelta(days=2)
_VERSION_AT = 14
_QUERY = "SELECT name, occurrence_us FROM run WHERE settled_us BETWEEN ? AND ? AND task_id = ? LIMIT 1"


class TaskOrigins:
    """Tells where tasks came from."""

    def __init__(self, entries: Iterable[Entry], feeds: Iterable[Feed], state_dir: Path) -> None:
        """Gather which task each entry and each feed sends."""
        by_task: dict[str, set[tuple[str, str]]] = {}
        for entry in entries:
            for _, task in tasks_of(entry):
                by_task.setdefault(str(task), set()).add((ENTRY, str(entry.name)))
        for feed in feeds:
            for route in feed.routing.routes:
                if route.task is not None:
                    by_task.setdefault(str(route.task), set()).add((FEED, str(feed.name)))
        self._by_task: Mapping[str, Origin] = {
            task: origin for task, found in by_task.items() if (origin := _common(found)) is not None
        }
        self._file = state_dir / FILE

    def likely(self, task_id: str, name: str | None) -> Origin | None:
        """Say which entry or feed sends this task under ids like this; ``None`` if no one, or several of both.

        The ids of a site's own tasks are made of what they stand for (RFC 9562, version 5); clients draw theirs.
        """
        if name is None or task_id[_VERSION_AT : _VERSION_AT + 1] != "5":
            return None
        return self._by_task.get(name)

    async def exact(self, task_id: str, near: datetime | None) -> Origin | None:
        """Look for a task in the history of this daemon."""
        if near is None or task_id[_VERSION_AT : _VERSION_AT + 1] != "5":
            return None
        return await to_thread.run_sync(self._looked_up, task_id, near)

    def _looked_up(self, task_id: str, near: datetime) -> Origin | None:
        if not self._file.exists():
            return None
        try:
            db = connect_reader(self._file)
        except (SqliteError, HistoryFailed, OSError):
            return None
        first_us, last_us = (round(at.timestamp() * 1_000_000) for at in (near - NEAR, near + NEAR))
        try:
            row = db.execute(_QUERY, (first_us, last_us, task_id)).fetchone()
        except SqliteError:
            return None
        finally:
            db.close()
        return None if row is None else Origin(ENTRY, str(row[0]), instant(row[1]).isoformat())


def _common(found: set[tuple[str, str]]) -> Origin | None:
    if len(found) == 1:
        [(kind, name)] = found
        return Origin(kind, name)
    kinds = {kind for kind, _ in found}
    return Origin(kinds.pop(), "") if len(kinds) == 1 else None
