"""A row of django-celery-beat's tables as an entry in the form of a site file. Pure."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from daemon.sources.celery_options import argument_keys, option_keys
from daemon.sources.celery_schedule import Keys, clocked_keys, crontab_keys, interval_keys, solar_keys
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried, Unfit, named, site_name

_PERIODS_S = {"days": 86_400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "microseconds": 1e-6}
_KINDS = ("interval", "crontab", "solar", "clocked")


class DjangoRow(NamedTuple):
    """A row of ``django_celery_beat_periodictask`` and the schedules it points at. What is sent is not shown.

    Attributes:
        interval: ``every`` and ``period``.
        crontab: the five fields by their names, and ``timezone``.
        solar: ``event``, ``latitude``, ``longitude``.
        clocked: its instant.
        broken: schedules it points at that are not there.
    """

    pk: int
    name: str
    task: str
    interval: tuple[int, str] | None = None
    crontab: Mapping[str, str] | None = None
    solar: tuple[str, float, float] | None = None
    clocked: datetime | None = None
    broken: tuple[str, ...] = ()
    args: str | None = "[]"
    kwargs: str | None = "{}"
    headers: str | None = "{}"
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    expires: datetime | None = None
    expire_seconds: int | None = None
    one_off: bool = False
    enabled: bool = True
    start_time: datetime | None = None
    last_run_at: datetime | None = None
    total_run_count: int = 0
    date_changed: datetime | None = None

    def __repr__(self) -> str:
        """Show which row it is, and nothing of its contents."""
        return f"DjangoRow(pk={self.pk!r}, name={self.name!r})"

    @property
    def meaning(self) -> DjangoRow:
        """Give the row without what changes with each run."""
        return self._replace(last_run_at=None, total_run_count=0)


class Noted(NamedTuple):
    """Runs of a row since they were last written: the latest, and how many; whether the row is to run once only."""

    pk: int
    at: datetime
    runs: int
    is_once: bool


class Placed(NamedTuple):
    """An entry, and the row it came from."""

    pk: int
    entry: SourcedEntry


def django_entries(rows: Sequence[DjangoRow]) -> tuple[tuple[Placed, ...], tuple[Uncarried, ...]]:
    """Bring over all rows, in the order of their primary keys."""
    carried: list[Placed] = []
    left: list[Uncarried] = []
    taken: set[str] = set()
    for row in sorted(rows, key=lambda row: row.pk):
        try:
            carried.append(Placed(row.pk, django_entry(row, taken)))
            taken.add(carried[-1].entry.name)
        except Unfit as error:
            left.append(Uncarried(row.name, error.reason))
    return tuple(carried), tuple(left)


def django_sourced(rows: Sequence[DjangoRow]) -> Sourced:
    """Bring over all rows, for someone who will not look at them again."""
    placed, left = django_entries(rows)
    return Sourced(tuple(one.entry for one in placed), left)


def django_entry(row: DjangoRow, taken: Container[str]) -> SourcedEntry:
    """Bring over a row.

    Args:
        row: as it was read.
        taken: names of other entries.

    Raises:
        Unfit: it can never fire, or not here.
    """
    when = _when(row)
    options = option_keys(
        {
            "queue": row.queue or None,
            "exchange": row.exchange or None,
            "routing_key": row.routing_key or None,
            "priority": row.priority,
            "expires": _aware(row.expires) or row.expire_seconds or None,
            "headers": _json(row, "headers", dict),
        }
    )
    name = site_name(row.name, taken, mark=str(row.pk))
    bounds, of_bounds = _bounds(row)
    sent = argument_keys(_json(row, "args", list), _json(row, "kwargs", dict))
    data: dict[str, Any] = {"task": row.task, **when.data, **bounds, **sent, **options.data}
    if not row.task:
        raise Unfit("it names no task")
    is_spent = row.one_off and row.total_run_count > 0  # beat disables it on its next tick
    if not row.enabled or is_spent:
        data["enabled"] = False
    return SourcedEntry(
        name,
        row.name,
        named(data, name, row.name),
        (*when.differences, *options.differences, *of_bounds),
        _aware(row.last_run_at),
        "enabled" not in data,
    )


def _when(row: DjangoRow) -> Keys:
    if row.broken:
        raise Unfit(f"the {row.broken[0]} schedule it points at is not there")
    given = [kind for kind in _KINDS if getattr(row, kind) is not None]
    if len(given) > 1:
        raise Unfit(f"it has several schedules ({', '.join(given)}); django-celery-beat takes the first of them")
    if row.interval is not None:
        every, period = row.interval
        if period not in _PERIODS_S:
            raise Unfit(f'its period "{period}" is none')
        return interval_keys(every * _PERIODS_S[period])
    if row.crontab is not None:
        zone = row.crontab.get("timezone") or "UTC"
        return crontab_keys({key: text for key, text in row.crontab.items() if key != "timezone"}, zone)
    if row.solar is not None:
        return solar_keys(*row.solar)
    if row.clocked is not None:
        at = _aware(row.clocked)
        assert at is not None
        return clocked_keys(at)
    raise Unfit("it has no schedule")


def _bounds(row: DjangoRow) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write its window and how often it may run."""
    data: dict[str, Any] = {}
    differences: tuple[str, ...] = ()
    if (start := _aware(row.start_time)) is not None:
        data["start"] = start
        differences = (
            "with a start time beat fires a new entry at that moment too; here the first time its schedule says so",
        )
    if (end := _aware(row.expires)) is not None:
        data["end"] = end - timedelta(microseconds=1)  # beat no longer fires at that instant
    if row.one_off and row.clocked is None:
        # Switched on again it runs once more: a changed start begins a new count.
        data["max_runs"] = 1
        starts = [at for at in (start, _aware(row.date_changed)) if at is not None]
        data |= {"start": max(starts)} if starts else {}
    return data, differences


def _json(row: DjangoRow, key: str, kind: type) -> Any:
    text = getattr(row, key) or ("[]" if kind is list else "{}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit(f"its {key} are not JSON: django-celery-beat disables it") from None
    if not isinstance(found, kind):
        raise Unfit(f"its {key} are no {'list' if kind is list else 'object'}")
    return found


def _aware(at: datetime | None) -> datetime | None:
    """Read an instant; Django keeps those of databases without zones in UTC."""
    if at is None:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
