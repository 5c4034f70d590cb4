"""The keys that say when an entry is due."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from daemon.settings.moments import CalendarDay, DayOrMoment, Weekday, parse_moment
from daemon.settings.section import Section
from daemon.settings.values import Duration, Zone, wrong

LIST_LIMIT = 1000
_EXAMPLE = 'write every = "15m" or cron = "0 2 * * *"'


def _anchor(value: Any) -> datetime | str:
    if value in ("start", "epoch"):
        return str(value)
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, datetime):
        raise wrong("not an anchor", 'write 2026-01-01T00:00:00Z, "epoch" or "start"')
    if found.tzinfo is None:
        raise wrong("an anchor needs an offset", "write 2026-01-01T00:00:00Z")
    return found


def _moments(value: Any) -> list[datetime]:
    found = [parse_moment(one) for one in (value if isinstance(value, list) else [value])]
    if not 0 < len(found) <= LIST_LIMIT:
        raise wrong(f"1 to {LIST_LIMIT} moments are needed")
    return found


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return _shown(value[0]) if len(value) == 1 else [_shown(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _dst(value: Any) -> Any:
    # What the words mean is the scheduler's to say; it refuses those it does not know.
    if isinstance(value, str) or (isinstance(value, dict) and all(isinstance(one, str) for one in value.values())):
        return value
    raise wrong("not a policy for clock changes", 'write "cron", or a table such as { gap = "skip", fold = "first" }')


def _expressions(value: Any) -> str | list[str]:
    if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
        return value
    raise wrong("not a cron expression, nor a list of them", 'write cron = "* * 24-26 12 *"')


class SolarSection(Section):
    """``solar``: an event of the sun at a place; degrees north and east."""

    event: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class TriggerSection(Section):
    """One rule for instants: an item of ``triggers``."""

    KINDS: ClassVar[tuple[str, ...]] = ("every", "cron", "at", "solar", "rrule")

    every: Duration | None = None
    anchor: Annotated[Any, PlainValidator(_anchor), PlainSerializer(_shown, when_used="json")] = "epoch"
    relative: bool = False
    cron: str | None = None
    dst: Annotated[Any, PlainValidator(_dst)] = "cron"
    at: Annotated[Any, PlainValidator(_moments), PlainSerializer(_shown, when_used="json")] = Field(
        default=None, validate_default=False
    )
    solar: SolarSection | None = None
    rrule: str | None = None
    timezone: Zone | None = None

    @property
    def kind(self) -> str:
        """Name the key that says which kind of rule this is."""
        return next(key for key in self.KINDS if getattr(self, key) is not None)

    @model_validator(mode="after")
    def _one_rule(self) -> TriggerSection:
        kinds = [key for key in self.KINDS if getattr(self, key) is not None]
        if len(kinds) != 1:
            named = f"{', '.join(self.KINDS[:-1])} and {self.KINDS[-1]}"
            raise wrong(f"exactly one of {named} is needed", _EXAMPLE)
        self._refuse_strays(kinds[0])
        return self

    def _refuse_strays(self, kind: str) -> None:
        given = self.model_fields_set
        if "anchor" in given and kind != "every":
            raise wrong("anchor belongs to every", "a cron expression needs none, and a rule of RFC 5545 has start")
        if "relative" in given and kind != "every":
            raise wrong(
                "relative belongs to every", "it rounds to the minute, hour or day that the interval is counted in"
            )
        if self.relative and "anchor" in given:
            raise wrong("relative and anchor exclude each other", "relative rounds to the clock by itself")
        if "dst" in given and kind != "cron":
            raise wrong("dst belongs to cron", "for the others docs/schedules.md says what becomes of clock changes")
        if "timezone" in given and not self._reads_clocks(kind):
            raise wrong(
                "timezone has nothing to act on", "an interval is counted from its anchor, whatever clocks show"
            )

    def _reads_clocks(self, kind: str) -> bool:
        return (
            kind in ("cron", "rrule") or self.relative or (kind == "at" and any(one.tzinfo is None for one in self.at))
        )


class StretchSection(Section):
    """One of ``except.ranges``; a date as ``to`` is left out whole, a moment as ``to`` is not."""

    from_: DayOrMoment = Field(alias="from")
    to: DayOrMoment


class ExceptSection(Section):
    """``except``: what is left out."""

    dates: list[CalendarDay] = Field(default_factory=list, max_length=LIST_LIMIT)
    ranges: list[StretchSection] = Field(default_factory=list, max_length=LIST_LIMIT)
    weekdays: list[Weekday] = Field(default_factory=list)
    cron: Annotated[Any, PlainValidator(_expressions)] = Field(default=None, validate_default=False)

    @model_validator(mode="after")
    def _something(self) -> ExceptSection:
        if not (self.dates or self.ranges or self.weekdays or self.cron):
            raise wrong("nothing is left out", 'write except = { dates = ["12-25"] } or leave it out')
        return self


class TimingSection(TriggerSection):
    """All that says when an entry is due."""

    KINDS: ClassVar[tuple[str, ...]] = (*TriggerSection.KINDS, "triggers")

    triggers: list[TriggerSection] | None = Field(default=None, min_length=1, max_length=64)
    except_: ExceptSection | None = Field(default=None, alias="except")
    start: DayOrMoment | None = None
    end: DayOrMoment | None = None
    max_runs: int | None = Field(default=None, ge=1)
    jitter: Duration | None = None
    spread: Duration | None = None

    def _reads_clocks(self, kind: str) -> bool:
        local = any(one is not None and getattr(one, "tzinfo", None) is None for one in (self.start, self.end))
        return local or kind == "triggers" or self.except_ is not None or super()._reads_clocks(kind)
