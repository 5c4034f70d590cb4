"""Answers that wait for what becomes of their messages, and what each is to be in the end. Pure: told of events, gives endings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from daemon.hl7listener.ack.answering import AckWhen, Fallback


class Ending(Enum):
    """How a wait ended."""

    ACCEPT = "accept"
    """What was waited for has happened."""
    FAILED = "failed"
    """It cannot happen any more: a task failed, or no worker could take one."""
    LATE_ACCEPT = "late-accept"
    LATE_ERROR = "late-error"
    UNANSWERED = "late-close"
    """It has not happened in time; the fallback says what that means."""


_FALLBACKS = {
    Fallback.ACCEPT: Ending.LATE_ACCEPT,
    Fallback.ERROR: Ending.LATE_ERROR,
    Fallback.CLOSE: Ending.UNANSWERED,
}


class Ended(NamedTuple):
    """A message whose wait ended, and how."""

    seq: int
    ending: Ending


@dataclass(slots=True)
class _Wait:
    due_s: float
    tasks: set[str] | None = None
    """Tasks that have not succeeded yet; ``None`` if they are not known."""
    is_enqueued: bool = False


class Deferred:
    """The messages of a feed whose answers wait. A number that is not among them is passed over, whatever is told of it."""

    def __init__(self, when: AckWhen, fallback: Fallback, *, deadline_s: float, most: int) -> None:
        """Begin with none.

        Args:
            when: what is waited for, enqueued or succeeded.
            fallback: what it means if that takes longer than ``deadline_s``.
            deadline_s: how long each is waited for.
            most: how many may wait before there is no more room.
        """
        self._when = when
        self._late = _FALLBACKS[fallback]
        self._deadline_s = deadline_s
        self._most = most
        self._waits: dict[int, _Wait] = {}

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._waits)

    def __contains__(self, seq: int) -> bool:
        """Say whether a message waits."""
        return seq in self._waits

    @property
    def has_room(self) -> bool:
        """Say whether another message may wait."""
        return len(self._waits) < self._most

    def begin(self, seq: int, now_s: float) -> None:
        """Have a message wait."""
        self._waits[seq] = _Wait(now_s + self._deadline_s)

    def depends_on(self, seq: int, task_ids: Collection[str]) -> list[Ended]:
        """Say which tasks must succeed; without any, it is enough that the message has been handed on."""
        wait = self._waits.get(seq)
        if wait is None or self._when is not AckWhen.SUCCEEDED:
            return []
        wait.tasks = set(task_ids)
        return self._end_if_done(seq, wait)

    def enqueued(self, cursor: int) -> list[Ended]:
        """Everything up to ``cursor`` has been handed on."""
        ended = []
        for seq in [seq for seq in self._waits if seq <= cursor]:
            wait = self._waits[seq]
            wait.is_enqueued = True
            ended += self._end_if_done(seq, wait)
        return ended

    def parked(self, seq: int) -> list[Ended]:
        """A message could not be handed on."""
        return self._end(seq, Ending.FAILED) if seq in self._waits else []

    def task_ended(self, seq: int, task_id: str, *, has_succeeded: bool) -> list[Ended]:
        """A task of a message ended."""
        wait = self._waits.get(seq)
        if wait is None or wait.tasks is None or task_id not in wait.tasks:
            return []
        if not has_succeeded:
            return self._end(seq, Ending.FAILED)
        wait.tasks.discard(task_id)
        wait.is_enqueued = True
        return self._end_if_done(seq, wait)

    def lapse(self, now_s: float) -> list[Ended]:
        """End what has waited too long."""
        ended: list[Ended] = []
        while self._waits:
            seq, wait = next(iter(self._waits.items()))  # the oldest: each waits equally long
            if wait.due_s > now_s:
                break
            ended += self._end(seq, self._late)
        return ended

    @property
    def next_due_s(self) -> float | None:
        """Say when the next wait will have been too long; ``None`` if nothing waits."""
        for wait in self._waits.values():
            return wait.due_s
        return None

    def _end_if_done(self, seq: int, wait: _Wait) -> list[Ended]:
        if self._when is AckWhen.SUCCEEDED and (wait.tasks is None or wait.tasks):
            return []
        return self._end(seq, Ending.ACCEPT) if wait.is_enqueued else []

    def _end(self, seq: int, ending: Ending) -> list[Ended]:
        del self._waits[seq]
        return [Ended(seq, ending)]
