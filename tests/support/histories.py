"""Histories that follow a real stream, and what they hold."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio

from daemon.clock import SystemClock
from daemon.dispatch import CelerySide, make_history_source
from daemon.keys import SiteKey, site_key
from daemon.public import Public
from daemon.scheduler.history import FILE, History, Retention
from daemon.scheduler.run import Run, RunState, write_record
from daemon.scheduler.runs import RunBook
from tests.support.valkey import ValkeyServer

SITE = Public("lab")
STREAM = site_key(SITE, SiteKey.HISTORY)
LIMIT_S = 30.0
E = TypeVar("E")


def run(number: int, state: RunState = RunState.ENQUEUED, entry: str = "nightly", **more: Any) -> Run:
    """Give a run; ``number`` is its instant and makes its task id."""
    task_id = "" if state is RunState.SKIPPED else f"{entry}-{number}"
    values = {"task": "app.tick", "task_id": task_id, "by": "node", **more}
    return Run(entry, entry, number, state, **values)


def write(server: ValkeyServer, runs: Iterable[Run]) -> None:
    """Write records as a claim does."""
    pipe = server.client.pipeline(transaction=False)
    for one in runs:
        pipe.xadd(STREAM, {"record": write_record(one)})
    pipe.execute()


class Kept:
    """A history that is being followed, and what it said."""

    def __init__(self, server: ValkeyServer, folder: Path, retention: Retention | None = None) -> None:
        self.folder = folder
        self.book = RunBook()
        self.said: list[object] = []
        self.open_runs: list[Run] = []
        source = make_history_source(CelerySide({"broker_url": server.url}), SITE)
        self.history = History(folder, source, self.book, SystemClock(), self.said.append, retention=retention)
        self.history.on_open_run(self.open_runs.append)

    def heard(self, kind: type[E]) -> list[E]:
        return [event for event in self.said if isinstance(event, kind)]

    def rows(self, columns: str = "*", where: str = "TRUE") -> list[tuple[Any, ...]]:
        """Read from the file, in the order of the records; nothing while there is none."""
        try:
            connection = sqlite3.connect(f"file:{self.folder / FILE}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return []
        try:
            return connection.execute(f"SELECT {columns} FROM run WHERE {where} ORDER BY id").fetchall()
        except sqlite3.OperationalError:
            return []  # not made yet
        finally:
            connection.close()

    def keys(self) -> list[str]:
        return [key for (key,) in self.rows("key")]


@asynccontextmanager
async def keeping(server: ValkeyServer, folder: Path, retention: Retention | None = None) -> AsyncIterator[Kept]:
    """Follow the server's stream for a while."""
    kept = Kept(server, folder, retention)
    await kept.history.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.history.serve)
        yield kept
        await kept.history.drain()


async def until(condition: Callable[[], object], what: str = "", limit_s: float = LIMIT_S) -> None:
    """Wait until something holds."""
    with anyio.move_on_after(limit_s):
        while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
            await anyio.sleep(0.02)
        return
    raise AssertionError(what or "it did not come about")
