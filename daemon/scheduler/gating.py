"""What besides its ticket must allow an occurrence, and what a refusal means. Pure."""

from __future__ import annotations

from daemon.keys import entry_scope, overlap_scope
from daemon.ports import Gate, RateCap, Slot
from daemon.scheduler.model import Entry, How, OverlapPolicy

_MADE_BY_HAND = (How.MANUAL, How.BACKFILL)


def takes_places(entry: Entry) -> bool:
    """Say whether a run of ``entry`` takes a place that its end lets go."""
    return entry.overlap.policy is not OverlapPolicy.ALLOW or entry.limit.concurrency is not None


def is_counted(entry: Entry) -> bool:
    """Say whether runs of ``entry`` take places or use up a rate."""
    return takes_places(entry) or entry.limit.rate is not None


def gate_of(entry: Entry, task_id: str, evict: tuple[str, ...] = ()) -> Gate:
    """Write the gate of one occurrence.

    Args:
        entry: what it is of.
        task_id: whose end lets the places go.
        evict: runs that were revoked to make room.
    """
    slots: list[Slot] = []
    stale_us, limit = entry.overlap.stale_us, entry.limit
    if entry.overlap.policy is not OverlapPolicy.ALLOW:
        slots.append(Slot(overlap_scope(entry.kin or entry.id), 1, stale_us, evict))
    if limit.concurrency is not None:
        slots.append(Slot(entry_scope(entry.kin or entry.id), limit.concurrency, stale_us))
    rates = (
        ()
        if limit.rate is None
        else (RateCap(entry_scope(entry.kin or entry.id), limit.rate.count, limit.rate.per_us),)
    )
    return Gate(task_id, tuple(slots), rates, heeds_hold=entry.how not in _MADE_BY_HAND)


def parse_full(found: str | None) -> tuple[str, tuple[str, ...]]:
    """Read which scope has no place left, and which tasks hold its places."""
    scope, *holders = (found or "").split("\n")
    return scope, tuple(holders)


def parse_throttled(found: str | None) -> int | None:
    """Read from when on a rate allows more, in microseconds on the broker's clock; ``None`` if it is not told."""
    text = (found or "").partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() else None
