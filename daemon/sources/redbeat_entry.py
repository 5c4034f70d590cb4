"""What RedBeat keeps of an entry, two texts of JSON, as an entry in the form of a site file. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from daemon.sources.celery_options import argument_keys, option_keys
from daemon.sources.celery_schedule import Keys, crontab_keys, interval_keys, rrule_keys
from daemon.sources.crontab_text import ORDER
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried, Unfit, named, site_name

LOST_NTH = (
    "RedBeat does not keep which one of the month a weekday is: if this was the first Monday, it has been firing every "
    "Monday since it was stored; write BYDAY=+1MO if you want the first"
)
NO_ZONE = "RedBeat keeps no time zone: UTC is written here; if the application has another, it belongs in timezone"


class RedbeatHash(NamedTuple):
    """A hash ``redbeat:<name>``: its key, and the texts of its fields. What is sent is not shown."""

    key: str
    definition: str | None
    meta: str | None

    def __repr__(self) -> str:
        """Show which one it is."""
        return f"RedbeatHash(key={self.key!r})"


def redbeat_entries(hashes: Sequence[RedbeatHash], zone: str | None = None) -> Sourced:
    """Bring over all entries.

    Args:
        hashes: as they were read.
        zone: of the application whose beat this was.
    """
    carried: list[SourcedEntry] = []
    left: list[Uncarried] = []
    taken: set[str] = set()
    for one in sorted(hashes):
        try:
            carried.append(_entry(one, taken, zone))
            taken.add(carried[-1].name)
        except Unfit as error:
            left.append(Uncarried(one.key, error.reason))
    return Sourced(tuple(carried), tuple(left))


def _entry(found: RedbeatHash, taken: set[str], zone: str | None) -> SourcedEntry:
    if found.definition is None:
        raise Unfit("it has no definition, only traces of its last run: RedBeat cannot read it and never fires it")
    definition = _loaded(found.definition)
    original, task = definition.get("name") or found.key, definition.get("task")
    if not isinstance(task, str) or not task:
        raise Unfit("it names no task")
    when = _when(definition.get("schedule"), zone)
    args, kwargs, options = (definition.get(key) for key in ("args", "kwargs", "options"))
    call = option_keys(_plain(options) if isinstance(options, Mapping) else {})
    name = site_name(str(original), taken)
    data = {
        "task": task,
        **when.data,
        **argument_keys(
            _plain(args) if isinstance(args, list) else [], _plain(kwargs) if isinstance(kwargs, dict) else {}
        ),
        **call.data,
    }
    enabled = definition.get("enabled", True) is not False
    if not enabled:
        data["enabled"] = False
    last_run_at = _instant(_loaded(found.meta).get("last_run_at")) if found.meta else None
    differences = (*when.differences, *call.differences)
    return SourcedEntry(name, str(original), named(data, name, str(original)), differences, last_run_at, enabled)


def _when(schedule: Any, zone: str | None) -> Keys:
    if not isinstance(schedule, Mapping):
        raise Unfit("it has no schedule RedBeat could read")
    match schedule.get("__type__"):
        case "interval":
            seconds, relative = schedule.get("every"), schedule.get("relative") is True
            if not isinstance(seconds, (int, float)):
                raise Unfit("its interval is no number: RedBeat cannot read it and never fires it")
            return interval_keys(float(seconds), relative=relative, zone=zone)
        case "crontab":
            keys = crontab_keys({key: schedule.get(key, "*") for key in ORDER}, zone or "UTC")
            return keys if zone is not None else Keys(keys.data, (*keys.differences, NO_ZONE))
        case "rrule":
            return _rule(schedule)
        case kind:
            raise Unfit(f'its schedule is of the kind "{kind}", which RedBeat does not know either')


def _rule(schedule: Mapping[str, Any]) -> Keys:
    rule: dict[str, Any] = {key: value for key, value in schedule.items() if not key.endswith("_tz")}
    for key in ("dtstart", "until"):
        if isinstance(stamp := schedule.get(key), (int, float)):
            offset = timezone(timedelta(minutes=schedule.get(f"{key}_tz") or 0))
            rule[key] = datetime.fromtimestamp(stamp, tz=offset)
    for key in ("byweekday", "wkst"):
        value = rule.get(key)
        rule[key] = [_day(one) for one in value] if isinstance(value, list) else _day(value)
    keys = rrule_keys(rule)
    is_lossy = "weekday" in str(schedule.get("byweekday")) and any(
        word in keys.data["rrule"] for word in ("MONTHLY", "YEARLY")
    )
    return Keys(keys.data, (*keys.differences, LOST_NTH)) if is_lossy else keys


def _day(value: Any) -> Any:
    return value.get("wkday") if isinstance(value, Mapping) else value


def _loaded(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("it is not JSON: RedBeat cannot read it and never fires it") from None
    if not isinstance(found, dict):
        raise Unfit("it is no object: RedBeat cannot read it and never fires it")
    return found


def _plain(value: Any) -> Any:
    """Write RedBeat's instants as Celery's messages have them."""
    if isinstance(value, Mapping):
        at = _instant(value)
        if at is not None:
            return {"__type__": "datetime", "__value__": at.isoformat()}
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, Mapping) or value.get("__type__") != "datetime":
        return None
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    zone = value.get("timezone", "UTC")
    try:
        clock = ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(seconds=zone))
        return datetime(*(int(value.get(part, 0)) for part in parts), tzinfo=clock).astimezone(UTC)  # type: ignore[misc, arg-type]
    except (TypeError, ValueError, OSError, KeyError):
        return None
