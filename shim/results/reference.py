"""References to results, as Celery writes them into ``children`` and into saved groups.

``[[id, parent], members]``, where ``parent`` is such a reference or null, and ``members`` a list of them for a group and null for a
task (``celery/result.py``, ``as_tuple`` and ``result_from_tuple``).
"""

from __future__ import annotations

from typing import NamedTuple

DEPTH_LIMIT = 100
"""Parents and groups inside each other; what lies deeper makes the whole reference unreadable."""

COUNT_LIMIT = 200_000
"""References read from one stored value; the rest is left out."""

_PAIR = 2


class ResultRef(NamedTuple):
    """A result somebody may ask for.

    Attributes:
        id: of a task, or of a group.
        parent: what had to be done before.
        members: of a group, in order; ``None`` for a task.
    """

    id: str
    parent: ResultRef | None = None
    members: tuple[ResultRef, ...] | None = None

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Name the tasks this refers to: itself, or a group's tasks with those of groups inside, in order."""
        if self.members is None:
            return (self.id,)
        return tuple(task_id for member in self.members for task_id in member.task_ids)


def parse_ref(value: object) -> ResultRef | None:
    """Read a reference; ``None`` if it is none, or if any part of it is none."""
    return _Reading().ref(value, 0)


def parse_refs(values: object) -> tuple[ResultRef, ...]:
    """Read a list of references; what is none is left out."""
    if not isinstance(values, (list, tuple)):
        return ()
    reading = _Reading()
    return tuple(ref for value in values if (ref := reading.ref(value, 0)) is not None)


class _Reading:
    """Counts what it reads: YAML can mean more by repeating itself than it holds."""

    def __init__(self) -> None:
        self._left = COUNT_LIMIT

    def ref(self, value: object, depth: int) -> ResultRef | None:
        self._left -= 1
        pair = _pair(value)
        if depth > DEPTH_LIMIT or self._left < 0 or pair is None:
            return None
        head, nodes = pair
        name, above = _pair(head) or (head, None)
        if not isinstance(name, str):
            return None
        parent = self.ref(above, depth + 1) if above is not None else None
        if parent is None and above is not None:
            return None
        if nodes is None:
            return ResultRef(name, parent)
        members = self._members(nodes, depth + 1)
        return None if members is None else ResultRef(name, parent, members)

    def _members(self, nodes: object, depth: int) -> tuple[ResultRef, ...] | None:
        if not isinstance(nodes, (list, tuple)):
            return None
        members = []
        for node in nodes:
            member = self.ref(node, depth)
            if member is None:
                return None
            members.append(member)
        return tuple(members)


def _pair(value: object) -> tuple[object, object] | None:
    return (value[0], value[1]) if isinstance(value, (list, tuple)) and len(value) == _PAIR else None
