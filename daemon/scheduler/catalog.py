"""From the site file's ``[schedule.*]`` to entries, naming every problem."""

from __future__ import annotations

import math

from daemon.clock import SECOND_US, microseconds
from daemon.public import Public
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.model import CatchUp, CatchUpPolicy, Entry
from daemon.scheduler.triggers import Cron, Dst, Interval, Trigger
from daemon.settings import Problem, Settings, Severity
from daemon.settings.sections import EntrySection

SHORTEST_EVERY_S = 0.1


def read_entries(settings: Settings) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """Turn the schedule of a site into entries; disabled ones are checked and left out."""
    entries, problems = [], []
    for name, section in settings.schedule.items():
        entry, found = _entry(name, section, section.timezone or settings.site.timezone)
        problems += found
        if entry is not None and section.enabled:
            entries.append(entry)
    return tuple(entries), tuple(problems)


def _entry(name: Public, section: EntrySection, zone: Public) -> tuple[Entry | None, list[Problem]]:
    path = ("schedule", str(name))
    problems = _odd_options(path, section)
    try:
        trigger = _trigger(section, zone)
    except TriggerInvalid as error:
        key = "cron" if section.cron is not None else "every"
        return None, [*problems, Problem((*path, key), str(error), error.hint)]
    options, window = section.options, section.catch_up.window
    entry = Entry(
        name=name,
        task=section.task,
        trigger=trigger,
        catch_up=CatchUp(CatchUpPolicy(section.catch_up.policy), _us(window)),
        args=tuple(section.args),
        kwargs=section.kwargs,
        queue=options.queue,
        priority=options.priority,
        expires_us=_us(options.expires),
        time_limit_s=options.time_limit,
        soft_time_limit_s=options.soft_time_limit,
        headers={str(name): value for name, value in options.headers.items()},
    )
    return entry, problems


def _trigger(section: EntrySection, zone: Public) -> Trigger:
    if section.cron is not None:
        return Cron(section.cron, zone, Dst(section.dst))
    assert section.every is not None  # the section holds exactly one of the two
    if section.every < SHORTEST_EVERY_S:
        message = f"every {section.every:g} s is shorter than {SHORTEST_EVERY_S:g} s"
        raise TriggerInvalid(message, hint="a worker that loops does this better")
    every_us = round(section.every * SECOND_US)
    return Interval(every_us, microseconds(section.anchor) % every_us if section.anchor else 0)


def _odd_options(path: tuple[str, ...], section: EntrySection) -> list[Problem]:
    problems = []
    soft, hard = section.options.soft_time_limit, section.options.time_limit
    if soft is not None and hard is not None and soft >= hard:
        text = "the soft limit is not below the hard one, so it never acts"
        problems.append(Problem((*path, "options", "soft_time_limit"), text, severity=Severity.WARNING))
    return problems


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds * SECOND_US)
