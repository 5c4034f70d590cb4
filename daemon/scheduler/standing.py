"""How one entry stands in the broker, and the orders and answers that move it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from daemon.clock import SECOND_US
from daemon.keys import ONCE_TTL_S, entries_ledger, once_ledger
from daemon.ports import Order, Settled, Settlement, Ticket
from daemon.public import Public
from daemon.scheduler.evaluate import GRACE_US, Past, Skipped, Verdict
from daemon.scheduler.gating import gate_of, is_counted, takes_places
from daemon.scheduler.item import NO_RUNS, LastRuns, make_item, needed_by
from daemon.scheduler.model import SHUT, Entry, Horizon, parse_horizon
from daemon.scheduler.recording import run_record, skip_record

AHEAD_US = 60 * SECOND_US
"""An entry accounted for further ahead than this is called back; for less it waits."""


@dataclass(frozen=True, slots=True)
class Station:
    """What a daemon adds to the orders it writes.

    Attributes:
        by: its name, for the history.
        runs: what is known of earlier runs, for templates.
        counts_queues: whether queues have limits, so that any run may take a place.
    """

    by: str = ""
    runs: LastRuns = NO_RUNS
    counts_queues: bool = False


NOWHERE = Station()


@dataclass(slots=True)
class Standing:
    """What this daemon knows of an entry.

    Attributes:
        ledger: where the broker remembers it.
        needed: what its templates are filled in with, once that was asked.
        horizon: what the broker is believed to remember.
        is_unwritten: the broker remembers nothing yet; the first order that is carried out writes it.
        suspect_until_us: occurrences up to here were pushed before and the broker forgot; they may have run.
        in_doubt: horizons of occurrences whose orders got no answer, in order; found later, they were enqueued.
        skip_in_doubt: occurrences passed over by an order that got no answer.
        invalid_us: the last occurrence that was reported as invalid.
        is_superseded: another daemon has given the entry another timing.
        waits_us: the occurrence that waits for a place, a rate or the end of a hold, once that was reported.
        is_held: what it waits for is the end of a hold.
        evict: tasks that were revoked to make room for the next occurrence.
    """

    entry: Entry
    revision: str
    headers: dict[str, object]
    ledger: Public
    needed: frozenset[str] | None = None
    horizon: Horizon | None = None
    is_unwritten: bool = False
    suspect_until_us: int = 0
    in_doubt: tuple[str, ...] = ()
    skip_in_doubt: Skipped | None = None
    invalid_us: int | None = None
    is_superseded: bool = False
    waits_us: int | None = None
    is_held: bool = False
    evict: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: Entry, site: Public) -> Standing:
        """Begin with nothing known."""
        ledger = once_ledger(site, _first_us(entry)) if entry.is_once else entries_ledger(site)
        return cls(entry, entry.revision, _headers(entry), ledger)

    def heard(self, entry: Entry) -> bool:
        """Take over a changed entry; say whether what is known of it still holds, as its timing and place are the same."""
        if entry.revision != self.revision or entry.is_once != self.entry.is_once or self.is_superseded:
            return False
        self.entry, self.headers, self.needed = entry, _headers(entry), None
        return True

    @property
    def past(self) -> Past:
        """Say what evaluation must know of it."""
        assert self.horizon is not None  # adopted before it is evaluated
        waits = self.waits_us is not None
        return Past(
            self.horizon.since_us, self.horizon.runs, waits=waits and not self.is_held, was_held=waits and self.is_held
        )

    def ticket(self, expect: str | None, advance_to: str, not_before_us: int = 0) -> Ticket:
        """Write what must hold for an order of this entry."""
        ttl_s = ONCE_TTL_S if self.entry.is_once else 0
        return Ticket(self.ledger, str(self.entry.id), expect, advance_to, not_before_us, ttl_s)


def _headers(entry: Entry) -> dict[str, object]:
    """Give what goes with every message: beat's own header and the entry's name."""
    return {"periodic_task_name": str(entry.name), **entry.headers, "celery_beat_task": True}


def _first_us(entry: Entry) -> int:
    return entry.trigger.next_after(0) or 0


class Move(Enum):
    """What an answer means for an entry."""

    ENQUEUED = "enqueued"
    TAKEN = "taken"
    RETRY_NOW = "retry-now"
    WAIT = "wait"
    BROKER_FORGOT = "broker-forgot"
    BROKER_AWAY = "broker-away"
    SUPERSEDED = "superseded"
    SHUT = "shut"
    BLOCKED = "blocked"
    INVALID = "invalid"
    FULL = "full"
    THROTTLED = "throttled"
    HELD = "held"


def plan_orders(
    standing: Standing,
    verdict: Verdict,
    site: Public,
    now_us: int,
    *,
    ran: frozenset[str],
    station: Station = NOWHERE,
) -> list[Order]:
    """Write the orders of a verdict: one for each occurrence, each expecting what the one before leaves behind.

    An entry whose runs are counted gives one order at a time: whether the next finds a place is known when it is asked for.

    Args:
        standing: the entry.
        verdict: what is due of it.
        site: the site's name.
        now_us: from when on messages live.
        ran: ids of suspect occurrences that are known to have run: for these the ledger only advances.
        station: which daemon this is.
    """
    horizon = standing.horizon
    assert horizon is not None  # adopted before it is evaluated
    entry = standing.entry
    if not verdict.due:
        if verdict.settled_us is None:
            return []
        settled = replace(horizon, at_us=verdict.settled_us)
        record = None if verdict.skipped is None else skip_record(entry, verdict.skipped, station.by)
        return [Order(standing.ticket(_expected(standing), str(settled), verdict.settled_us), None, None, record)]
    orders: list[Order] = []
    expected = _expected(standing)
    needed = standing.needed
    if needed is None:
        needed = standing.needed = needed_by(entry)
    for at_us in verdict.due[:1] if is_counted(entry) else verdict.due:
        horizon = Horizon(horizon.revision, at_us, horizon.since_us, horizon.runs + 1)
        advanced = str(horizon)
        made = make_item(entry, standing.headers, needed, site, at_us, now_us, station.runs)
        gate = gate_of(entry, made.task_id, standing.evict)
        record = run_record(
            entry,
            at_us,
            made.task_id,
            station.by,
            is_late=now_us - at_us > GRACE_US,
            holds=takes_places(entry) or station.counts_queues,
        )
        if not orders and verdict.skipped is not None:
            record = f"{skip_record(entry, verdict.skipped, station.by)}\n{record}"
        ticket = standing.ticket(expected, advanced, at_us)
        has_run = made.task_id in ran
        orders.append(Order(ticket, None if has_run else made, None if has_run else gate, record))
        expected = advanced
    return orders


def _expected(standing: Standing) -> str | None:
    return None if standing.is_unwritten else str(standing.horizon)


def apply(standing: Standing, order: Order, settlement: Settlement) -> Move:
    """Bring a standing up to date with an answer and say what it means."""
    outcome = settlement.outcome
    advanced = order.ticket.advance_to
    if outcome in (Settled.ENQUEUED, Settled.ALREADY):
        ours = outcome is Settled.ENQUEUED or advanced in standing.in_doubt
        standing.horizon, standing.in_doubt = parse_horizon(advanced), ()
        standing.is_unwritten, standing.waits_us, standing.evict = False, None, ()
        return Move.ENQUEUED if ours else Move.TAKEN
    if outcome is Settled.UNAVAILABLE and order.item is not None and advanced not in standing.in_doubt:
        standing.in_doubt += (advanced,)
    if outcome is Settled.LOST:
        return _lost(standing, settlement.found)
    return _PLAIN[outcome]


_PLAIN = {
    Settled.EARLY: Move.WAIT,
    Settled.BLOCKED: Move.BLOCKED,
    Settled.INVALID: Move.INVALID,
    Settled.FULL: Move.FULL,
    Settled.THROTTLED: Move.THROTTLED,
    Settled.HELD: Move.HELD,
    Settled.NOT_SENT: Move.BROKER_AWAY,
    Settled.UNAVAILABLE: Move.BROKER_AWAY,
}


def _lost(standing: Standing, text: str | None) -> Move:
    if text is None:
        return Move.BROKER_FORGOT
    standing.is_unwritten = False
    found = parse_horizon(text)
    if found is None or found.revision != standing.revision:
        standing.is_superseded = True
        return Move.SHUT if found is not None and found.revision == SHUT else Move.SUPERSEDED
    meet(standing, found)
    return Move.RETRY_NOW


def meet(standing: Standing, found: Horizon) -> tuple[int, ...]:
    """Take over what the broker remembers; return the occurrences in doubt that turn out to be enqueued.

    If the broker remembers less than is known here, its last writes are gone, and what they enqueued is suspect.
    """
    known, doubts = standing.horizon, standing.in_doubt
    standing.horizon, standing.in_doubt, standing.is_unwritten = found, (), False
    if known is not None and found.at_us < known.at_us:
        standing.suspect_until_us = max(standing.suspect_until_us, known.at_us)
    done = doubts[: doubts.index(str(found)) + 1] if str(found) in doubts else ()
    return tuple(horizon.at_us for text in done if (horizon := parse_horizon(text)) is not None)


def shut(ledger: Public, entry_id: str, found: str | None) -> Order | None:
    """Have the broker remember that an entry is disabled; ``None`` if it knows, or never knew the entry."""
    here = parse_horizon(found) if found is not None else None
    if here is None or here.revision == SHUT:
        return None
    return Order(Ticket(ledger, entry_id, found, str(replace(here, revision=SHUT))), None)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What to ask of the broker for an entry, if anything, and what was found to be enqueued or passed over already.

    ``ahead_us``: the broker remembers an occurrence of its own future. ``is_shut``: another daemon knows that it is disabled.
    """

    order: Order | None = None
    enqueued_us: tuple[int, ...] = ()
    skipped: Skipped | None = None
    ahead_us: int | None = None
    is_shut: bool = False


def adopt(standing: Standing, found: str | None, broker_us: int, suspect_us: int) -> Adoption:
    """Compare an entry with what the broker remembers of it.

    A new entry, or one whose timing changed since the daemon last started, is counted from now, or from where its source
    says: nothing of the past is due. The daemon that started last decides the timing; one that meets another's stops firing
    the entry until its own is back. An entry the broker has forgotten while this daemon ran goes on from its last occurrence, which becomes due
    again if it is younger than ``suspect_us``: its message may be lost with the rest.
    """
    known = standing.horizon
    here = parse_horizon(found) if found is not None else None
    skipped, standing.skip_in_doubt = standing.skip_in_doubt, None
    if here is not None and here.revision == standing.revision:
        standing.is_superseded = False
        if here.at_us > broker_us + AHEAD_US:
            return _called_back(standing, here, broker_us)
        is_settled = skipped is not None and skipped.last_us <= here.at_us
        return Adoption(None, meet(standing, here), skipped if is_settled else None)
    if standing.is_superseded or (found is not None and known is not None):
        standing.is_superseded = True
        return Adoption(is_shut=here is not None and here.revision == SHUT)
    if found is None and standing.entry.is_once and (known is None or standing.is_unwritten):
        begin_us = _first_us(standing.entry) - 1
        standing.horizon, standing.is_unwritten = Horizon(standing.revision, begin_us, begin_us), True
        return Adoption()
    return Adoption(Order(standing.ticket(found, str(_beginning(standing, found, broker_us, suspect_us))), None))


def _called_back(standing: Standing, here: Horizon, broker_us: int) -> Adoption:
    """Begin again at the present with an entry that would wait for a future the broker's clock once showed.

    What was enqueued of that future is suspect: it is looked up when its time comes, so that it does not run twice.
    """
    standing.suspect_until_us = max(standing.suspect_until_us, here.at_us)
    back = replace(here, at_us=broker_us, since_us=min(here.since_us, broker_us))
    return Adoption(Order(standing.ticket(str(here), str(back)), None), ahead_us=here.at_us)


def _beginning(standing: Standing, found: str | None, broker_us: int, suspect_us: int) -> Horizon:
    known = standing.horizon
    if known is None:
        here = parse_horizon(found) if found is not None else None
        if here is not None and here.revision == SHUT:
            return Horizon(standing.revision, broker_us, broker_us, here.runs)
        begins_us = standing.entry.begins_us if found is None else None
        begin_us = broker_us if begins_us is None else min(begins_us, broker_us)
        if here is not None and broker_us < here.at_us <= broker_us + AHEAD_US:
            begin_us = here.at_us  # a claim may run a little ahead of the broker's clock; the instant it took is taken
        return Horizon(standing.revision, begin_us, begin_us)
    if broker_us - known.at_us < suspect_us:
        standing.suspect_until_us = known.at_us
        return Horizon(known.revision, known.at_us - 1, known.since_us, max(known.runs - 1, 0))
    return known
