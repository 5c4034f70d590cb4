"""From the site file's ``[schedule.*]`` to entries, naming every problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from daemon.clock import SECOND_US, microseconds
from daemon.public import Public
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.model import (
    STALE_US,
    CatchUp,
    CatchUpPolicy,
    Entry,
    Expectation,
    Limit,
    Overlap,
    OverlapPolicy,
    Rate,
)
from daemon.scheduler.timing import TimingInvalid, make_trigger
from daemon.settings import Problem, Settings, Severity
from daemon.settings.entry_section import EntryOptions, EntrySection, ExpectSetting, LimitSetting, StepSection
from daemon.settings.problems import KeyPath

__all__ = ["make_entry", "odd_keys", "read_entries", "read_limit"]


def read_entries(settings: Settings) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """Turn the schedule of a site into entries; disabled ones are checked and left out."""
    entries, problems = [], []
    identities: dict[str, Public] = {}
    for name, section in settings.schedule.items():
        path: KeyPath = ("schedule", str(name))
        problems += odd_keys(name, section)
        identity = section.id or name
        other = identities.setdefault(identity, name)
        if other != name:
            text = f'"{identity}" is what "{other}" is known by already'
            problems.append(Problem((*path, "id") if section.id else path, text, "an id belongs to one entry"))
            continue
        try:
            entry = make_entry(name, section, settings.site.timezone)
        except TimingInvalid as error:
            problems.append(Problem((*path, *error.path), str(error), error.hint))
            continue
        except TriggerInvalid as error:
            problems.append(Problem(path, str(error), error.hint))
            continue
        if section.enabled:
            entries.append(entry)
    return tuple(entries), tuple(problems)


def make_entry(name: Public, section: EntrySection, zone: Public) -> Entry:
    """Make the entry that keys as in a site file describe.

    Args:
        name: of the entry.
        section: its keys, checked each by itself.
        zone: of the site, for an entry that names none.

    Raises:
        TimingInvalid: its timing makes no sense, or it can never fire.
    """
    options = section.options
    return Entry(
        name=name,
        task=section.task or Public(_target_kind(section)),
        trigger=make_trigger(section.id or name, section, zone),
        catch_up=CatchUp(CatchUpPolicy(section.catch_up.policy), _us(section.catch_up.window)),
        args=tuple(section.args),
        kwargs=section.kwargs,
        queue=options.queue,
        priority=options.priority,
        expires_us=None if isinstance(options.expires, datetime) else _us(options.expires),
        expires_at_us=microseconds(options.expires) if isinstance(options.expires, datetime) else None,
        time_limit_s=options.time_limit,
        soft_time_limit_s=options.soft_time_limit,
        headers={str(name): value for name, value in options.headers.items()},
        identity=section.id,
        canvas=_canvas(section),
        overlap=Overlap(OverlapPolicy(section.overlap.policy), _us(section.overlap.stale_after) or STALE_US),
        limit=read_limit(section.limit),
        start_deadline_us=_us(section.start_deadline),
        max_runs=section.max_runs,
        expect=_expectation(section.expect),
        zone=section.timezone or zone,
    )


def odd_keys(name: Public, section: EntrySection) -> list[Problem]:
    """Warn of what is valid and has no effect."""
    soft, hard = section.options.soft_time_limit, section.options.time_limit
    if soft is None or hard is None or soft < hard:
        return []
    text = "the soft limit is not below the hard one, so it never acts"
    return [Problem(("schedule", str(name), "options", "soft_time_limit"), text, severity=Severity.WARNING)]


def read_limit(section: LimitSetting | None) -> Limit:
    """Turn ``limit`` of an entry, or the section of a queue, into limits."""
    if section is None:
        return Limit()
    rate = section.rate
    return Limit(section.concurrency, None if rate is None else Rate(rate.count, rate.per_s * SECOND_US))


def _expectation(section: ExpectSetting | None) -> Expectation:
    if section is None:
        return Expectation()
    return Expectation(_us(section.start_within), _us(section.finish_within), section.ping)


def _target_kind(section: EntrySection) -> str:
    return "chord" if section.chord is not None else "chain" if section.chain is not None else "group"


def _canvas(section: EntrySection) -> Mapping[str, Any] | None:
    if section.chord is not None:
        header = [_step(one) for one in section.chord.header]
        return {"kind": "chord", "header": header, "body": _step(section.chord.body)}
    tasks = section.chain or section.group
    return None if tasks is None else {"kind": _target_kind(section), "tasks": [_step(one) for one in tasks]}


def _step(section: StepSection) -> Mapping[str, Any]:
    step: dict[str, Any] = {"task": str(section.task)}
    if section.args:
        step["args"] = section.args
    if section.kwargs:
        step["kwargs"] = section.kwargs
    options = _options(section.options)
    if options:
        step["options"] = options
    return {**step, "immutable": True} if section.immutable else step


def _options(options: EntryOptions) -> dict[str, Any]:
    found = options.model_dump(exclude_unset=True, exclude_none=True)
    return {key: str(value) if isinstance(value, Public) else value for key, value in found.items()}


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds * SECOND_US)
