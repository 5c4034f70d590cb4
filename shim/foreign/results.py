"""Results in any back-end celery has, read as they were stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import anyio

from shim.foreign.errors import foreign_error
from shim.foreign.thread import DEADLINE_S, ForeignThread
from shim.results.meta import UNREADABLE, TaskMeta, meta_from_mapping

POLL_S = 0.5
"""Seconds between looks of one that waits; these back-ends tell nobody of a change."""

_NOBODY = "shim-no-such-task"
"""A task id nothing is stored under."""


class ForeignResults:
    """Reads and forgets results by task id.

    With ``rpc://`` only results of tasks that a ``ForeignPublisher`` or ``ForeignCanvas`` of the same thread sent are found,
    and ``forget`` is needed as little as it helps: reading one takes it off the queue, and the thread keeps the last ones.
    """

    def __init__(self, thread: ForeignThread[Any], *, deadline_s: float = DEADLINE_S) -> None:
        """Keep the thread; nothing is opened here."""
        self._thread = thread
        self._deadline_s = deadline_s

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
        """Read what is stored for ``task_ids``; an id without a stored result is absent from the answer.

        What celery cannot read is a value too: state ``UNREADABLE``.

        Raises:
            ForeignFailed: the back-end could not be asked.
            ForeignUncertain, ForeignBusy, ForeignClosed, ForeignMissing: as ``ForeignThread.call``.
        """
        if not task_ids:
            return {}
        return await self._thread.call("fetch", lambda app: _fetch(app, task_ids), deadline_s=self._deadline_s)

    async def wait(self, task_ids: Sequence[str], *, deadline_s: float, poll_s: float = POLL_S) -> dict[str, TaskMeta]:
        """Look every ``poll_s`` seconds until all have a final result or ``deadline_s`` have passed; give the final ones.

        Raises:
            ShimError: as ``fetch``.
        """
        found: dict[str, TaskMeta] = {}
        with anyio.move_on_after(deadline_s):
            while True:
                left = [task_id for task_id in task_ids if task_id not in found]
                found |= {
                    key: meta for key, meta in (await self.fetch(left)).items() if meta.is_ready or meta.is_unreadable
                }
                if len(found) == len(set(task_ids)):
                    break
                await anyio.sleep(poll_s)
        return found

    async def forget(self, task_ids: Sequence[str]) -> None:
        """Delete what is stored for ``task_ids``; what is not there is no error.

        Raises:
            ForeignFailed: the back-end could not be asked, or cannot delete; some may be deleted.
            ForeignUncertain, ForeignBusy, ForeignClosed, ForeignMissing: as ``ForeignThread.call``.
        """
        if task_ids:
            await self._thread.call("forget", lambda app: _forget(app, task_ids), deadline_s=self._deadline_s)


# -- in the thread -----------------------------------------------------------------------------------------------------


def _fetch(app: Any, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
    metas = ((task_id, _read(app.backend, task_id)) for task_id in task_ids)
    return {task_id: meta for task_id, meta in metas if meta is not None}


def _read(backend: Any, task_id: str) -> TaskMeta | None:
    with suppress(Exception):  # of celery, of a decoder or of the library of the back-end
        return _meta(task_id, backend.get_task_meta(task_id))
    # Whose fault it is, no type of exception tells. Where nothing is stored, nothing can be damaged: if that fails too, it is
    # the back-end. A connection that came back in between is told by a second look.
    try:
        backend.get_task_meta(_NOBODY)
    except Exception as error:  # noqa: BLE001 - as above
        raise foreign_error("fetch", error) from None
    try:
        return _meta(task_id, backend.get_task_meta(task_id))
    except Exception as error:  # noqa: BLE001 - as above
        return TaskMeta(task_id, UNREADABLE, None, reason=str(foreign_error("celery's reader", error)))


def _meta(task_id: str, stored: Mapping[str, Any]) -> TaskMeta | None:
    """Make a celery back-end's answer a value of the shim; ``None`` if nothing is stored."""
    is_there = not (
        stored.get("status") == "PENDING" and stored.get("date_done") is None and stored.get("result") is None
    )
    return meta_from_mapping(task_id, stored) if is_there else None


def _forget(app: Any, task_ids: Sequence[str]) -> None:
    for task_id in task_ids:
        app.backend.forget(task_id)
