"""Requests a worker can take, drawn at random; whatever is drawn here, the shim must accept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shim.custom_headers import RESERVED_HEADERS, RESERVED_STAMPS
from shim.encoding import INTEGER_LIMIT_BITS
from shim.request import TaskRequest
from shim.signature import Signature


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

whole_seconds = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
"""Offsets that ``fromisoformat`` reads back: it takes a fraction of a second for none."""

typed_leaves: st.SearchStrategy[Any] = (
    st.datetimes(timezones=st.none() | whole_seconds)
    | st.dates()
    | st.times(timezones=st.none() | whole_seconds)
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.binary(max_size=12)
)
good_arguments = st.recursive(
    good_leaves | typed_leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(good_text, inner, max_size=4).filter(lambda v: not is_typed(v))
    ),
    max_leaves=12,
)
good_keywords = st.dictionaries(good_text, good_arguments, max_size=3).filter(lambda v: not is_typed(v))


def named(reserved: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
    free = names.filter(lambda name: name not in reserved and name[0] != "_")
    return st.dictionaries(free, good_values, max_size=3)


seconds = st.floats(0.001, 1e8) | st.integers(1, 10**8)
good_options = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("task_id", "queue", "reply_to", "shadow", "root_id", "group_id"), names),
        **dict.fromkeys(("countdown", "expires", "time_limit", "soft_time_limit"), seconds),
        "eta": good_instants.map(lambda instant: instant.astimezone(UTC)),
        "priority": st.integers(0, 9),
        "retries": st.integers(0, 9),
        "ignore_result": st.booleans(),
        "headers": named(RESERVED_HEADERS),
    },
)
task_names = names.filter(lambda name: not name.startswith("celery."))
good_signatures: st.SearchStrategy[Signature] = st.recursive(
    st.builds(Signature, task_names, st.lists(good_arguments, max_size=2), good_keywords, good_options, st.booleans()),
    lambda inner: st.builds(
        Signature,
        task_names,
        options=st.fixed_dictionaries({}, optional={"link": inner | st.lists(inner, max_size=2), "link_error": inner}),
    ),
    max_leaves=3,
)

good_requests = st.builds(
    TaskRequest,
    task=names,
    task_id=names,
    args=st.lists(good_arguments, max_size=3) | st.tuples(good_arguments),
    kwargs=good_keywords,
    eta_at=st.none() | good_instants,
    expires_at=st.none() | good_instants,
    time_limit_s=st.none() | seconds,
    soft_time_limit_s=st.none() | seconds,
    ignore_result=st.none() | st.booleans(),
    shadow=st.none() | names,
    root_id=st.none() | names,
    parent_id=st.none() | names,
    headers=named(RESERVED_HEADERS),
    argsrepr=good_text,
    kwargsrepr=good_text,
)
"""Requests of one task alone, in JSON."""

elaborate_requests = st.builds(
    lambda request, more: request._replace(**more),
    good_requests,
    st.fixed_dictionaries(
        {},
        optional={
            "retries": st.integers(0, 2**31 - 1),
            "compression": st.sampled_from(["gzip", "zlib", "bzip2", "lzma", "xz"]),
            "links": st.lists(good_signatures, max_size=2),
            "error_links": st.lists(good_signatures, max_size=2),
            "chain": st.lists(good_signatures, max_size=3),
            "group_id": names,
            "group_index": st.integers(0, 2**31 - 1),
            "stamps": named(RESERVED_STAMPS),
            "reply_to": names,
            "delivery_mode": st.sampled_from([1, 2]),
            "replaced_task_nesting": st.integers(0, 9),
        },
    ),
)
"""Requests that may say everything Celery's ``apply_async`` takes."""


def exactly(value: Any) -> str:
    """Write a value so that 1, 1.0 and True, and 0.0 and -0.0, are told apart; a tuple is a list, as it is to JSON."""
    return json.dumps(plain(value), sort_keys=True)


def plain(value: Any) -> Any:
    if isinstance(value, (datetime, date, time)):
        return {f"a {type(value).__name__}": value.isoformat()}
    if isinstance(value, (UUID, Decimal, bytes)):
        return {f"a {type(value).__name__}": str(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def utc(instant: datetime | None) -> datetime | None:
    """Bring to UTC: between two zones, Python holds an instant in a fold for unequal to every other."""
    return None if instant is None else instant.astimezone(UTC)
