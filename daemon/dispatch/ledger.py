"""What a site on RabbitMQ remembers in place of the broker: claims judged, messages keyed, what one daemon leaves another. Pure.

On Redis one script compares, pushes and advances (``shim/claim.lua``). Here the same is decided from a local ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

import orjson

from daemon.ports import Settled, Settlement, Ticket
from shim.amqp.wire import AmqpMessage

TOLERANCE_US = 20_000
"""How early a ticket may come, as on Redis."""

NOT_SENT = Settlement(Settled.NOT_SENT)

Field: TypeAlias = tuple[str, str]
"""A ledger and a field of it."""


class Offer(NamedTuple):
    """An order whose message is ready; without a message only the ledger advances. The message shows nothing it holds."""

    ticket: Ticket
    message: AmqpMessage | None


class Kept(Enum):
    """What the outbox did with a message."""

    STORED = "stored"
    KNOWN = "known"
    """An earlier attempt had stored it."""
    NO_ROOM = "no-room"


class Advance(NamedTuple):
    """A field of a ledger and what it holds from now on."""

    ledger: str
    field: str
    value: str
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Estate:
    """What the daemon that runs the schedule of a site leaves to the next.

    Attributes:
        term: one more for each daemon that took over.
        values: the entries' ledger, field by field.
    """

    term: int
    values: Mapping[str, str] = field(default_factory=dict)


# -- orders ------------------------------------------------------------------------------------------------------------


def judge(
    offers: Sequence[Offer], held: Mapping[Field, str], now_us: int, may_enter: Callable[[str], bool]
) -> list[Settlement | None]:
    """Judge tickets as ``claim.lua`` does; ``None`` says that one holds. Later ones see what earlier ones advance.

    Args:
        offers: in order.
        held: what every field holds now.
        now_us: this machine's clock.
        may_enter: says of a ledger whether its orders may be carried out at present.
    """
    moved: dict[Field, str] = {}
    found: list[Settlement | None] = []
    for ticket, _ in offers:
        place = (str(ticket.ledger), ticket.field)
        there = moved.get(place, held.get(place))
        verdict = NOT_SENT if not may_enter(place[0]) else _judge(ticket, there, now_us)
        if verdict is None:
            moved[place] = ticket.advance_to
        found.append(verdict)
    return found


def _judge(ticket: Ticket, there: str | None, now_us: int) -> Settlement | None:
    if there == ticket.advance_to:
        return Settlement(Settled.ALREADY, None, now_us)
    if there != ticket.expect:
        return Settlement(Settled.LOST, there, now_us)
    if ticket.not_before_us > now_us + TOLERANCE_US:
        return Settlement(Settled.EARLY, None, now_us)
    return None


def conclude(
    offers: Sequence[Offer], verdicts: Sequence[Settlement | None], kept: Iterable[Kept], now_us: int
) -> tuple[list[Settlement], list[Advance]]:
    """Say what became of each order, and how the ledger advances for it.

    Where the outbox had no room, nothing that comes after counts: it was judged as if there had been.

    Args:
        offers: as for ``judge``.
        verdicts: what it said.
        kept: what the outbox did with each message of a ticket that holds.
        now_us: this machine's clock.
    """
    answers = iter(kept)
    settlements: list[Settlement] = []
    advances: list[Advance] = []
    is_cut = False
    for (ticket, message), verdict in zip(offers, verdicts, strict=True):
        answer = next(answers) if verdict is None and message is not None else None
        is_cut = is_cut or answer is Kept.NO_ROOM
        if is_cut:  # a key that is known was entered by an earlier attempt
            settlements.append(Settlement(Settled.UNAVAILABLE) if answer is Kept.KNOWN else NOT_SENT)
        elif verdict is not None:
            settlements.append(verdict)
        else:
            settlements.append(Settlement(Settled.ENQUEUED, None, now_us))
            advances.append(Advance(str(ticket.ledger), ticket.field, ticket.advance_to, ticket.ttl_s))
    return settlements, advances


def entry_key(ticket: Ticket) -> str:
    """Name the message of an order: the same however often the order is given."""
    return f"{ticket.ledger}\n{ticket.field}\n{ticket.advance_to}"


# -- handing over ------------------------------------------------------------------------------------------------------


def inherit(own: Estate, left: Estate | None) -> Estate:
    """Say what holds for a daemon that takes over.

    What was left by a later term than one's own is newer; what is of one's own term or an earlier one, oneself has
    written or has outlived.

    Args:
        own: as this daemon last knew it.
        left: as the broker has it; ``None``: nothing.
    """
    if left is not None and left.term > own.term:
        return Estate(left.term + 1, left.values)
    return Estate(own.term + 1, own.values)


def write_estate(estate: Estate) -> bytes:
    """Write what is left for the next daemon, as JSON."""
    return orjson.dumps({"term": estate.term, "entries": dict(estate.values)}, option=orjson.OPT_SORT_KEYS)


def read_estate(body: bytes) -> Estate | None:
    """Read what was left; ``None`` if it is not ours."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("term"), int) or isinstance(found["term"], bool):
        return None
    values = found.get("entries")
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        return None
    return Estate(found["term"], values)
