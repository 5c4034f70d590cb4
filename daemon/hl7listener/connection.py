"""One sender's connection: bytes in, judged blocks to the spool, answers out once they are stored.

A thin shell around pure parts. Answers leave in the order the blocks came, because the spool commits in that order. When
something cannot be stored the connection is closed without an answer: the sender keeps its message and sends it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Protocol, cast

from daemon.clock import SECOND_US, Clock
from daemon.events import Answered, ConnectionCrashed, Deviated, Quarantined, Resent
from daemon.hl7listener.ack import Code, acknowledge, codes_due, time_stamp
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.finding import Disposition, Finding, judge, judge_oversized
from daemon.hl7listener.framer import Block, Breach, Broken, Framer, Oversized, Strayed
from daemon.hl7listener.spool import Arrival, NotStored, Stored
from daemon.ports import Emit, FaultPoint
from daemon.public import Public, frames, reason
from daemon.sockets import keep_alive

WINDOW_BLOCKS = 256
"""Blocks of one connection that may wait for the disk; beyond that it is not read."""

_NO_ANSWER = Public("")


class Goodbye(Enum):
    """Why a connection ended."""

    PEER = "peer-closed"
    RESET = "connection-lost"
    IDLE = "idle"
    SLOW_BLOCK = "block-not-completed"
    NOT_READING = "peer-does-not-read"
    MEMORY = "too-much-in-flight"
    NOT_STORED = "could-not-store"
    LIMIT = "too-many-connections"
    DRAIN = "stopping"
    BUG = "bug"


class Host(Protocol):
    """What a connection needs of its listener."""

    feed: Feed
    clock: Clock
    emit: Emit
    at: FaultPoint

    def store(self, arrival: Arrival, done: Callable[[Stored | NotStored], None]) -> None:
        """Pass an arrival to the spool."""
        ...

    def may_read(self) -> bool:
        """Say whether anything may be read at all."""
        ...

    def hold(self, delta_bytes: int) -> bool:
        """Account for bytes held in memory; say whether there is still room."""
        ...

    def new_control_id(self) -> str:
        """Give the control id of an acknowledgement."""
        ...

    def joined(self, connection: Connection) -> bool:
        """Admit a connection; say whether there is a place for it."""
        ...

    def left(self, connection: Connection, reason: Enum) -> None:
        """Forget a connection."""
        ...


class Connection(asyncio.Protocol):
    """The protocol object of one connection."""

    def __init__(self, host: Host) -> None:
        """Wait to be connected."""
        self._host = host
        self._framer = Framer(host.feed.framing.limits.frame_bytes)
        self._transport: asyncio.Transport | None = None
        self._held_bytes = 0
        self._pending = 0
        self._reading = True
        self._write_blocked_at_s: float | None = None
        self._heard_at_s = 0.0
        self._block_begun_at_s: float | None = None
        self._reason: Enum | None = None
        self._finishing = False
        self._closed_at_s: float | None = None
        self._early = b""
        self.answered = 0

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place among the feed's connections, or close."""
        self._transport = cast("asyncio.Transport", transport)
        self._heard_at_s = self._host.clock.monotonic_s()
        if not self._host.joined(self):
            self._reason = Goodbye.LIMIT
            self._transport.abort()
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            keep_alive(raw)
        self.adjust()

    def data_received(self, data: bytes) -> None:
        """Cut bytes into blocks and have each stored.

        A bug met on the way is reported and ends this connection alone: its sender keeps what was not acknowledged, and the
        others go on.
        """
        if not self._reading:
            self._put_off(data)
            return
        try:
            self._receive(data)
        except Exception as error:  # noqa: BLE001 - the connection's edge
            self._host.emit(ConnectionCrashed(self._host.feed.name, reason(error), frames(error)))
            self.close(Goodbye.BUG)

    def _receive(self, data: bytes) -> None:
        now_s = self._host.clock.monotonic_s()
        self._heard_at_s = now_s
        was_open = self._framer.is_open
        completed = False
        for event in self._framer.feed(data):
            if isinstance(event, Block):
                completed = True
                self._take(event.data, judge(event.data, self._host.feed), now_s)
            elif isinstance(event, Strayed):
                self._host.emit(Deviated(self._host.feed.name, event.kind, event.count))
            elif isinstance(event, Oversized):
                completed = True
                self._take(event.prefix, judge_oversized(event.prefix), now_s)
            elif isinstance(event, Broken):
                self._give_up(event.breach)
                return
        if not self._framer.is_open:
            self._block_begun_at_s = None
        elif completed or not was_open:
            self._block_begun_at_s = now_s
        if not self._hold(self._framer.held_bytes):
            self.close(Goodbye.MEMORY)
        self.adjust()

    def eof_received(self) -> bool:
        """Answer what is pending before closing: a sender may shut its side after its last message."""
        self.finish(Goodbye.PEER)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what was held."""
        self._hold(0)
        if self._reason is None:
            self._reason = Goodbye.RESET if exc is not None else Goodbye.PEER
        self._transport = None
        if self._reason is not Goodbye.LIMIT:
            self._host.left(self, self._reason)

    def pause_writing(self) -> None:
        """Stop reading from a sender that does not read its answers."""
        self._write_blocked_at_s = self._host.clock.monotonic_s()
        self.adjust()

    def resume_writing(self) -> None:
        """Read again."""
        self._write_blocked_at_s = None
        self.adjust()

    # -- for the listener ----------------------------------------------------------------------------------------------

    def adjust(self) -> None:
        """Read or do not read, as the spool, the window and the sender's own reading allow."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wanted = (
            not self._finishing
            and self._pending < WINDOW_BLOCKS
            and self._write_blocked_at_s is None
            and self._host.may_read()
        )
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                transport.resume_reading()
                early, self._early = self._early, b""
                if early:
                    self.data_received(early)
            else:
                transport.pause_reading()

    def sweep(self, now_s: float) -> None:
        """Close the connection if it has exceeded one of its times."""
        limits = self._host.feed.framing.limits
        unread_since_s = self._write_blocked_at_s if self._closed_at_s is None else self._closed_at_s
        if unread_since_s is not None and now_s - unread_since_s > limits.write_s:
            self.close(Goodbye.NOT_READING)
        elif not self._reading:
            # Not read because of us; time that passes now is not the sender's.
            self._heard_at_s = now_s
            if self._block_begun_at_s is not None:
                self._block_begun_at_s = now_s
        elif self._block_begun_at_s is not None and now_s - self._block_begun_at_s > limits.frame_s:
            self.close(Goodbye.SLOW_BLOCK)
        elif now_s - self._heard_at_s > limits.idle_s:
            self.close(Goodbye.IDLE)

    def finish(self, reason: Enum) -> None:
        """Read no more, answer what is pending, then close."""
        self._reason = self._reason or reason
        self._finishing = True
        self.adjust()
        self._close_if_done()

    def close(self, reason: Enum) -> None:
        """Close at once; what is pending gets no answer."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    # -- within --------------------------------------------------------------------------------------------------------

    def _take(self, data: bytes, finding: Finding, now_s: float) -> None:
        host = self._host
        host.at("frame.complete")
        now_us = host.clock.now_us()
        codes = codes_due(finding, host.feed.answering.mode)
        stamp = time_stamp(now_us // SECOND_US)
        ack = acknowledge(finding, codes, stamp=stamp, new_control_id=host.new_control_id)
        self._pending += 1
        host.hold(len(data))
        arrival = Arrival(host.feed.name, now_us, data, ack, finding)
        host.store(arrival, partial(self._stored, arrival, codes, now_s))

    def _stored(self, arrival: Arrival, codes: tuple[Code, ...], begun_at_s: float, answer: Stored | NotStored) -> None:
        host = self._host
        self._pending -= 1
        host.hold(-len(arrival.data))
        if isinstance(answer, NotStored):
            self.close(Goodbye.NOT_STORED)
            return
        feed = host.feed.name
        if answer.is_resend:
            host.emit(Resent(feed))
        elif arrival.finding.disposition is Disposition.QUARANTINED and arrival.finding.reason is not None:
            host.emit(Quarantined(feed, arrival.finding.reason))
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if answer.ack:
                host.at("ack.before")
                transport.write(answer.ack)
                host.at("ack.after")
                self.answered += 1
            took_s = host.clock.monotonic_s() - begun_at_s
            host.emit(Answered(feed, Public(codes[0]) if codes else _NO_ANSWER, took_s))
        self._close_if_done()
        if not self._reading:
            self.adjust()

    def _close_if_done(self) -> None:
        if self._finishing and not self._pending and self._transport is not None and self._closed_at_s is None:
            self._closed_at_s = self._host.clock.monotonic_s()
            self._transport.close()

    def _give_up(self, breach: Breach) -> None:
        self._hold(0)
        self.finish(breach)

    def _put_off(self, data: bytes) -> None:
        """Keep what came although nothing should: uvloop begins to read once a connection is made, paused or not."""
        self._early += data
        if self._transport is not None:
            self._transport.pause_reading()
        if not self._hold(self._framer.held_bytes + len(self._early)):
            self.close(Goodbye.MEMORY)

    def _hold(self, held_bytes: int) -> bool:
        delta, self._held_bytes = held_bytes - self._held_bytes, held_bytes
        return self._host.hold(delta)
