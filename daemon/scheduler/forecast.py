"""When another scheduler should send an entry's task: by the calendar, or by its own period. Pure.

A forecast awaits what is due. What is sent is matched with it, and what was awaited for too long is overdue.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from daemon.clock import SECOND_US
from daemon.scheduler.triggers import Interval, Trigger

PATIENCE_US = 60 * SECOND_US
"""A task that comes later than this after its instant is not taken for that occurrence any more."""
BATCH_LIMIT = 10_000
"""Occurrences of one entry looked at in one go; the rest follow in the next."""


class Forecast(Protocol):
    """What is awaited of one entry; instants in microseconds, on the clock of who sends."""

    def expect(self, now_us: int) -> None:
        """Await what may be sent by ``now_us``."""
        ...

    def overdue(self, now_us: int) -> list[int]:
        """Give what was awaited for too long, and await it no more."""
        ...

    def nearest(self, at_us: int) -> int | None:
        """Give the awaited instant nearest to ``at_us``, if it is within what is tolerated."""
        ...

    def last_before(self, at_us: int) -> int | None:
        """Give the latest awaited instant before ``at_us``."""
        ...

    def take(self, due_us: int, at_us: int) -> bool:
        """Take what was sent at ``at_us`` for what was due at ``due_us``; say whether it counts."""
        ...

    def adopt(self, at_us: int) -> bool:
        """Learn from a first task when the others come; say whether there was anything to learn."""
        ...

    def stray(self, at_us: int) -> None:
        """Note a task that matched nothing."""
        ...

    def skip(self, from_us: int, until_us: int) -> int:
        """Await nothing of a time nobody listened; say how many that were."""
        ...

    def rest(self, until_us: int) -> list[int]:
        """Give what is still awaited of what was due by ``until_us``."""
        ...


class ByCalendar:
    """Every scheduler has the same instants. What was due shortly before ``from_us`` may still be sent, and is not missed."""

    def __init__(self, trigger: Trigger, from_us: int, tolerance_us: int) -> None:
        """Begin to await what is due from ``from_us`` on."""
        self._trigger, self._from_us, self._tolerance_us = trigger, from_us, tolerance_us
        self._patience_us = max(PATIENCE_US, tolerance_us)
        self._awaited: deque[int] = deque()
        self._next_us = trigger.next_after(from_us - self._patience_us - 1)

    def expect(self, now_us: int) -> None:
        """Await what may be sent by ``now_us``, the tolerance ahead of its instant included."""
        end_us = now_us + self._tolerance_us
        while self._next_us is not None and self._next_us <= end_us and len(self._awaited) < BATCH_LIMIT:
            self._awaited.append(self._next_us)
            self._next_us = self._trigger.next_after(self._next_us)

    def overdue(self, now_us: int) -> list[int]:
        """Give what was awaited for a minute, or for longer if more is tolerated."""
        gone = []
        while self._awaited and self._awaited[0] + self._patience_us < now_us:
            gone.append(self._awaited.popleft())
        return [due_us for due_us in gone if due_us >= self._from_us]

    def nearest(self, at_us: int) -> int | None:
        """Give the awaited instant nearest to ``at_us``, if it is within what is tolerated."""
        near_us = min(self._awaited, key=lambda due_us: abs(due_us - at_us), default=None)
        return near_us if near_us is not None and abs(near_us - at_us) <= self._tolerance_us else None

    def last_before(self, at_us: int) -> int | None:
        """Give the latest awaited instant before ``at_us``."""
        return max((due_us for due_us in self._awaited if due_us < at_us), default=None)

    def take(self, due_us: int, at_us: int) -> bool:
        """Await it no more; what was due before the beginning does not count."""
        del at_us
        self._awaited.remove(due_us)
        return due_us >= self._from_us

    def adopt(self, at_us: int) -> bool:
        """Learn nothing: the calendar is known."""
        del at_us
        return False

    def stray(self, at_us: int) -> None:
        """Note nothing."""

    def skip(self, from_us: int, until_us: int) -> int:
        """Drop what may have been sent in between."""
        early_us = from_us - self._patience_us
        kept = [due_us for due_us in self._awaited if due_us < max(early_us, self._from_us)]
        count, self._awaited = len(self._awaited) - len(kept), deque(kept)
        while self._next_us is not None and self._next_us <= until_us + self._tolerance_us:
            count += self._next_us >= self._from_us
            self._next_us = self._trigger.next_after(self._next_us)
        return count

    def rest(self, until_us: int) -> list[int]:
        """Give what is still awaited of what was due by ``until_us``."""
        return [due_us for due_us in self._awaited if self._from_us <= due_us <= until_us]


class ByPeriod:
    """Every scheduler counts from when it was started, or from its last run: the first task tells the phase.

    Half a period is the most that is waited, and a third of it the most that is tolerated.
    """

    def __init__(self, every_us: int, from_us: int, tolerance_us: int) -> None:
        """Await a first task within one period."""
        self._every_us, self._tolerance_us = every_us, min(tolerance_us, every_us // 3)
        self._patience_us = min(max(PATIENCE_US, tolerance_us), every_us // 2)
        self._is_known = False
        self._next_us = from_us + every_us
        self._stray_us: int | None = None

    def expect(self, now_us: int) -> None:
        """Await the next, as always."""

    def overdue(self, now_us: int) -> list[int]:
        """Give what was awaited for too long; if another came instead, the phase has changed and is taken from that."""
        gone: list[int] = []
        while self._next_us + self._patience_us < now_us and len(gone) < BATCH_LIMIT:
            gone.append(self._next_us)
            self._next_us = (self._next_us if self._stray_us is None else self._stray_us) + self._every_us
            self._stray_us = None
        return gone

    def nearest(self, at_us: int) -> int | None:
        """Give the next instant, if it is within what is tolerated."""
        return self._next_us if self._is_known and abs(self._next_us - at_us) <= self._tolerance_us else None

    def last_before(self, at_us: int) -> int | None:
        """Give the next instant, if its time has come."""
        return self._next_us if self._is_known and self._next_us < at_us else None

    def take(self, due_us: int, at_us: int) -> bool:
        """Count on from when it was sent, as beat does."""
        del due_us
        self._next_us, self._stray_us = at_us + self._every_us, None
        return True

    def adopt(self, at_us: int) -> bool:
        """Take the phase from a first task."""
        if self._is_known:
            return False
        self._is_known = True
        return self.take(at_us, at_us)

    def stray(self, at_us: int) -> None:
        """Note a task that came at another time; the phase may have changed."""
        self._stray_us = at_us

    def skip(self, from_us: int, until_us: int) -> int:
        """Go on with the phase that is known."""
        del from_us
        count = max(0, -(-(until_us + self._tolerance_us + 1 - self._next_us) // self._every_us))
        self._next_us, self._stray_us = self._next_us + count * self._every_us, None
        return count

    def rest(self, until_us: int) -> list[int]:
        """Give the next instant, if it was due by ``until_us``."""
        return [self._next_us] if self._next_us <= until_us else []


def forecast(trigger: Trigger, from_us: int, tolerance_us: int) -> Forecast:
    """Forecast what another scheduler sends of an entry from ``from_us`` on."""
    begun = trigger.begun(from_us)
    if isinstance(begun, Interval):
        return ByPeriod(begun.every_us, from_us, tolerance_us)
    return ByCalendar(begun, from_us, tolerance_us)
