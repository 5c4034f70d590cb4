"""django-celery-beat's tables, as its migrations up to 0019 leave them, and the statements made on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    Text,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from daemon.sources.django_row import DjangoRow

PAGE = 500
"""Rows read at a time; between two pages the scheduler gets its turn."""

_META = MetaData()
_INSTANT = DateTime(timezone=True)
CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone")

crontabs = Table(
    "django_celery_beat_crontabschedule",
    _META,
    Column("id", Integer, primary_key=True),
    *(Column(name, String) for name in CRONTAB_FIELDS),
)
intervals = Table(
    "django_celery_beat_intervalschedule",
    _META,
    Column("id", Integer, primary_key=True),
    Column("every", Integer),
    Column("period", String),
)
solars = Table(
    "django_celery_beat_solarschedule",
    _META,
    Column("id", Integer, primary_key=True),
    Column("event", String),
    Column("latitude", Float),
    Column("longitude", Float),
)
clocks = Table(
    "django_celery_beat_clockedschedule",
    _META,
    Column("id", Integer, primary_key=True),
    Column("clocked_time", _INSTANT),
)
changes = Table(
    "django_celery_beat_periodictasks",
    _META,
    Column("ident", SmallInteger, primary_key=True),
    Column("last_update", _INSTANT),
)
tasks = Table(
    "django_celery_beat_periodictask",
    _META,
    Column("id", BigInteger, primary_key=True),
    *(Column(name, String) for name in ("name", "task", "queue", "exchange", "routing_key")),
    *(Column(name, Text) for name in ("args", "kwargs", "headers")),
    *(Column(name, Integer) for name in ("priority", "expire_seconds", "total_run_count")),
    *(Column(name, Integer) for name in ("interval_id", "crontab_id", "solar_id", "clocked_id")),
    *(Column(name, _INSTANT) for name in ("expires", "start_time", "last_run_at", "date_changed")),
    Column("one_off", Boolean),
    Column("enabled", Boolean),
)

SCHEDULES = (crontabs, intervals, solars, clocks)

_OWN = (
    "name", "task", "args", "kwargs", "headers", "queue", "exchange", "routing_key", "priority", "expires",
    "expire_seconds", "one_off", "enabled", "start_time", "last_run_at", "total_run_count", "date_changed",
)  # fmt: skip


def marks() -> Select[Any]:
    """Ask for what changes with every save: the marker, and number, highest key and latest change of the rows."""
    marker = select(changes.c.last_update).where(changes.c.ident == 1).scalar_subquery()
    return select(marker, func.count(), func.max(tasks.c.id), func.max(tasks.c.date_changed)).select_from(tasks)


def page(table: Table, after: int) -> Select[Any]:
    """Ask for the next rows of a table, in the order of their keys."""
    return select(table).where(table.c.id > after).order_by(table.c.id).limit(PAGE)


def noting() -> Update:
    """Note runs: bind ``pk``, ``at`` and ``runs``. Neither the marker nor ``date_changed`` moves."""
    return (
        update(tasks)
        .where(tasks.c.id == bindparam("pk"))
        .values(last_run_at=bindparam("at"), total_run_count=tasks.c.total_run_count + bindparam("runs"))
    )


def spending() -> Update:
    """Switch off what was to run once, and reset its count, as django-celery-beat does: bind ``pk`` and ``at``."""
    return (
        update(tasks)
        .where(tasks.c.id == bindparam("pk"), tasks.c.one_off)
        .values(last_run_at=bindparam("at"), total_run_count=0, enabled=False)
    )


def to_rows(found: Iterable[Any], schedules: Mapping[str, Mapping[int, Any]]) -> list[DjangoRow]:
    """Put rows of ``tasks`` together with the schedules they point at, given by table and key."""
    return [_row(row, schedules) for row in found]


def _row(row: Any, by_id: Mapping[str, Mapping[int, Any]]) -> DjangoRow:
    broken = []
    found: dict[str, Any] = {}
    for kind, table in (("interval", intervals), ("crontab", crontabs), ("solar", solars), ("clocked", clocks)):
        key = getattr(row, f"{kind}_id")
        if key is None:
            continue
        schedule = by_id[table.name].get(key)
        if schedule is None:
            broken.append(kind)
        else:
            found[kind] = _WRITTEN[kind](schedule)
    return DjangoRow(pk=row.id, broken=tuple(broken), **found, **{name: getattr(row, name) for name in _OWN})


def _instant(schedule: Any) -> datetime:
    at: datetime = schedule.clocked_time
    return at


_WRITTEN: Mapping[str, Any] = {
    "interval": lambda one: (one.every, one.period),
    "crontab": lambda one: {name: getattr(one, name) for name in CRONTAB_FIELDS},
    "solar": lambda one: (one.event, float(one.latitude), float(one.longitude)),
    "clocked": _instant,
}
