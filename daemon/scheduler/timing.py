"""From the keys that say when an entry is due to its trigger. Pure.

What is planned comes first: the rules, less what is left out, from ``start`` to ``end``. Then the planned instants are moved,
all alike by ``spread`` and each by ``jitter``; one that is moved beyond ``end`` or into what is left out fires there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from daemon.clock import SECOND_US, microseconds
from daemon.public import Public
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import (
    Cron,
    Crontab,
    CrontabMode,
    Days,
    Excluding,
    Exclusion,
    FromStart,
    Instants,
    Interval,
    Jittered,
    Minutes,
    Relative,
    Rrule,
    Shifted,
    Solar,
    Stretch,
    Trigger,
    Union,
    Window,
    parse_dst,
)
from daemon.scheduler.triggers.local_time import instants_of, next_day_s
from daemon.scheduler.triggers.spread import offset_us
from daemon.scheduler.triggers.zone import WallClock
from daemon.settings.moments import WEEKDAYS, EveryYear
from daemon.settings.problems import KeyPath
from daemon.settings.trigger_section import ExceptSection, TimingSection, TriggerSection

SHORTEST_EVERY_S = 0.1
LONGEST_JITTER_S = 86_400.0
_T = TypeVar("_T")


class TimingInvalid(TriggerInvalid):
    """A key of an entry that makes no trigger.

    Attributes:
        path: the key, below the entry.
    """

    def __init__(self, path: KeyPath, message: str, *, hint: str = "") -> None:
        """Keep the key."""
        super().__init__(message, hint=hint)
        self.path = path


def make_trigger(identity: str, section: TimingSection, zone: Public) -> Trigger:
    """Put together the trigger of an entry.

    Args:
        identity: what the entry is known by; jitter and spread are chosen by it.
        section: its keys.
        zone: the zone of the site, for an entry that names none.

    Raises:
        TimingInvalid: a key cannot be read, or nothing ever fires.
    """
    zone = section.timezone or zone
    clock = WallClock(zone)
    trigger = _rules(section, zone)
    if section.except_ is not None:
        trigger = Excluding(trigger, _exclusions(section.except_, zone))
    trigger = _windowed(trigger, section, clock)
    if trigger.next_after(-1) is None:
        raise _never(section)
    if section.spread is not None:
        trigger = Shifted(trigger, offset_us(f"spread\n{identity}", _us(section.spread)))
    if section.jitter is not None:
        if section.jitter > LONGEST_JITTER_S:
            raise TimingInvalid(("jitter",), "jitter is longer than a day", hint="spread moves all occurrences alike")
        trigger = Jittered(trigger, _us(section.jitter), identity)
    return trigger


def _rules(section: TimingSection, zone: Public) -> Trigger:
    if section.triggers is None:
        return _rule(section, zone, (), section.start)
    return Union(
        _rule(one, one.timezone or zone, ("triggers", place), section.start)
        for place, one in enumerate(section.triggers)
    )


def _rule(section: TriggerSection, zone: Public, path: KeyPath, start: date | None) -> Trigger:
    kind = section.kind
    if kind == "cron":
        assert section.cron is not None  # it is what the kind says
        expression, dst = section.cron, _told((*path, "dst"), lambda: parse_dst(section.dst))
        if isinstance(dst, CrontabMode):
            return _told((*path, "cron"), lambda: Crontab(expression, zone, dst))
        return _told((*path, "cron"), lambda: Cron(expression, zone, dst))
    made: dict[str, Callable[[], Trigger]] = {
        "every": lambda: _every(section, zone),
        "at": lambda: Instants(_moment_us(one, WallClock(zone)) for one in section.at),
        "solar": lambda: _solar(section),
        "rrule": lambda: _rrule(section, zone, start),
    }
    return _told((*path, kind), made[kind])


def _every(section: TriggerSection, zone: Public) -> Trigger:
    assert section.every is not None  # it is what the kind says
    if section.every < SHORTEST_EVERY_S:
        message = f"every {section.every:g} s is shorter than {SHORTEST_EVERY_S:g} s"
        raise TriggerInvalid(message, hint="a worker that loops does this better")
    every_us = _us(section.every)
    if section.relative:
        return Relative(every_us, zone)
    if section.anchor == "start":
        return FromStart(every_us)
    return Interval(every_us, 0 if section.anchor == "epoch" else microseconds(section.anchor) % every_us)


def _solar(section: TriggerSection) -> Trigger:
    assert section.solar is not None  # it is what the kind says
    return Solar(section.solar.event, section.solar.latitude, section.solar.longitude)


def _rrule(section: TriggerSection, zone: Public, start: date | None) -> Trigger:
    assert section.rrule is not None  # it is what the kind says
    has_start = "DTSTART" in section.rrule.upper()
    begin = None if start is None or has_start else _whole(start)
    return Rrule(section.rrule, zone, begin)


def _exclusions(section: ExceptSection, zone: Public) -> list[Exclusion]:
    clock = WallClock(zone)
    found: list[Exclusion] = []
    if section.dates or section.weekdays:
        dates = [one for one in section.dates if isinstance(one, date)]
        yearly = [(one.month, one.day) for one in section.dates if isinstance(one, EveryYear)]
        found.append(Days(zone, dates, yearly, [WEEKDAYS.index(one) for one in section.weekdays]))
    for place, stretch in enumerate(section.ranges):
        from_us, to_us = _first_us(stretch.from_, clock), _after_us(stretch.to, clock)
        if from_us >= to_us:
            raise TimingInvalid(("except", "ranges", place), "the range ends before it begins", hint="swap from and to")
        found.append(Stretch(from_us, to_us))
    expressions = [section.cron] if isinstance(section.cron, str) else section.cron or []
    return [*found, *(_told(("except", "cron"), _minutes(one, zone)) for one in expressions)]


def _minutes(expression: str, zone: str) -> Callable[[], Exclusion]:
    return lambda: Minutes(expression, zone)


def _windowed(trigger: Trigger, section: TimingSection, clock: WallClock) -> Trigger:
    start_us = None if section.start is None else _first_us(section.start, clock)
    end_us = None
    if section.end is not None:
        is_day = not isinstance(section.end, datetime)
        end_us = _after_us(section.end, clock) - 1 if is_day else _first_us(section.end, clock)
    if start_us is not None and end_us is not None and start_us > end_us:
        raise TimingInvalid(("end",), "it ends before it starts", hint="swap start and end")
    return trigger if start_us is None and end_us is None else Window(trigger, start_us, end_us)


def _never(section: TimingSection) -> TimingInvalid:
    if section.start is not None or section.end is not None:
        key = "end" if section.end is not None else "start"
        return TimingInvalid((key,), "it never fires from start to end", hint="carillon next shows what fires when")
    if section.except_ is not None:
        return TimingInvalid(("except",), "nothing is left that fires", hint="leave out less")
    return TimingInvalid((section.kind,), "it never fires", hint="no day is as it says")


def _told(path: KeyPath, make: Callable[[], _T]) -> _T:
    try:
        return make()
    except TimingInvalid:
        raise
    except TriggerInvalid as error:
        raise TimingInvalid(path, str(error), hint=error.hint) from None


def _first_us(moment: date, clock: WallClock) -> int:
    return _moment_us(_whole(moment), clock)


def _after_us(moment: date, clock: WallClock) -> int:
    """Give the end of a date, which is where the next one begins, or the moment itself."""
    if isinstance(moment, datetime):
        return _moment_us(moment, clock)
    return next_day_s(clock, _first_us(moment, clock) // SECOND_US) * SECOND_US


def _whole(moment: date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - local time


def _moment_us(moment: Any, clock: WallClock) -> int:
    """Turn a moment into an instant; local time that does not exist is moved forward, of one that comes twice the first counts."""
    if moment.tzinfo is not None:
        return microseconds(moment)
    wall_us = microseconds(moment.replace(tzinfo=UTC))
    return instants_of(clock, wall_us // SECOND_US)[0] * SECOND_US + wall_us % SECOND_US


def _us(seconds: float) -> int:
    return round(seconds * SECOND_US)
