"""Results of tasks as stock workers store them in Redis (``celery/backends/base.py``, ``celery/backends/redis.py``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from shim.link import Link
from shim.request import Json

READY_STATES = frozenset(("SUCCESS", "FAILURE", "REVOKED"))
UNREADABLE = "UNREADABLE"
"""State given to a stored value that is no JSON object with a status: compressed, pickled, or damaged."""


@dataclass(frozen=True, slots=True)
class TaskMeta:
    """The stored outcome of a task.

    Attributes:
        state: Celery's word, a custom one, or ``UNREADABLE``.
        result: return value, progress or exception of the task; not part of the representation.
    """

    task_id: str
    state: str
    result: Json = field(repr=False)

    @property
    def is_ready(self) -> bool:
        """Say whether the state is final."""
        return self.state in READY_STATES


def parse_meta(task_id: str, stored: bytes) -> TaskMeta:
    """Read what a worker stored under ``celery-task-meta-<id>``; never raises."""
    try:
        # Not orjson: workers write NaN, lone surrogates and integers of any size, and it takes none of them as they are.
        value = json.loads(stored)
    except (ValueError, RecursionError):
        return TaskMeta(task_id, UNREADABLE, None)
    if not isinstance(value, dict) or not isinstance(value.get("status"), str):
        return TaskMeta(task_id, UNREADABLE, None)
    return TaskMeta(task_id, value["status"], value.get("result"))


class Results:
    """Reads results by task id."""

    def __init__(self, link: Link, *, key_prefix: str = "") -> None:
        """Keep the link to the result database and the prefix as Celery joins it."""
        self.link = link
        self._prefix = f"{key_prefix}celery-task-meta-"

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
        """Read what is stored for ``task_ids``; an id without a stored result is absent from the answer.

        Raises:
            ShimError: as ``Link.call``.
        """
        if not task_ids:
            return {}
        stored = await self.link.call("MGET", *(f"{self._prefix}{task_id}" for task_id in task_ids))
        return {
            task_id: parse_meta(task_id, value)
            for task_id, value in zip(task_ids, stored, strict=True)
            if value is not None
        }


def result_key_prefix(global_keyprefix: str) -> str:
    """Join ``result_backend_transport_options.global_keyprefix`` the way Celery does.

    An underscore is added unless the prefix ends in a separator (``celery/backends/base.py``, ``_add_global_keyprefix``).
    """
    if not global_keyprefix or global_keyprefix[-1] in ":_-.":
        return global_keyprefix
    return f"{global_keyprefix}_"
