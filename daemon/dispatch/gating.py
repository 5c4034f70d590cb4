"""Gates and records of orders, in the names of the broker. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daemon.keys import SiteKey, queue_scope, rate_key, site_key, slots_key
from daemon.ports import Gate, RateCap, Slot
from daemon.public import Public
from daemon.scheduler.model import STALE_US, Limit
from shim.guard import Guard, RateClaim, Record, SlotClaim

HISTORY_LENGTH = 100_000
"""Entries that the stream keeps at the least. Daemons copy them; one that was away longer has a gap."""


def with_queues(gate: Gate, queues: Iterable[str], limits: Mapping[str, Limit], *, has_end: bool = True) -> Gate:
    """Add what the limits of the queues ask for to what an order must be allowed by.

    Args:
        gate: the order's.
        queues: where its messages go.
        limits: by queue.
        has_end: whether anybody can say when it is over; what has no end takes no place, as it would never leave it.
    """
    slots, rates = list(gate.slots), list(gate.rates)
    for queue in sorted(set(queues) & limits.keys()):
        limit = limits[queue]
        if limit.concurrency is not None and has_end:
            slots.append(Slot(queue_scope(queue), limit.concurrency, STALE_US))
        if limit.rate is not None:
            rates.append(RateCap(queue_scope(queue), limit.rate.count, limit.rate.per_us))
    return gate._replace(slots=tuple(slots), rates=tuple(rates))


class Gating:
    """Writes the guards and records of a site.

    Attributes:
        running_key: hash of the tasks that hold slots.
        hold_key: holds all schedules while it is there.
        slots_prefix: what the keys of slots begin with, before the scope.
    """

    def __init__(self, site: Public, prefix: str) -> None:
        """Name the keys; ``prefix`` goes before every one of them."""
        self.running_key = prefix + site_key(site, SiteKey.RUNNING)
        self.hold_key = prefix + site_key(site, SiteKey.HOLD)
        self.slots_prefix = prefix + slots_key(site, "")
        self._rate_prefix = prefix + rate_key(site, "")
        self._history_key = prefix + site_key(site, SiteKey.HISTORY)

    def guard(self, gate: Gate | None) -> Guard | None:
        """Write what must allow an order."""
        if gate is None:
            return None
        return Guard(
            gate.holder,
            self.running_key,
            tuple(
                SlotClaim(self.slots_prefix + slot.scope, slot.scope, slot.limit, slot.stale_us, slot.evict)
                for slot in gate.slots
            ),
            tuple(RateClaim(self._rate_prefix + rate.scope, rate.most, rate.per_us) for rate in gate.rates),
            self.hold_key if gate.heeds_hold else None,
        )

    def records(self, text: str | None) -> tuple[Record, ...]:
        """Write what the history is told: one record for each line."""
        if not text:
            return ()
        return tuple(Record(self._history_key, HISTORY_LENGTH, line) for line in text.split("\n") if line)
