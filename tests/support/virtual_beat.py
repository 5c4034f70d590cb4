"""Celery's own beat in virtual time: its scheduler and its entries, a clock that is a number, and no broker."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from celery import Celery
from celery.beat import Scheduler

from daemon.clock import instant, microseconds

_MICROSECOND = timedelta(microseconds=1)
_Scheduler: Any = Scheduler  # has no types


class Sent(NamedTuple):
    """What beat sent: the entry, and when."""

    entry: str
    at_us: int


class _Clock:
    """What beat's application takes for the time."""

    def __init__(self, start_us: int, zone: str) -> None:
        self.at = instant(start_us)
        self._zone = ZoneInfo(zone)

    def now(self) -> datetime:
        return self.at.astimezone(self._zone)


class _Beat(_Scheduler):  # type: ignore[misc]
    """Beat's scheduler on a clock that stands still while it thinks.

    Beat wakes 10 ms before an entry is due and asks until it is; with a clock that stands still it would ask for ever, so here
    it wakes on time. Nothing else is changed but where messages go; and it is told that the schedule never changes.
    """

    def __init__(self, app: Any, clock: _Clock, cost: timedelta) -> None:
        self.sent: list[Sent] = []
        self._clock, self._cost = clock, cost
        super().__init__(app, max_interval=300)

    def adjust(self, n: Any, drift: float = 0.0) -> Any:
        return super().adjust(n, drift)

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:
        del new_schedules
        return old_schedules is not None

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        del producer
        self.sent.append(Sent(entry.name, microseconds(self._clock.at)))
        self._clock.at += self._cost

    @property
    def producer(self) -> None:
        return None


def run_beat(
    schedule: Mapping[str, Mapping[str, Any]], zone: str, start_us: int, end_us: int, *, cost_s: float = 0.0
) -> list[Sent]:
    """Run beat from its first start until ``end_us`` and give what it sent.

    Args:
        schedule: as ``beat_schedule``.
        zone: ``timezone`` of the application.
        cost_s: how long it takes beat to send one task.
    """
    clock = _Clock(start_us, zone)
    fresh = deepcopy(dict(schedule))  # a crontab keeps the zone of the application that asked it first
    # Results that expire by themselves, as Redis has them, need no entry that cleans up.
    app: Any = Celery("virtual", broker="memory://", set_as_current=False)
    app.conf.update(timezone=zone, beat_schedule=fresh, result_expires=None)
    app.now = clock.now
    beat, end_at = _Beat(app, clock, timedelta(seconds=cost_s)), instant(end_us)
    while clock.at <= end_at:
        pause_s = beat.tick()
        if pause_s and pause_s > 0:
            clock.at += max(timedelta(seconds=pause_s), _MICROSECOND)
    return [one for one in beat.sent if one.at_us <= end_us]
