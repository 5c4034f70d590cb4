"""Requests a worker can take, drawn at random; whatever is drawn here, the shim must accept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shim.encoding import INTEGER_LIMIT_BITS
from shim.envelope import RESERVED_HEADERS
from shim.request import TaskRequest


class Offsetless(tzinfo):
    """A time zone that does not know its offset: what it is attached to is naive all the same."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None

    def dst(self, _: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _: datetime | None) -> str | None:
        return None


def knows_its_offset(zone: tzinfo | None) -> bool:
    return zone is not None and not isinstance(zone, Offsetless)


good_char = st.characters(codec="utf-8")
good_text = st.text(good_char, max_size=12)
names = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20).filter(str.isprintable)
odd_zones: st.SearchStrategy[Any] = st.sampled_from(
    [
        ZoneInfo("Europe/Amsterdam"),  # 00:19:32 before 1937
        ZoneInfo("Africa/Monrovia"),  # -00:44:30 until 1972
        ZoneInfo("Pacific/Kiritimati"),
        timezone(timedelta(hours=23, minutes=59, seconds=59)),
        timezone(-timedelta(hours=23, minutes=59, seconds=59, microseconds=1)),
        Offsetless(),
        None,
    ]
)
good_instants = st.datetimes(
    datetime.fromisoformat("1970-01-03"),  # bounds are naive, the zone is drawn
    datetime.fromisoformat("9998-12-29"),
    timezones=st.timezones() | odd_zones.filter(knows_its_offset),
)

good_integers = st.integers() | st.integers(-(2**INTEGER_LIMIT_BITS) + 1, 2**INTEGER_LIMIT_BITS - 1)
good_leaves = st.none() | st.booleans() | good_integers | st.floats(allow_nan=False, allow_infinity=False) | good_text


def is_typed(value: Mapping[Any, Any]) -> bool:
    return value.keys() == {"__type__", "__value__"}


good_values = st.recursive(
    good_leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(good_text, inner, max_size=4).filter(lambda v: not is_typed(v))
    ),
    max_leaves=12,
)

good_requests = st.builds(
    TaskRequest,
    task=names,
    task_id=names,
    args=st.lists(good_values, max_size=3) | st.tuples(good_values),
    kwargs=st.dictionaries(good_text, good_values, max_size=3).filter(lambda v: not is_typed(v)),
    eta_at=st.none() | good_instants,
    expires_at=st.none() | good_instants,
    time_limit_s=st.none() | st.floats(0.001, 1e8) | st.integers(1, 10**8),
    soft_time_limit_s=st.none() | st.floats(0.001, 1e8) | st.integers(1, 10**8),
    ignore_result=st.none() | st.booleans(),
    shadow=st.none() | names,
    root_id=st.none() | names,
    parent_id=st.none() | names,
    headers=st.dictionaries(
        names.filter(lambda name: name not in RESERVED_HEADERS and name[0] != "_"), good_values, max_size=3
    ),
    argsrepr=good_text,
    kwargsrepr=good_text,
)


def exactly(value: Any) -> str:
    """Write a value so that 1, 1.0 and True, and 0.0 and -0.0, are told apart; a tuple is a list, as it is to JSON."""
    return json.dumps(plain(value))


def plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def utc(instant: datetime | None) -> datetime | None:
    """Bring to UTC: between two zones, Python holds an instant in a fold for unequal to every other."""
    return None if instant is None else instant.astimezone(UTC)
