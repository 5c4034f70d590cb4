"""The application's ``beat_schedule`` as entries in the form of a site file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daemon.public import Public
from daemon.sources.celery_options import argument_keys, option_keys
from daemon.sources.celery_schedule import (
    Keys,
    clocked_keys,
    crontab_keys,
    dst_of,
    interval_keys,
    rrule_keys,
    solar_keys,
)
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried, Unfit, named, site_name
from shim.app import AppFacts, BeatEntry, Clocked, Crontab, Interval, OtherSchedule, Rule, Solar

CLEANUP = "celery.backend_cleanup"
_CLEANUP_ENTRY = BeatEntry(
    CLEANUP, CLEANUP, Crontab("0", "4", "*", "*", "*"), args=[], kwargs={}, options={"expires": 12 * 3600}
)
"""What beat adds by itself."""


def beat_entries(facts: AppFacts) -> Sourced:
    """Bring over what beat would run for an application, ``celery.backend_cleanup`` where results need it included."""
    carried: list[SourcedEntry] = []
    left: list[Uncarried] = []
    taken: set[str] = set()
    entries = dict(facts.schedule)
    if facts.cleans_results:
        entries.setdefault(CLEANUP, _CLEANUP_ENTRY)
    for original, entry in entries.items():
        try:
            name = site_name(original, taken)
            carried.append(_carried(name, entry, facts))
            taken.add(name)
        except Unfit as error:
            left.append(Uncarried(original, error.reason))
    return Sourced(tuple(carried), tuple(left))


def _carried(name: Public, entry: BeatEntry, facts: AppFacts) -> SourcedEntry:
    if not entry.task:
        raise Unfit("it names no task")
    when = _when(entry, facts)
    options = option_keys(entry.options)
    data = {"task": entry.task, **when.data, **argument_keys(entry.args, entry.kwargs, entry.unsaid), **options.data}
    return SourcedEntry(name, entry.name, named(data, name, entry.name), (*when.differences, *options.differences))


def _when(entry: BeatEntry, facts: AppFacts) -> Keys:
    match entry.schedule:
        case Crontab() as found:
            fields = {
                "minute": found.minute,
                "hour": found.hour,
                "day_of_week": found.day_of_week,
                "day_of_month": found.day_of_month,
                "month_of_year": found.month_of_year,
            }
            return crontab_keys(fields, found.timezone or facts.timezone, dst=dst_of(facts.versions.get("celery", "")))
        case Interval(seconds, relative):
            return interval_keys(seconds, relative=relative, zone=facts.timezone)
        case Solar(event, latitude, longitude):
            return solar_keys(event, latitude, longitude)
        case Clocked(at):
            return clocked_keys(_instant(at))
        case Rule(parts):
            return rrule_keys(_rule(parts))
        case OtherSchedule(class_path, why):
            own = "has a clock of its own (nowfun)" if why == "nowfun" else "is a class of the application"
            raise Unfit(f"its schedule, {class_path}, {own}: only the application knows when it fires")


def _rule(parts: Any) -> dict[str, Any]:
    rule = {key: _instant(value) if key in ("dtstart", "until") and value else value for key, value in parts.items()}
    for key in ("byweekday", "wkst"):
        value = rule.get(key)
        rule[key] = [_day(one) for one in value] if isinstance(value, list) else _day(value)
    return rule


def _day(value: Any) -> Any:
    return (value["day"], value["which"]) if isinstance(value, dict) else value


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
