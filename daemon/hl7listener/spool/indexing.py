"""Keeping the search index up with the spool, on a thread of its own and in small steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from daemon.events import Warned
from daemon.hl7listener.spool.index import SearchIndex
from daemon.hl7listener.spool.turns import Turns
from daemon.ports import Emit
from daemon.public import Public

ROWS = 100
PAUSE_S = 0.05
"""Between steps while there is more: the search may lag behind a burst, the answers to senders may not."""

IDLE_S = 0.5
TRIM_EVERY_S = 60.0
AGAIN_S = 30.0


async def index_always(
    folder: Path,
    spool_file: str,
    monotonic_s: Callable[[], float],
    emit: Emit,
    *,
    arrived: Callable[[], int],
    has_patients: bool,
) -> None:
    """Take in what is stored, and forget what is pruned; ends with its task.

    A failure costs the search and nothing else: it is reported, and tried again. ``arrived`` counts the messages that came.
    """
    thread = anyio.CapacityLimiter(1)
    has_warned = False
    while True:
        index: SearchIndex | None = None
        try:
            index = await anyio.to_thread.run_sync(
                lambda: SearchIndex(folder, spool_file, has_patients=has_patients), limiter=thread
            )
            await _keep_up(index, monotonic_s, arrived, thread)
        except (sqlite3.Error, OSError) as error:
            if not has_warned:
                what = getattr(error, "sqlite_errorname", type(error).__name__)
                emit(Warned(Public("search-index"), Public("spool"), Public(f"the search index is not kept: {what}")))
            has_warned = True
        finally:
            if index is not None:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(index.close, limiter=thread)
        await anyio.sleep(AGAIN_S)


async def _keep_up(
    index: SearchIndex,
    monotonic_s: Callable[[], float],
    arrived: Callable[[], int],
    thread: anyio.CapacityLimiter,
) -> None:
    """Index until the file is no longer in its place."""
    trimmed_at_s = monotonic_s()
    turns = Turns(trimmed_at_s, arrived())
    while await anyio.to_thread.run_sync(index.is_in_place, limiter=thread):
        now_s = monotonic_s()
        if not turns.may_go_on(now_s, arrived()):
            await anyio.sleep(IDLE_S)
            continue
        count = await anyio.to_thread.run_sync(index.advance, ROWS, limiter=thread)
        if not count:
            turns.is_level(now_s)
        if now_s - trimmed_at_s >= TRIM_EVERY_S:
            trimmed_at_s = now_s
            await anyio.to_thread.run_sync(index.trim, limiter=thread)
        await anyio.sleep(PAUSE_S if count else IDLE_S)
