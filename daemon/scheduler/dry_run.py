"""What a whole schedule would fire, in the order of time, and how much that is. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.model import Entry
from daemon.scheduler.preview import Fire, preview
from daemon.scheduler.triggers import Trigger

MINUTE_US = 60 * SECOND_US


@dataclass(slots=True)
class Share:
    """What one entry fires: how often, first and last."""

    count: int = 0
    first_us: int | None = None
    last_us: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What a schedule fires in a time.

    Attributes:
        shares: of each entry, by name; of those that do not fire too.
        busiest_us: when the minute begins in which most is fired, the first of several; ``None`` if nothing is.
        busiest_count: how much that is.
        is_complete: whether everything was counted.
    """

    shares: dict[Public, Share]
    total: int
    busiest_us: int | None
    busiest_count: int
    is_complete: bool


def fires(entries: Sequence[Entry], from_us: int, until_us: int | None = None) -> Iterator[tuple[Entry, Fire]]:
    """Give the occurrences of all entries from an instant on and before another; entries count as new at the first."""
    streams = [_fires(entry, from_us) for entry in entries]
    merged = heapq.merge(*streams, key=lambda one: one[1].at_us)
    return merged if until_us is None else takewhile(lambda one: one[1].at_us < until_us, merged)


def survey(entries: Sequence[Entry], from_us: int, until_us: int, limit: int) -> Survey:
    """Count the occurrences of all entries from an instant on and before another; ``limit`` of them at most."""
    shares = {entry.name: Share() for entry in entries}
    found = heapq.merge(*(_instants(entry, from_us, until_us) for entry in entries))
    total, minute_us, in_minute = 0, None, 0
    busiest_us: int | None = None
    busiest_count = 0
    for at_us, name in islice(found, limit):
        total += 1
        share = shares[name]
        share.count, share.last_us = share.count + 1, at_us
        if share.first_us is None:
            share.first_us = at_us
        if at_us // MINUTE_US != minute_us:
            minute_us, in_minute = at_us // MINUTE_US, 0
        in_minute += 1
        if in_minute > busiest_count:
            busiest_us, busiest_count = minute_us * MINUTE_US, in_minute
    return Survey(shares, total, busiest_us, busiest_count, is_complete=next(found, None) is None)


def _fires(entry: Entry, from_us: int) -> Iterable[tuple[Entry, Fire]]:
    trigger, after_us = _begun(entry.trigger, from_us)
    coming = preview(trigger, entry.zone, after_us)
    return ((entry, fire) for fire in islice(coming, entry.max_runs))


def _instants(entry: Entry, from_us: int, until_us: int) -> Iterator[tuple[int, Public]]:
    trigger, after_us = _begun(entry.trigger, from_us)
    left, at_us = entry.max_runs, trigger.next_after(after_us)
    while at_us is not None and at_us < until_us and left != 0:
        yield at_us, entry.name
        left = None if left is None else left - 1
        at_us = trigger.next_after(at_us)


def _begun(trigger: Trigger, from_us: int) -> tuple[Trigger, int]:
    """Give the rule of an entry that is new at ``from_us``, and after when it counts: its start is no occurrence."""
    begun = trigger.begun(from_us)
    return begun, from_us if begun.describe() != trigger.describe() else from_us - 1
