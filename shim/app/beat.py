"""An app's ``beat_schedule``, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shim.app.errors import FactsInvalid
from shim.request import Json

CrontabField: TypeAlias = "str | int | tuple[str | int, ...]"
"""As it was written: text such as ``*/15``, a number, or several of them."""


@dataclass(frozen=True, slots=True)
class Crontab:
    """Celery's ``crontab``; django-celery-beat's has a zone of its own, any other the app's."""

    minute: CrontabField
    hour: CrontabField
    day_of_week: CrontabField
    day_of_month: CrontabField
    month_of_year: CrontabField
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds; ``relative`` rounds to the unit of the interval."""

    seconds: float
    relative: bool


@dataclass(frozen=True, slots=True)
class Solar:
    """At an event of the sun, at a place in degrees."""

    event: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Clocked:
    """Once, at an instant in ISO 8601."""

    at: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence rule of RedBeat: the arguments of dateutil's ``rrule``, instants in ISO 8601, and the zone of its start."""

    parts: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class OtherSchedule:
    """A schedule of another class, or with a clock of its own (``why``: ``nowfun``); what it means only the app knows."""

    class_path: str
    why: str = ""


Schedule: TypeAlias = "Crontab | Interval | Solar | Clocked | Rule | OtherSchedule"


@dataclass(frozen=True, slots=True)
class BeatEntry:
    """One entry; what is sent is not part of the representation.

    Attributes:
        name: key of the entry.
        task: name of the task.
        schedule: when.
        args, kwargs: for the task; objects with a type are written as Celery's JSON does.
        options: of the call; a queue may be a mapping that declares one.
        unsaid: classes of arguments JSON cannot say; they stand in ``args`` and ``kwargs`` as ``{"unknown": class}``.
    """

    name: str
    task: str
    schedule: Schedule
    args: Sequence[Json] = field(repr=False)
    kwargs: Mapping[str, Json] = field(repr=False)
    options: Mapping[str, Json] = field(repr=False)
    unsaid: tuple[str, ...] = ()


def parse_entry(name: str, given: Any) -> BeatEntry:
    """Read an entry as the probe writes it.

    Raises:
        FactsInvalid: what a probe never writes.
    """
    try:
        args, kwargs, options = given.get("args", []), given.get("kwargs", {}), given.get("options", {})
        if not isinstance(args, list) or not isinstance(kwargs, dict) or not isinstance(options, dict):
            raise TypeError  # noqa: TRY301 - one refusal for all that is wrong
        unsaid = tuple(map(str, given.get("unsaid", ())))
        return BeatEntry(name, str(given["task"]), _schedule(given["schedule"]), args, kwargs, options, unsaid)
    except (AttributeError, KeyError, TypeError, ValueError):
        message = f"schedule.{name}: not as a probe writes it"
        raise FactsInvalid(message) from None


def _schedule(given: Mapping[str, Any]) -> Schedule:
    match given["type"]:
        case "crontab":
            fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
            minute, hour, weekday, day, month = (_field(given[name]) for name in fields)
            zone = given.get("timezone")
            return Crontab(minute, hour, weekday, day, month, None if zone is None else str(zone))
        case "interval":
            return Interval(float(given["seconds"]), given["relative"] is True)
        case "solar":
            return Solar(str(given["event"]), float(given["lat"]), float(given["lon"]))
        case "clocked":
            return Clocked(str(given["at"]))
        case "rrule":
            return Rule({name: part for name, part in given.items() if name != "type"})
        case "other":
            return OtherSchedule(str(given["class"]), str(given.get("why", "")))
    raise ValueError


def _field(given: object) -> CrontabField:
    if isinstance(given, (str, int)):
        return given
    if isinstance(given, Sequence) and all(isinstance(one, (str, int)) for one in given):
        return tuple(given)
    raise ValueError
