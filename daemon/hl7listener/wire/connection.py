"""One sender's connection: bytes in, judged blocks to the spool, answers out once they are stored.

A thin shell around pure parts. Answers leave in the order the blocks came, because the spool commits in that order. When
something cannot be stored the connection is closed without an answer: the sender keeps its message and sends it again.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from typing import Any, cast

import anyio

from daemon.feed_events import ConnectionCrashed
from daemon.hl7listener.judging.finding import Finding, Reason, judge_oversized
from daemon.hl7listener.peers.identity import Identity
from daemon.hl7listener.spool import NotStored, Stored
from daemon.hl7listener.wire.deadlines import Deadlines
from daemon.hl7listener.wire.deviation import OUTSIDE, Deviation
from daemon.hl7listener.wire.framer import Block, Broken, Commit, Event, Framer, Oversized, Strayed
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.hl7listener.wire.host import Host
from daemon.hl7listener.wire.outlet import Outlet
from daemon.hl7listener.wire.refusing import refuse, refuse_unfinished
from daemon.hl7listener.wire.taking import LARGE_BYTES, Taken, without_text
from daemon.public import Public, frames, reason
from daemon.sockets import keep_alive

__all__ = ["WINDOW_BLOCKS", "Connection", "Goodbye"]

WINDOW_BLOCKS = 256
"""Blocks of one connection that may wait for the disk, or for their final answer; beyond that it is not read."""

_NO_ANSWER = Public("")


class Connection(asyncio.Protocol):
    """The protocol object of one connection.

    Attributes:
        number: of this connection among its feed's.
        sender: who is at the other end.
        messages, bytes: how many came so far.
    """

    def __init__(self, host: Host, number: int = 0) -> None:
        """Wait to be connected."""
        self._host = host
        self._framing = host.feed.framing
        self._framer = Framer(self._framing.limits.frame_bytes)
        self._deadlines = Deadlines(self._framing.limits)
        self._outlet = Outlet(
            self._framing.release, self._write, self._moved_on, partial(self.close, Goodbye.UNANSWERED), host.at
        )
        self._transport: asyncio.Transport | None = None
        self._held_bytes = 0
        self._pending = 0
        self._reading = True
        self._strayed = False  # the block that comes next, in a strict feed
        self._is_listed = False  # among those with an unfinished block
        self._write_blocked_at_s: float | None = None
        self._reason: Enum | None = None
        self._finishing = False
        self._closed_at_s: float | None = None
        self._early = b""
        self._grace: asyncio.TimerHandle | None = None
        self.number = number
        self.sender = Identity()
        self.since_at_us = host.clock.now_us()
        self.heard_at_us = self.since_at_us
        self.messages = self.bytes = 0
        self.ended = anyio.Event()

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place among the feed's connections, or close."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadlines.heard_at_s = self._host.clock.monotonic_s()
        sender = self._host.joined(self, self._transport)
        if sender is None:
            self._reason = Goodbye.LIMIT
            self._transport.abort()
            return
        self.sender = sender
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
        self._deadlines.heard_at_s = self._host.clock.monotonic_s()
        self.bytes += len(data)
        self._guarded(self._framer.feed, data)

    def _guarded(self, cut: Any, *data: bytes) -> None:
        try:
            self._pass(cut(*data))
        except Exception as error:  # noqa: BLE001 - the connection's edge
            self._host.emit(ConnectionCrashed(self._host.feed.name, reason(error), frames(error)))
            self.close(Goodbye.BUG)

    def _pass(self, events: list[Event]) -> None:
        """Take what the framer gave, and note how it stands now."""
        now_s = self._deadlines.heard_at_s
        for event in events:
            if type(event) is Block:
                self._take(event.data, None, now_s)
            else:
                self._pass_odd(event, now_s)
                if self._finishing:  # what follows is not taken any more
                    self._hold(0)
                    return
        framer = self._framer
        if not framer.is_open:
            self._deadlines.end_block()
            if framer.is_noise:
                self._deadlines.hear_noise(now_s)
        elif not self._deadlines.has_block or any(isinstance(event, (Block, Oversized)) for event in events):
            self._deadlines.begin_block(now_s, self.bytes)
        if framer.is_open is not self._is_listed:
            self._is_listed = framer.is_open
            self._host.opened(self, is_open=framer.is_open)
        if framer.held_bytes != self._held_bytes and not self._hold(framer.held_bytes):
            self.close(Goodbye.MEMORY)
        if framer.awaits_cr:
            self._await_cr()
        self.adjust()

    def eof_received(self) -> bool:
        """Answer what is pending before closing: a sender may shut its side after its last message."""
        if self._framer.awaits_cr and not self._framing.is_strict:
            self._guarded(self._framer.flush)
        self.finish(Goodbye.NO_BLOCK if self._framer.is_noise else Goodbye.PEER)
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what was held."""
        self._hold(0)
        self._outlet.end()
        if self._grace is not None:
            self._grace.cancel()
        if self._is_listed:
            self._host.opened(self, is_open=False)
        if self._reason is None:
            ended = Goodbye.RESET if exc is not None else Goodbye.PEER
            self._reason = Goodbye.NO_BLOCK if self._framer.is_noise else ended
        self._transport = None
        self.ended.set()
        if self._reason is not Goodbye.LIMIT:
            self._host.left(self, self._reason, self._framer.opening)

    def pause_writing(self) -> None:
        """Stop reading from a sender that does not read its answers."""
        self._write_blocked_at_s = self._host.clock.monotonic_s()
        self.adjust()

    def resume_writing(self) -> None:
        """Read again."""
        self._write_blocked_at_s = None
        self.adjust()

    # -- for the listener ----------------------------------------------------------------------------------------------

    @property
    def answered(self) -> int:
        """Count the answers written."""
        return self._outlet.answered

    @property
    def state(self) -> str:
        """Say whether what comes is read, or not just now, or no more."""
        return "finishing" if self._finishing else "reading" if self._reading else "withheld"

    def adjust(self) -> None:
        """Read or do not read, as the spool, the window and the sender's own reading allow."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wanted = (
            not self._finishing
            and self._pending + self._outlet.late < WINDOW_BLOCKS
            and self._write_blocked_at_s is None
            and self._host.may_read(self)
        )
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                transport.resume_reading()
                early, self._early = self._early, b""
                if early:
                    self.data_received(early)
                elif self._framer.awaits_cr:
                    self._await_cr()
            else:
                transport.pause_reading()

    def sweep(self, now_s: float) -> None:
        """Close the connection if it has exceeded one of its times."""
        unread_since_s = self._write_blocked_at_s if self._closed_at_s is None else self._closed_at_s
        if unread_since_s is not None and now_s - unread_since_s > self._framing.limits.write_s:
            self.close(Goodbye.NOT_READING)
        elif not self._reading:
            self._deadlines.stand_still(now_s, self.bytes)
        else:
            exceeded = self._deadlines.exceeded(now_s, self.bytes)
            if exceeded in (Goodbye.SLOW_BLOCK, Goodbye.TOO_SLOW):
                self._cut_off(exceeded)
            elif exceeded is not None:
                self.close(exceeded)

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

    # -- blocks --------------------------------------------------------------------------------------------------------

    def _take(self, data: bytes, finding: Finding | None, now_s: float) -> None:
        host = self._host
        host.at("frame.complete")
        if finding is None and (self._strayed or host.refusing is not None):
            finding = refuse(data, host.refusing or Reason.FRAMING, host.feed.answering.no_header)
        self._strayed = False
        now_us = host.clock.now_us()
        if finding is None:
            taken = host.taking.take(data, self.sender, now_us)
        else:
            taken = host.taking.take_judged(data, finding, self.sender, now_us)
        if host.waiting is not None:
            taken = host.waiting.prepare(taken)
        elif len(data) > LARGE_BYTES:
            taken = without_text(taken)
        if taken.oddity is not None:
            host.deviated(self, taken.oddity, 1)
        self.heard_at_us = now_us
        self.messages += 1
        self._pending += 1
        host.hold(len(data))
        if self._outlet.skip_commit():
            self._deviate(Deviation.UNCOMMITTED)
        host.store(taken.arrival, partial(self._stored, taken, now_s))

    def _pass_odd(self, event: Event, now_s: float) -> None:
        if isinstance(event, Oversized):
            self._take(event.prefix, judge_oversized(event.prefix, self._host.feed.answering.no_header), now_s)
        elif isinstance(event, Strayed):
            self._deviate(event.kind, event.count)
        elif isinstance(event, Commit):
            heeded = self._outlet.heed_commit(is_positive=event.is_positive)
            if heeded is None:
                self._deviate(Deviation.COMMIT)
            elif not heeded:
                self.finish(Goodbye.NOT_COMMITTED)
        elif isinstance(event, Broken):
            self._host.deviated(self, event.breach, 1, self._framer.opening)
            self._hold(0)
            self.finish(event.breach)

    def _deviate(self, kind: Deviation, count: int = 1) -> None:
        self._host.deviated(self, kind, count)
        if kind is Deviation.LATE_CR:
            self._host.habits.note(self.sender.address, leaves_out_cr=False)
        elif self._framing.is_strict and kind in OUTSIDE:
            self.finish(kind)
        elif self._framing.is_strict and kind is not Deviation.UNCOMMITTED:
            self._strayed = True

    def _stored(self, taken: Taken, begun_at_s: float, answer: Stored | NotStored) -> None:
        host = self._host
        arrival = taken.arrival
        self._pending -= 1
        host.hold(-len(arrival.data))
        if isinstance(answer, NotStored):
            self._refuse_unstored(taken, answer)
            return
        host.settled(arrival, answer, self.sender)
        if host.waiting is not None:
            host.waiting.kept(taken, answer)
        transport = self._transport
        if transport is not None and not transport.is_closing():
            self._outlet.settle(taken, answer, host.waiting)
            took_s = host.clock.monotonic_s() - begun_at_s
            host.answered(taken.codes[0].shown if taken.codes else _NO_ANSWER, took_s)
            if taken.closes:
                self.finish(Goodbye.UNANSWERED)
        if not self._reading:
            self._moved_on()

    def _refuse_unstored(self, taken: Taken, why: NotStored) -> None:
        if self._host.waiting is not None:
            self._host.waiting.lost(taken)
        ack = self._host.taking.unstored(taken, why, self._host.clock.now_us())
        if self._transport is None or self._transport.is_closing():
            return
        if not self._outlet.refuse(ack):
            self.close(Goodbye.NOT_STORED)
            return
        self._moved_on()

    # -- within --------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _moved_on(self) -> None:
        self._close_if_done()
        if not self._reading:
            self.adjust()

    def _await_cr(self) -> None:
        """End a block whose sender leaves out the CR: at once if it is known for that, else after the time of grace."""
        if self._framing.is_strict:
            return
        if self._host.habits.leaves_out_cr(self.sender.address):
            self._guarded(self._framer.flush)
            return
        if self._grace is not None:
            self._grace.cancel()
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._framing.grace_s, self._grace_over, self.bytes)

    def _grace_over(self, heard_bytes: int) -> None:
        if self.bytes == heard_bytes and self._reading and self._framer.awaits_cr:
            self._host.habits.note(self.sender.address, leaves_out_cr=True)
            self._guarded(self._framer.flush)

    def _cut_off(self, reason: Enum) -> None:
        """End a connection within a block: refused first, if so much of it came that the sender knows which it was."""
        finding = refuse_unfinished(self._framer.prefix)
        if finding is None:
            self.close(reason)
            return
        self._deadlines.end_block()
        self._take(self._framer.prefix, finding, self._deadlines.heard_at_s)
        self.finish(reason)
        self._hold(0)

    def _close_if_done(self) -> None:
        if self._finishing and not self._pending and not self._outlet.late and self._closed_at_s is None:
            self._closed_at_s = self._host.clock.monotonic_s()
            if self._transport is not None:
                self._outlet.say_rest()
                self._transport.close()

    def _put_off(self, data: bytes) -> None:
        """Keep what came although nothing should: uvloop begins to read once a connection is made, paused or not."""
        if self._finishing:
            return
        self._early += data
        if self._transport is not None:
            self._transport.pause_reading()
        if not self._hold(self._framer.held_bytes + len(self._early)):
            self.close(Goodbye.MEMORY)

    def _hold(self, held_bytes: int) -> bool:
        delta, self._held_bytes = held_bytes - self._held_bytes, held_bytes
        return self._host.hold(delta)
