"""A listener that keeps nothing: it answers as it is told, and says how its senders stray."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Iterable
from typing import NamedTuple, cast

import anyio

from daemon.clock import SECOND_US, Clock
from daemon.hl7listener.ack.writer import time_stamp
from daemon.hl7listener.text.header import Header, HeaderFault, parse_header
from daemon.hl7listener.wire.framer import Block, Broken, Event, Framer, Oversized, Strayed, frame
from daemon.sender.answers import Answer, answer_for, write_answer
from daemon.sender.line import COMMITTED
from daemon.settings.values import Address
from daemon.sockets import BACKLOG, address_of, listen

BLOCK_LIMIT_BYTES = 24 * 1024 * 1024
CONNECTION_LIMIT = 256
FLUSH_AFTER_S = 0.25
"""How long after an FS that nothing follows its block is taken as ended."""

_RELEASE_2 = 2
_LATE_LIMIT = 10_000
"""Answers that may be on their way at once; beyond that nothing is delayed."""


class Received(NamedTuple):
    """A message that came. The representation shows nothing of it.

    Attributes:
        number: in the order in which they came, from 1.
        peer: whose connection it came over.
        deviations: how its sender strayed since the message before.
        codes: what it was answered, or the word for what was done instead.
    """

    number: int
    peer: str
    data: bytes
    header: Header | HeaderFault
    deviations: tuple[str, ...]
    codes: tuple[str, ...]

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Received({self.number}, {self.peer!r})"


class Sink:
    """Listens on one address and answers every message.

    Attributes:
        addresses: where it listens, once it is open.
        count: messages that came.
    """

    def __init__(
        self,
        address: Address,
        answers: Iterable[Answer],
        clock: Clock,
        on_received: Callable[[Received], None],
        on_noted: Callable[[str, str], None],
        *,
        tls: ssl.SSLContext | None = None,
        release: int = 1,
    ) -> None:
        """Prepare.

        Args:
            address: where to listen; port 0 lets the system choose.
            answers: how to answer; none of them says AA.
            clock: for MSH-7.
            on_received: takes every message.
            on_noted: takes a peer and a sentence about its connection.
            tls: for TLS.
            release: of MLLP, 1 or 2.
        """
        self._address = address
        self._answers = tuple(answers)
        self._clock = clock
        self._on_received = on_received
        self.note = on_noted
        self._tls = tls
        self.release = release
        self._server: asyncio.Server | None = None
        self._numbers = itertools.count(1)
        self._more = anyio.Event()
        self.connections: set[_Caller] = set()
        self.addresses: list[Address] = []
        self.count = 0
        self.late = 0

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ListenFailed: the address cannot be listened on.
        """
        listening = listen(self._address, "hl7 listen")
        self.addresses = [address_of(listening)]
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Caller(self), sock=listening, backlog=BACKLOG, ssl=self._tls
        )

    async def wait(self, count: int | None) -> None:
        """Wait until so many messages came and were answered; for ever without a number."""
        while count is None or self.count < count or self.late:
            await self._more.wait()
            self._more = anyio.Event()

    def close(self) -> None:
        """Listen no more, and close what is open."""
        if self._server is not None:
            self._server.close()
        for caller in tuple(self.connections):
            caller.finish()

    def take(self, data: bytes, caller: _Caller, deviations: list[str]) -> None:
        """Take a message and answer it."""
        self.count += 1
        answer = answer_for(self.count, self._answers)
        stamp = time_stamp(self._clock.now_us() // SECOND_US)
        block, codes = write_answer(
            data, answer, stamp=stamp, new_control_id=lambda: f"SINK{next(self._numbers) % 10**10:X}"
        )
        done = () if answer.word in codes or (answer.word == "msh" and codes) else (answer.word,)
        self._on_received(
            Received(self.count, caller.peer, data, parse_header(data), tuple(deviations), (*codes, *done))
        )
        if answer.delay_s and self.late < _LATE_LIMIT:
            self.late += 1
            asyncio.get_running_loop().call_later(answer.delay_s, self._late, caller, block, answer)
        else:
            caller.answer(block, answer)
        self._more.set()

    def _late(self, caller: _Caller, block: bytes, answer: Answer) -> None:
        self.late -= 1
        caller.answer(block, answer)
        self._more.set()


class _Caller(asyncio.Protocol):
    """One sender's connection."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._framer = Framer(BLOCK_LIMIT_BYTES)
        self._transport: asyncio.Transport | None = None
        self._deviations: list[str] = []
        self._fed = 0
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self.peer = str(Address(str(name[0]), int(name[1]))) if isinstance(name, tuple) else "?"
        if len(self._sink.connections) >= CONNECTION_LIMIT:
            self._sink.note(self.peer, "refused: too many connections")
            self._transport.abort()
            return
        self._sink.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._follow(self._framer.feed(data))
        self._fed += 1
        if self._framer.awaits_cr:
            asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self._flush, self._fed)

    def _flush(self, fed: int) -> None:
        if fed == self._fed:  # nothing has come since
            self._follow(self._framer.flush())

    def _follow(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Strayed):
                self._deviations.append(event.kind.value)
            elif isinstance(event, Block):
                self._take(event.data)
            elif isinstance(event, Oversized):
                self._sink.note(self.peer, "sent a block over 24 MiB")
            elif isinstance(event, Broken):
                self._sink.note(self.peer, f"does not speak MLLP: {event.breach.value}")
                self.finish()

    def eof_received(self) -> bool:
        return True  # the answers still go out

    def connection_lost(self, exc: Exception | None) -> None:
        if self._framer.is_open:
            self._sink.note(self.peer, "broke off within a block")
        elif exc is not None:
            self._sink.note(self.peer, "broke the connection")
        self._transport = None
        self._sink.connections.discard(self)

    def answer(self, block: bytes, answer: Answer) -> None:
        """Send an answer, or do what is done instead."""
        if self._transport is None:
            return
        if answer.is_silent and answer.ends:
            self._transport.abort()
            return
        if block:
            self._transport.write(block)
        if answer.ends:
            self._transport.close()

    def finish(self) -> None:
        """Close once what is written has gone."""
        if self._transport is not None:
            self._transport.close()

    def _take(self, data: bytes) -> None:
        if self._sink.release == _RELEASE_2 and self._transport is not None:
            self._transport.write(frame(COMMITTED))
        deviations, self._deviations = [*self._deviations, *content_deviations(data)], []
        self._sink.take(data, self, deviations)


def content_deviations(data: bytes) -> list[str]:
    """Name how the segments of a message stray from the standard."""
    found = []
    if b"\r" not in data and b"\n" in data:
        found.append("lf-for-cr")
    elif b"\r\n" in data:
        found.append("crlf-for-cr")
    if not data.endswith((b"\r", b"\n")):
        found.append("last-segment-without-cr")
    return found
