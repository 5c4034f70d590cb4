"""Sending a row of messages: over one connection or many, in step or ahead of the answers, as fast as is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import anyio

from daemon.sender.acknowledgement import Acknowledgement
from daemon.sender.expecting import CODES, Expectation
from daemon.sender.line import Dial, Exchange, Line, NoReply
from daemon.sender.outgoing import Outgoing
from daemon.sender.tally import Tally

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How to send.

    Attributes:
        connections: side by side.
        pipeline: messages of one connection that may wait for their replies.
        rate_per_s: of all connections together; 0 for as fast as answers come.
        retries: how often a message without a reply is sent again, each time over a new connection.
        goes_on: whether a message that stays without a reply is counted, instead of ending everything.
    """

    connections: int = 1
    pipeline: int = 1
    rate_per_s: float = 0.0
    retries: int = 0
    goes_on: bool = False
    expectation: Expectation = field(default_factory=Expectation)


OnReplies = Callable[[Outgoing, tuple[Acknowledgement, ...], float, bool], None]
"""Takes a message, its replies, how long they took in seconds, and whether they are the expected ones."""


class Sending:
    """A run of sending.

    Attributes:
        tally: its numbers, at any moment.
    """

    def __init__(self, dial: Dial, source: Iterator[Outgoing], manner: Manner, on_replies: OnReplies) -> None:
        """Prepare; nothing is connected here."""
        self._dial = dial
        self._source = source
        self._manner = manner
        self._on_replies = on_replies
        self._turn = anyio.Lock(fast_acquire=True)
        self._due_s = 0.0
        self._failure: NoReply | None = None
        self._scope = anyio.CancelScope()
        self.tally = Tally()

    async def run(self) -> None:
        """Send until the source is empty.

        Raises:
            NoReply: the listener is not there, or a message got no reply.
        """
        self._due_s = time.monotonic()
        seats = [_Seat(self._dial, self.tally) for _ in range(self._manner.connections)]
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for seat in seats:
                        for _ in range(self._manner.pipeline):
                            tasks.start_soon(self._send, seat)
        finally:
            for seat in seats:
                await seat.close()
        if self._failure is not None:
            raise self._failure

    async def _send(self, seat: _Seat) -> None:
        while (one := await self._next()) is not None:
            self.tally.sent += not one.is_resend
            try:
                exchange = await (self._resend(one) if one.is_resend else self._deliver(seat, one))
            except NoReply as error:
                self.tally.unanswered += 1
                if not self._manner.goes_on:
                    self._failure = self._failure or error
                    self._scope.cancel()
                continue
            self._count(one, exchange)

    async def _next(self) -> Outgoing | None:
        """Take the next message when its time has come; one at a time, so that they leave in order."""
        async with self._turn:
            one = next(self._source, None)
            if one is None or not self._manner.rate_per_s:
                return one
            await anyio.sleep(max(self._due_s - time.monotonic(), 0))
            self._due_s = max(self._due_s + 1 / self._manner.rate_per_s, time.monotonic() - 1)
            return one

    async def _deliver(self, seat: _Seat, one: Outgoing) -> Exchange:
        wanted = self._manner.expectation.replies
        for attempt in range(self._manner.retries):
            line = None
            try:
                line = await seat.take()
                return await line.exchange(one, wanted)
            except NoReply:
                seat.leave(line)
                self.tally.retried += 1
                await anyio.sleep(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))
        line = None
        try:
            line = await seat.take()
            return await line.exchange(one, wanted)
        except NoReply:
            # A late answer must find nobody: what follows goes over a new connection.
            seat.leave(line)
            raise

    async def _resend(self, one: Outgoing) -> Exchange:
        """Send a message again as its sender does whose connection was lost before the answer came."""
        line = await Line.open(self._dial)
        try:
            return await line.exchange(one, self._manner.expectation.replies)
        finally:
            await line.close()

    def _count(self, one: Outgoing, exchange: Exchange) -> None:
        tally = self.tally
        if one.is_resend:
            tally.retried += 1
            return
        is_good = self._manner.expectation.is_met(exchange.replies)
        tally.good += is_good
        tally.bad += not is_good
        tally.codes.update(reply.code if reply.code in CODES else "??" for reply in exchange.replies)
        tally.latencies.add(exchange.took_s)
        self._on_replies(one, exchange.replies, exchange.took_s, is_good)


class _Seat:
    """One of the connections, opened when it is needed."""

    def __init__(self, dial: Dial, tally: Tally) -> None:
        self._dial = dial
        self._tally = tally
        self._line: Line | None = None
        self._retired: list[Line] = []
        self._turn = anyio.Lock(fast_acquire=True)

    async def take(self) -> Line:
        """Give the connection; open one if there is none."""
        async with self._turn:
            if self._line is not None and not self._line.is_open:
                self.leave(self._line)
            self._drop_idle()
            if self._line is None:
                self._line = await Line.open(self._dial)
            return self._line

    def leave(self, line: Line | None) -> None:
        """Send nothing more over ``line``; what still waits for its answer there may get it."""
        if line is not None and line is self._line:
            self._line = None
            self._retired.append(line)

    async def close(self) -> None:
        """End the connection in good order."""
        for line in self._retired:
            self._end(line)
        self._retired.clear()
        if self._line is not None:
            self._count(self._line)
            await self._line.close()

    def _drop_idle(self) -> None:
        for line in [one for one in self._retired if not one.is_open or not len(one.matcher)]:
            self._retired.remove(line)
            self._end(line)

    def _end(self, line: Line) -> None:
        self._count(line)
        line.abandon()

    def _count(self, line: Line) -> None:
        self._tally.strays += line.matcher.strays
        self._tally.further += line.matcher.further
