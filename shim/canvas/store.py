"""What a workflow needs in the Redis result database before its messages are pushed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from shim.encoding import dump
from shim.results.keys import CHORD_CALLBACK, CHORD_SIZE, ResultKeys

EXPIRES_S = 86_400
"""Celery's ``result_expires`` unless set; ``result_chord_expires`` is the same unless set."""


class ChordSize(NamedTuple):
    """How many tasks of a header must come back; without it the body never runs and nobody is told.

    Attributes:
        key: where the number goes (``….s``).
        claim_key: what an earlier run of the same group left of its callback (``….c``, 5.7).
        size: tasks of the header.
        expires_s: seconds after which the number is gone; 0 for never.
    """

    key: str
    claim_key: str
    size: int
    expires_s: int


class SavedGroup(NamedTuple):
    """The members of a group, as ``GroupResult.save()`` stores them; not part of the representation.

    Attributes:
        key: where they go.
        value: JSON.
        expires_s: as in ``ChordSize``.
    """

    key: str
    value: bytes
    expires_s: int

    def __repr__(self) -> str:
        """Show the key."""
        return f"SavedGroup(key={self.key!r})"


StoreWrite: TypeAlias = ChordSize | SavedGroup


def chord_size(keys: ResultKeys, group_id: str, size: int, expires_s: int = EXPIRES_S) -> ChordSize:
    """Write how large a header is (``set_chord_size`` in ``celery/backends/redis.py``)."""
    return ChordSize(keys.group(group_id, CHORD_SIZE), keys.group(group_id, CHORD_CALLBACK), size, expires_s)


def saved_group(keys: ResultKeys, group_id: str, task_ids: Sequence[str], expires_s: int = EXPIRES_S) -> SavedGroup:
    """Write the members of a group (``_save_group`` in ``celery/backends/base.py``)."""
    members = [[[task_id, None], None] for task_id in task_ids]
    return SavedGroup(keys.group(group_id), dump({"result": [[group_id, None], members]}, "group"), expires_s)
