"""A saved group: which tasks belong to it, and how they stand (``celery/backends/base.py``, ``_save_group``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shim.results.meta import TaskMeta
from shim.results.payload import JSON_RESULTS, ResultFormat, Unreadable, decode_payload
from shim.results.reference import ResultRef, parse_ref


@dataclass(frozen=True, slots=True)
class GroupMeta:
    """The members of a group, as ``GroupResult.save`` or a chord stored them.

    Attributes:
        members: tasks and groups, in order.
        parent: what had to be done before.
        reason: why it cannot be read, else empty.
    """

    group_id: str
    members: tuple[ResultRef, ...] = ()
    parent: ResultRef | None = None
    reason: str = ""

    @property
    def is_unreadable(self) -> bool:
        """Say whether something is stored that cannot be read."""
        return bool(self.reason)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Name every task of the group and of groups inside it, in order."""
        return tuple(task_id for member in self.members for task_id in member.task_ids)


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """A group and what is known of its tasks, by task id."""

    group: GroupMeta
    metas: Mapping[str, TaskMeta] = field(repr=False)

    @property
    def is_ready(self) -> bool:
        """Say whether all tasks have ended. A group that cannot be read is never known to be ready."""
        return not self.group.is_unreadable and all(
            task_id in self.metas and self.metas[task_id].is_ready for task_id in self.group.task_ids
        )

    @property
    def is_successful(self) -> bool:
        """Say whether all tasks have returned."""
        return self.is_ready and all(self.metas[task_id].is_successful for task_id in self.group.task_ids)

    @property
    def results(self) -> list[Any]:
        """Give the stored results in the order of the members; ``None`` for a task that has none yet."""
        return [self.metas[task_id].result if task_id in self.metas else None for task_id in self.group.task_ids]


def parse_group(group_id: str, stored: bytes, form: ResultFormat = JSON_RESULTS) -> GroupMeta:
    """Read what is stored under ``celery-taskset-meta-<id>``; never raises."""
    found = decode_payload(stored, form)
    if isinstance(found, Unreadable):
        return GroupMeta(group_id, reason=found.reason)
    ref = parse_ref(found.get("result")) if isinstance(found, Mapping) else None
    if ref is None or ref.members is None:
        return GroupMeta(group_id, reason="not a group")
    return GroupMeta(group_id, ref.members, ref.parent)
