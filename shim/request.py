"""What a caller asks a Celery worker to run. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""A value that travels in a JSON body. Typed objects (datetime, uuid, decimal) are not part of it yet."""

NOT_SHOWN = "<not shown>"
"""Stands in ``argsrepr`` unless a caller supplies a representation.

The header must not be left out: a stock worker that finds none builds one from the real arguments and puts it
into its failure log (``celery/app/trace.py``, ``TraceInfo._log_error``).
"""


_NOTHING: Mapping[str, Json] = {}


class TaskRequest(NamedTuple):
    """One task to be run, in the terms of Celery's ``apply_async``.

    ``args`` and ``kwargs`` are left out of the representation: they may hold what must not reach a log.

    Attributes:
        task: registered name of the task.
        task_id: any non-empty string; the result is stored under it.
        eta_at: aware instant before which the worker holds the task.
        expires_at: aware instant after which a worker revokes it unrun.
        time_limit_s, soft_time_limit_s: hard and soft limits in seconds.
        ignore_result: ``None`` leaves it to the task; ``False`` would override the task's own ``ignore_result=True``.
        headers: custom headers; they may not collide with Celery's own.
        argsrepr, kwargsrepr: what logs, events and Flower show.
    """

    task: str
    task_id: str
    args: Sequence[Json] = ()
    kwargs: Mapping[str, Json] = _NOTHING
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

    def __repr__(self) -> str:
        """Show which task it is, and nothing it is given."""
        return f"TaskRequest(task={self.task!r}, task_id={self.task_id!r})"
