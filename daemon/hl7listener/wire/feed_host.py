"""One feed's side of its connections: who is there, what they may use up, what they do otherwise than the standard says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address
from typing import NamedTuple

import anyio

from daemon.clock import Clock
from daemon.desks import PausePolicy
from daemon.feed_events import Answered, Deviated, PeerConnected, PeerGone, PeerRefused, SenderStrays
from daemon.hl7listener.ack.answers import Waiting
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.verdict import Reason
from daemon.hl7listener.peers.identity import Identity, Refused, Transport
from daemon.hl7listener.spool import Arrival, Spool, Stored
from daemon.hl7listener.wire.admission import OPEN_TO_ALL, Trust
from daemon.hl7listener.wire.census import Census
from daemon.hl7listener.wire.connection import Connection
from daemon.hl7listener.wire.deviation import ADVICE, Breach, Deviation
from daemon.hl7listener.wire.framing import CONNECTIONS_PER_PEER
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.hl7listener.wire.outcome import events_of, is_ordinary
from daemon.hl7listener.wire.report import Deviations, FeedReport, Habits, Recently
from daemon.hl7listener.wire.taking import Taking
from daemon.hl7listener.wire.window import redacted
from daemon.ports import Emit, FaultPoint
from daemon.public import Public
from daemon.trust_events import NodeRefused


class ConnectionSeen(NamedTuple):
    """A connection, as it stands.

    Attributes:
        subject: of the sender's certificate.
        state: ``reading``, ``withheld`` or ``finishing``.
    """

    number: int
    peer: Public
    since_at_us: int
    messages: int
    bytes: int
    subject: Public
    deviations: tuple[Public, ...]
    last_at_us: int
    state: Public
    label: Public


class Held:
    """Counts what all connections hold in memory."""

    def __init__(self, limit_bytes: int) -> None:
        """Start with nothing held."""
        self._limit = limit_bytes
        self.now_bytes = 0

    def add(self, delta_bytes: int) -> bool:
        """Count more or less; say whether it is within the limit."""
        self.now_bytes += delta_bytes
        return self.now_bytes <= self._limit


class FeedHost:
    """One feed's side of its connections."""

    def __init__(
        self,
        feed: Feed,
        spool: Spool,
        held: Held,
        clock: Clock,
        emit: Emit,
        at: FaultPoint,
        new_control_id: Callable[[], str],
        *,
        trust: Trust = OPEN_TO_ALL,
        waiting: Waiting | None = None,
    ) -> None:
        """Keep the collaborators."""
        self.feed = feed
        self.clock = clock
        self.emit = emit
        self.at = at
        self.taking = Taking(feed, new_control_id)
        self.waiting = waiting
        self.habits = Habits()
        self.refusing: Reason | None = None
        self.connections: set[Connection] = set()
        self.accepting = True
        self.paused: PausePolicy | None = None
        self.held_bytes = 0
        self.store = spool.store
        self._census = Census(feed)
        self._spool = spool
        self._held = held
        self._trust = trust
        self._in_flight_bytes = feed.framing.limits.in_flight_bytes
        self._is_over = False
        self._open: dict[Connection, None] = {}
        self._by_address: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._deviations = Deviations()
        self._told = Recently()
        self._answered: dict[Public, list[float]] = {}
        self._changed = anyio.Event()
        if waiting is not None:
            waiting.on_room(self.adjust)

    def connect(self) -> Connection:
        """Make the protocol of a new connection."""
        return Connection(self, next(self._numbers))

    # -- for connections -----------------------------------------------------------------------------------------------

    def may_read(self, connection: Connection) -> bool:
        """Say whether a connection may be read.

        With too much in flight only the one whose block has been open longest is: it makes room by ending.
        """
        if self.paused is PausePolicy.WITHHOLD:
            return False
        if not self._spool.is_accepting and not (self._spool.is_full and self.feed.answering.rejects_when_full):
            return False
        if self.waiting is not None and not self.waiting.has_room:
            return False
        return not self._is_over or next(iter(self._open), None) is connection

    def settled(self, arrival: Arrival, answer: Stored, sender: Identity) -> None:
        """Count a block that is stored, and tell what is to be told of it."""
        is_refused = answer.is_reused and self.feed.answering.refuses_same_id
        self._census.note(arrival, is_new=not (answer.is_resend or is_refused))
        if not is_ordinary(arrival, answer):
            for event in events_of(arrival, answer, self.feed, sender):
                self.emit(event)

    def answered(self, code: Public, took_s: float) -> None:
        """Count an answer, to be told of once all are written whose messages went to disk together."""
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._tell_answered)
        self._answered.setdefault(code, []).append(took_s)

    def _tell_answered(self) -> None:
        answered, self._answered = self._answered, {}
        for code, took_s in answered.items():
            self.emit(Answered(self.feed.name, code, took_s))

    def hold(self, delta_bytes: int) -> bool:
        """Account for bytes held in memory; say whether there is still room."""
        self.held_bytes += delta_bytes
        if (self.held_bytes > self._in_flight_bytes) is not self._is_over:
            self._is_over = not self._is_over
            asyncio.get_running_loop().call_soon(self.adjust)
        return self._held.add(delta_bytes)

    def opened(self, connection: Connection, *, is_open: bool) -> None:
        """Note that a connection has an unfinished block, or has it no more."""
        if is_open:
            self._open[connection] = None
        else:
            self._open.pop(connection, None)
            if self._is_over:
                asyncio.get_running_loop().call_soon(self.adjust)

    def deviated(self, connection: Connection, kind: Enum, count: int, opening: bytes = b"") -> None:
        """Note that a sender strays; ``opening`` is how its stream began, if that is no MLLP."""
        peer = connection.sender.address
        is_new = self._deviations.note(kind, count, peer, self.clock.now_us(), redacted(opening))
        if isinstance(kind, Deviation):  # what ends a connection is counted where it ends
            self.emit(Deviated(self.feed.name, kind, count))
        if is_new:
            self.emit(SenderStrays(self.feed.name, peer, kind, ADVICE.get(kind, Public(""))))

    def joined(self, connection: Connection, transport: Transport) -> Identity | None:
        """Admit a connection and say who it is; ``None`` if it is refused."""
        found = self._trust.admit(self.feed, transport)
        if isinstance(found, Refused):
            self.emit(NodeRefused(self.feed.name, found.address, found.reason, found.subject))
            return None
        refusal = self._refusal(found.address)
        if refusal is not None:
            self._refuse(refusal, found.address)
            return None
        self.connections.add(connection)
        self._by_address[found.address] = self._by_address.get(found.address, 0) + 1
        self.emit(PeerConnected(self.feed.name, len(self.connections)))
        return found

    def left(self, connection: Connection, reason: Enum, opening: bytes) -> None:
        """Forget a connection; ``opening`` is what came before its first block."""
        self.connections.discard(connection)
        peer = connection.sender.address
        if self._by_address[peer] > 1:
            self._by_address[peer] -= 1
        else:
            del self._by_address[peer]
        is_repeated = self._told.was_told(reason, peer, self.clock.monotonic_s())
        window = redacted(opening if isinstance(reason, Breach) or reason is Goodbye.NO_BLOCK else b"")
        self.emit(
            PeerGone(self.feed.name, len(self.connections), reason, connection.answered, peer, window, is_repeated)
        )
        self._changed.set()

    def _refusal(self, address: str) -> Goodbye | None:
        limits = self.feed.framing.limits
        if self.paused is PausePolicy.CLOSE:
            return Goodbye.PAUSED
        if not self.accepting:
            return Goodbye.DRAIN
        if len(self.connections) >= limits.connections:
            return Goodbye.LIMIT
        allowed = limits.connections_per_peer
        if allowed is None:
            allowed = limits.connections if _is_this_machine(address) else CONNECTIONS_PER_PEER
        return Goodbye.PEER_LIMIT if self._by_address.get(address, 0) >= allowed else None

    def _refuse(self, reason: Enum, address: Public) -> None:
        is_repeated = self._told.was_told(reason, address, self.clock.monotonic_s())
        self.emit(PeerRefused(self.feed.name, reason, address, is_repeated))

    # -- for the listener ----------------------------------------------------------------------------------------------

    def adjust(self) -> None:
        """Have every connection read or not, as things stand now."""
        for connection in tuple(self.connections):
            connection.adjust()

    def sweep(self, now_s: float) -> None:
        """Close connections that have exceeded one of their times."""
        for connection in tuple(self.connections):
            connection.sweep(now_s)

    def tell_received(self) -> None:
        """Tell what was received since this was told last."""
        received = self._census.take()
        if received is not None:
            self.emit(received)

    def pause(self, policy: PausePolicy | None) -> None:
        """Pause as told, or go on."""
        self.paused = policy
        self.refusing = Reason.PAUSED if policy is PausePolicy.REJECT else None
        if policy is PausePolicy.CLOSE:
            self.finish(Goodbye.PAUSED)
        self.adjust()

    def finish(self, reason: Enum) -> None:
        """Have every connection answer what has arrived, and close."""
        for connection in tuple(self.connections):
            connection.finish(reason)

    def close(self, reason: Enum) -> None:
        """Close every connection at once."""
        for connection in tuple(self.connections):
            connection.close(reason)

    async def wait_empty(self) -> None:
        """Wait until no connection is left."""
        while self.connections:
            self._changed = anyio.Event()
            await self._changed.wait()

    def report(self) -> FeedReport:
        """Tell how senders stray."""
        return self._deviations.report(self.feed.name)

    def seen(self) -> list[ConnectionSeen]:
        """List the connections, the oldest first."""
        return [self._seen(one) for one in sorted(self.connections, key=lambda one: one.number)]

    def _seen(self, one: Connection) -> ConnectionSeen:
        sender = one.sender
        return ConnectionSeen(
            one.number,
            sender.address,
            one.since_at_us,
            one.messages,
            one.bytes,
            sender.subject,
            self._deviations.of(sender.address),
            one.heard_at_us,
            Public(one.state),
            sender.label,
        )


def _is_this_machine(address: str) -> bool:
    """Say whether connections from ``address`` may be those of many senders, behind a TLS terminator or a proxy here."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True  # a Unix socket
