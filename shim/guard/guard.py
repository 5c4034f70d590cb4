"""Guards and records as values, what is refused of them, and the form the script reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from shim.errors import RequestInvalid

SLOTS_LIMIT = 100_000
"""Places of one scope."""

PARTS_LIMIT = 100
"""Slots and rates of one guard, records of one write, ids that make room."""

RECORD_BYTES = 8192
NAME_LIMIT = 1000
SPAN_LIMIT_US = 2**52
"""A hundred years and more; sums of two still are whole numbers in Lua."""


_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and surrogates, which are no Unicode alone."""


class SlotClaim(NamedTuple):
    """One of a bounded number of places.

    Attributes:
        key: Redis sorted set of those who hold one, with any prefix; the score is when it is let go by itself.
        scope: what the set is called among what a holder holds, and in answers.
        limit: how many places there are.
        stale_us: how long the place is kept if nobody lets it go.
        evict: holders whose places are taken away for this one.
    """

    key: str
    scope: str
    limit: int
    stale_us: int
    evict: tuple[str, ...] = ()


class RateClaim(NamedTuple):
    """At most ``most`` at once, and then one each ``per_us / most``: over any span T at most ``most + T * most / per_us``.

    Attributes:
        key: Redis string, with any prefix; holds the instant up to which the rate is used up.
    """

    key: str
    most: int
    per_us: int

    @property
    def interval_us(self) -> int:
        """How long one uses up; rounded up, so that the rate is never exceeded."""
        return -(-self.per_us // self.most)


class Guard(NamedTuple):
    """What must allow a write. A holder that has a place already keeps it and needs no other.

    Attributes:
        holder: who takes the places.
        running_key: Redis hash of all holders and the scopes they have places in, one each line, with any prefix.
        hold_key: Redis string; while it is there nothing that heeds it is written. ``None``: not heeded.
    """

    holder: str = ""
    running_key: str = ""
    slots: tuple[SlotClaim, ...] = ()
    rates: tuple[RateClaim, ...] = ()
    hold_key: str | None = None


class Record(NamedTuple):
    """A text that a stream gets if the write is done.

    Attributes:
        key: Redis stream, with any prefix.
        max_len: how many entries are kept at the least; the oldest go in blocks.
    """

    key: str
    max_len: int
    text: str


def check_guard(guard: Guard) -> None:
    """Refuse what the script could not work with.

    Raises:
        RequestInvalid: a number out of range, a name that is none.
    """
    if len(guard.slots) > PARTS_LIMIT or len(guard.rates) > PARTS_LIMIT:
        message = f"guard: at most {PARTS_LIMIT} slots and as many rates"
        raise RequestInvalid(message)
    if guard.hold_key is not None:
        _check_name("hold_key", guard.hold_key)
    if guard.slots:
        _check_name("holder", guard.holder)
        _check_name("running_key", guard.running_key)
    for slot in guard.slots:
        _check_name("slot key", slot.key)
        _check_name("scope", slot.scope)
        _check_number("slot limit", slot.limit, SLOTS_LIMIT)
        _check_number("stale_us", slot.stale_us, SPAN_LIMIT_US)
        if len(slot.evict) > PARTS_LIMIT:
            message = f"evict: at most {PARTS_LIMIT} ids"
            raise RequestInvalid(message)
        for one in slot.evict:
            _check_name("evict", one)
    for rate in guard.rates:
        _check_name("rate key", rate.key)
        _check_number("most", rate.most, SPAN_LIMIT_US)
        _check_number("per_us", rate.per_us, SPAN_LIMIT_US)
    if len({rate.key for rate in guard.rates}) < len(guard.rates):
        message = "guard: the same rate twice"
        raise RequestInvalid(message)


def check_records(records: tuple[Record, ...]) -> None:
    """Refuse records that are too many, too long or no text.

    Raises:
        RequestInvalid: as it says.
    """
    if len(records) > PARTS_LIMIT:
        message = f"records: at most {PARTS_LIMIT} with one write"
        raise RequestInvalid(message)
    for record in records:
        _check_name("record key", record.key)
        _check_number("max_len", record.max_len, SPAN_LIMIT_US)
        try:
            size = len(record.text.encode())
        except UnicodeEncodeError:
            message = "record: text with lone surrogates is not Unicode and cannot travel"
            raise RequestInvalid(message) from None
        if size > RECORD_BYTES:
            message = f"record: {size} bytes, at most {RECORD_BYTES}"
            raise RequestInvalid(message)


def _check_name(label: str, value: str) -> None:
    if not value or len(value) > NAME_LIMIT or _ODD.search(value):
        message = f"{label}: not a name"
        raise RequestInvalid(message, hint=f"1 to {NAME_LIMIT} characters, none of them a control character")


def _check_number(label: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        message = f"{label}: {value} is not between 1 and {most}"
        raise RequestInvalid(message)


# -- packing -----------------------------------------------------------------------------------------------------------


def keys_of(guard: Guard | None, records: tuple[Record, ...]) -> Iterator[tuple[str, str]]:
    """Give each key that is needed and what it is to the script."""
    if guard is not None:
        if guard.slots:
            yield guard.running_key, "running"
        if guard.hold_key is not None:
            yield guard.hold_key, "hold"
        for slot in guard.slots:
            yield slot.key, "slots"
        for rate in guard.rates:
            yield rate.key, "rate"
    for record in records:
        yield record.key, "records"


def packed(guard: Guard | None, records: tuple[Record, ...], numbers: dict[tuple[str, str], int]) -> list[object]:
    """Write guard and records as ``guard.lua`` reads them; ``numbers`` are those of the keys."""
    recorded = [[numbers[record.key, "records"], record.max_len, record.text] for record in records]
    if guard is None:
        return [False, recorded]
    holder = guard.holder
    slots = [
        [
            numbers[slot.key, "slots"],
            slot.scope,
            slot.limit,
            slot.stale_us,
            [one for one in dict.fromkeys(slot.evict) if one != holder],
        ]
        for slot in guard.slots
    ]
    rates = [
        [numbers[rate.key, "rate"], interval_us := rate.interval_us, (rate.most - 1) * interval_us]
        for rate in guard.rates
    ]
    running = numbers[guard.running_key, "running"] if guard.slots else 0
    hold = numbers[guard.hold_key, "hold"] if guard.hold_key is not None else 0
    return [[holder, running, hold, slots, rates], recorded]
