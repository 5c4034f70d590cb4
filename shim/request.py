"""What a caller asks a Celery worker to run. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from shim.signature import Signature
from shim.value import Json, Value

__all__ = ["NOT_SHOWN", "Json", "TaskRequest", "Value"]

NOT_SHOWN = "<not shown>"
"""Stands in ``argsrepr`` unless a caller supplies a representation.

The header must not be left out: a stock worker that finds none builds one from the real arguments and puts it
into its failure log (``celery/app/trace.py``, ``TraceInfo._log_error``).
"""


_NOTHING: Mapping[str, Json] = {}
PERSISTENT = 2


class TaskRequest(NamedTuple):
    """One task to be run, in the terms of Celery's ``apply_async``. Its priority is part of the target.

    What it is given to work on is left out of the representation: it may hold what must not reach a log.

    Attributes:
        task: registered name of the task.
        task_id: any non-empty string; the result is stored under it.
        args, kwargs: JSON, and instants, dates, times, UUIDs, decimals and bytes, which arrive as Python objects.
        eta_at: aware instant before which the worker holds the task; ``shim.option.after`` makes one of a countdown.
        expires_at: aware instant after which a worker revokes it unrun.
        time_limit_s, soft_time_limit_s: hard and soft limits in seconds.
        ignore_result: ``None`` leaves it to the task; ``False`` would override the task's own ``ignore_result=True``.
        root_id, parent_id: ids of the first task of a workflow and of the one this follows.
        headers: custom headers; they may not collide with Celery's own.
        argsrepr, kwargsrepr: what logs, events and Flower show.
        retries: how often it was tried before; the task's own ``max_retries`` counts from there.
        serializer: ``json``, ``yaml`` or ``msgpack``; the workers must accept it (``accept_content``), or they drop the task.
        compression: ``gzip``, ``bzip2``, ``lzma``, ``zstd``, ``brotli`` or ``None``.
        links: tasks to send with the result when it has succeeded.
        error_links: tasks to send, or to call, when it has failed.
        chain: what follows, in the order it runs.
        chord: the body of the chord this is a header task of; ``group_id`` is needed with it, and the size of the header
            must have been written to the result back-end.
        group_id, group_index: the group it is part of, and its place there from 0.
        stamps: names and values that mark it for ``revoke_by_stamped_headers``.
        reply_to: queue of a client with ``rpc://`` results.
        delivery_mode: 2 is persistent, 1 transient; only brokers with such a distinction read it.
        replaced_task_nesting: how many tasks it has replaced.
    """

    task: str
    task_id: str
    args: Sequence[Value] = ()
    kwargs: Mapping[str, Value] = _NOTHING
    eta_at: datetime | None = None
    expires_at: datetime | None = None
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    ignore_result: bool | None = None
    shadow: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    headers: Mapping[str, Json] = _NOTHING
    argsrepr: str = NOT_SHOWN
    kwargsrepr: str = NOT_SHOWN
    retries: int = 0
    serializer: str = "json"
    compression: str | None = None
    links: Sequence[Signature] = ()
    error_links: Sequence[Signature] = ()
    chain: Sequence[Signature] = ()
    chord: Signature | None = None
    group_id: str | None = None
    group_index: int | None = None
    stamps: Mapping[str, Json] = _NOTHING
    reply_to: str | None = None
    delivery_mode: int = PERSISTENT
    replaced_task_nesting: int = 0

    def __repr__(self) -> str:
        """Show which task it is, and nothing it is given."""
        return f"TaskRequest(task={self.task!r}, task_id={self.task_id!r})"
