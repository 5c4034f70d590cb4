"""How one entry stands in the broker, and the orders and answers that move it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.keys import occurrence_id
from daemon.ports import Order, Settled, Settlement, Ticket, WorkItem
from daemon.public import Public
from daemon.scheduler.evaluate import Skipped, Verdict
from daemon.scheduler.model import Entry, Horizon, parse_horizon


@dataclass(slots=True)
class Standing:
    """What this daemon knows of an entry.

    Attributes:
        horizon: what the broker is believed to remember.
        suspect_until_us: occurrences up to here were pushed before and the broker forgot; they may have run.
        in_doubt: horizons of occurrences whose orders got no answer, in order; found later, they were enqueued.
        skip_in_doubt: occurrences passed over by an order that got no answer.
        invalid_us: the last occurrence that was reported as invalid.
        is_superseded: another daemon has given the entry another timing.
    """

    entry: Entry
    revision: str
    headers: dict[str, object]
    horizon: Horizon | None = None
    suspect_until_us: int = 0
    in_doubt: tuple[str, ...] = ()
    skip_in_doubt: Skipped | None = None
    invalid_us: int | None = None
    is_superseded: bool = False

    @classmethod
    def of(cls, entry: Entry) -> Standing:
        """Begin with nothing known. Beat's own header and the entry's name go with every message."""
        headers = {"periodic_task_name": str(entry.name), **entry.headers, "celery_beat_task": True}
        return cls(entry, entry.revision, headers)


class Move(Enum):
    """What an answer means for an entry."""

    ENQUEUED = "enqueued"
    TAKEN = "taken"
    RETRY_NOW = "retry-now"
    WAIT = "wait"
    BROKER_FORGOT = "broker-forgot"
    BROKER_AWAY = "broker-away"
    SUPERSEDED = "superseded"
    BLOCKED = "blocked"
    INVALID = "invalid"


def plan_orders(
    standing: Standing, verdict: Verdict, ledger: Public, site: Public, now_us: int, *, ran: frozenset[str]
) -> list[Order]:
    """Write the orders of a verdict: one for each occurrence, each expecting what the one before leaves behind.

    ``ran`` holds ids of suspect occurrences that are known to have run: for these the ledger only advances.
    """
    assert standing.horizon is not None  # adopted before it is evaluated
    orders: list[Order] = []
    expected = str(standing.horizon)
    settled = verdict.due or ((verdict.settled_us,) if verdict.settled_us is not None else ())
    for at_us in settled:
        advanced = str(Horizon(standing.revision, at_us))
        ticket = Ticket(ledger, str(standing.entry.name), expected, advanced, not_before_us=at_us)
        item = _item(standing, site, at_us, now_us) if verdict.due else None
        orders.append(Order(ticket, None if item is not None and item.task_id in ran else item))
        expected = advanced
    return orders


def _item(standing: Standing, site: Public, at_us: int, now_us: int) -> WorkItem:
    entry = standing.entry
    return WorkItem(
        task=entry.task,
        task_id=occurrence_id(site, entry.name, at_us),
        args=entry.args,
        kwargs=entry.kwargs,
        queue=entry.queue,
        priority=entry.priority,
        expires_at_us=None if entry.expires_us is None else now_us + entry.expires_us,
        time_limit_s=entry.time_limit_s,
        soft_time_limit_s=entry.soft_time_limit_s,
        headers=standing.headers,
        args_shown=repr(tuple(entry.args)),
        kwargs_shown=repr(dict(entry.kwargs)),
    )


def apply(standing: Standing, order: Order, settlement: Settlement) -> Move:
    """Bring a standing up to date with an answer and say what it means."""
    outcome = settlement.outcome
    advanced = order.ticket.advance_to
    if outcome in (Settled.ENQUEUED, Settled.ALREADY):
        ours = outcome is Settled.ENQUEUED or advanced in standing.in_doubt
        standing.horizon, standing.in_doubt = parse_horizon(advanced), ()
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
    Settled.NOT_SENT: Move.BROKER_AWAY,
    Settled.UNAVAILABLE: Move.BROKER_AWAY,
}


def _lost(standing: Standing, text: str | None) -> Move:
    if text is None:
        return Move.BROKER_FORGOT
    found = parse_horizon(text)
    if found is None or found.revision != standing.revision:
        standing.is_superseded = True
        return Move.SUPERSEDED
    meet(standing, found)
    return Move.RETRY_NOW


def meet(standing: Standing, found: Horizon) -> tuple[int, ...]:
    """Take over what the broker remembers; return the occurrences in doubt that turn out to be enqueued.

    If the broker remembers less than is known here, its last writes are gone, and what they enqueued is suspect.
    """
    known, doubts = standing.horizon, standing.in_doubt
    standing.horizon, standing.in_doubt = found, ()
    if known is not None and found.at_us < known.at_us:
        standing.suspect_until_us = max(standing.suspect_until_us, known.at_us)
    done = doubts[: doubts.index(str(found)) + 1] if str(found) in doubts else ()
    return tuple(horizon.at_us for text in done if (horizon := parse_horizon(text)) is not None)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What to ask of the broker for an entry, if anything, and what was found to be enqueued or passed over already."""

    order: Order | None = None
    enqueued_us: tuple[int, ...] = ()
    skipped: Skipped | None = None


def adopt(standing: Standing, ledger: Public, found: str | None, broker_us: int, suspect_us: int) -> Adoption:
    """Compare an entry with what the broker remembers of it.

    A new entry, or one whose timing changed since the daemon last started, is counted from now: nothing of the past is
    due. The daemon that started last decides the timing; one that meets another's stops firing the entry. An entry the
    broker has forgotten while this daemon ran goes on from its last occurrence, which becomes due again if it is younger
    than ``suspect_us``: its message may be lost with the rest.
    """
    known = standing.horizon
    here = parse_horizon(found) if found is not None else None
    skipped, standing.skip_in_doubt = standing.skip_in_doubt, None
    if here is not None and here.revision == standing.revision:
        is_settled = skipped is not None and skipped.last_us <= here.at_us
        return Adoption(None, meet(standing, here), skipped if is_settled else None)
    if found is not None and known is not None:
        standing.is_superseded = True
        return Adoption()
    begin_us = broker_us
    if known is not None:
        begin_us = known.at_us
        if broker_us - known.at_us < suspect_us:
            standing.suspect_until_us = known.at_us
            begin_us -= 1
    ticket = Ticket(ledger, str(standing.entry.name), found, str(Horizon(standing.revision, begin_us)))
    return Adoption(Order(ticket, None))
