"""Calling a listener byte by byte, and watching what it does. Every wait has an end."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

import anyio

from daemon.hl7listener.wire.framer import Block, Broken, Framer, frame
from daemon.sender.line import REPLY_LIMIT_BYTES, Dial, NoReply
from daemon.sender.probing.facts import Reply, read_reply
from daemon.sender.probing.messages import Composer, header_of
from daemon.sender.probing.verdict import Outcome, failed, passed

_READ_BYTES = 65_536
_QUIET_SHARE, _QUIET_LIMIT_S = 0.4, 1.0
"""How much of the time-out is waited where nothing is expected, and no longer than that."""


class End(Enum):
    """Why no more replies come."""

    SILENCE = "no answer, and the connection stays open"
    CLOSED = "it closed the connection"
    RESET = "it broke the connection"
    GARBAGE = "what it answers is not MLLP"


class Call:
    """One connection.

    Attributes:
        end: why reading ended; ``None`` while it goes on.
        stray_bytes: what came outside of blocks.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float) -> None:
        """Keep the streams; every wait ends after ``timeout_s``."""
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._framer = Framer(REPLY_LIMIT_BYTES)
        self._replies: list[Reply] = []
        self.end: End | None = None
        self.received = bytearray()

    async def send(self, *packets: bytes, pause_s: float = 0.02) -> bool:
        """Write packets with pauses between; say whether the listener took them in time."""
        try:
            with anyio.fail_after(self._timeout_s):
                for number, packet in enumerate(packets):
                    if number:
                        await anyio.sleep(pause_s)
                    self._writer.write(packet)
                    await self._writer.drain()
        except TimeoutError:
            return False
        except OSError:
            self.end = End.RESET
            return False
        return True

    async def replies(self, count: int, wait_s: float | None = None) -> list[Reply]:
        """Wait for so many replies; give those that came, and keep in ``end`` why there are fewer."""
        try:
            with anyio.fail_after(self._timeout_s if wait_s is None else wait_s):
                while len(self._replies) < count and self.end in (None, End.SILENCE):
                    self._take(await self._reader.read(_READ_BYTES))
        except TimeoutError:
            self.end = End.SILENCE
        except OSError:
            self.end = End.RESET
        first, self._replies = self._replies[:count], self._replies[count:]
        return first

    async def quiet(self) -> list[Reply]:
        """Wait a while where nothing more is expected; give what came all the same."""
        return await self.replies(1, min(self._timeout_s * _QUIET_SHARE, _QUIET_LIMIT_S))

    def shut(self) -> None:
        """Send no more, and go on reading."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()

    @property
    def has_ended(self) -> bool:
        """Say whether the listener ended the connection."""
        return self.end in (End.CLOSED, End.RESET, End.GARBAGE)

    def _take(self, data: bytes) -> None:
        if not data:
            self.end = End.CLOSED
            return
        self.end = None
        self.received += data[: max(_READ_BYTES - len(self.received), 0)]
        for event in self._framer.feed(data):
            if isinstance(event, Block):
                self._replies.append(read_reply(event.data))
            elif isinstance(event, Broken):
                self.end = End.GARBAGE


class Bench:
    """The listener under probe.

    Attributes:
        usual: the code it answers a plain message; empty until that is known.
        timeout_s: how long to wait for an answer.
    """

    def __init__(self, dial: Dial, kind: str) -> None:
        """Prepare messages of a kind, as ``ADT^A01``."""
        self._dial = dial
        self.timeout_s = dial.timeout_s
        self.compose = Composer(kind, secrets.token_hex(2).upper())
        self.usual = ""

    @property
    def speaks_tls(self) -> bool:
        """Say whether connections are TLS."""
        return self._dial.tls is not None

    @asynccontextmanager
    async def call(self, *, plain: bool = False) -> AsyncIterator[Call]:
        """Connect.

        Raises:
            NoReply: nobody listens there.
        """
        address = self._dial.address
        tls = None if plain else self._dial.tls
        name = (self._dial.server_name or address.host) if tls is not None else None
        try:
            with anyio.fail_after(self.timeout_s):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=tls, server_hostname=name
                )
        except (OSError, TimeoutError) as error:
            what = "no answer" if isinstance(error, TimeoutError) else error.strerror or "no connection"
            message = f"{address}: {what}"
            hint = "" if isinstance(error, ssl.SSLError) else "does a listener run there?"
            raise NoReply(message, hint=hint) from None
        try:
            yield Call(reader, writer, self.timeout_s)
        finally:
            writer.transport.abort()

    async def answered(self, *messages: bytes, packets: tuple[bytes, ...] = (), as_usual: bool = True) -> Outcome:
        """Send messages in blocks, or as ``packets``, on one connection; each is to be answered, in order.

        With ``as_usual``, each is to get the code a plain message gets.
        """
        async with self.call() as call:
            await call.send(*(packets or (b"".join(frame(message) for message in messages),)))
            return await self.judged(call, messages, as_usual=as_usual)

    async def judged(self, call: Call, messages: tuple[bytes, ...], *, as_usual: bool = True) -> Outcome:
        """Wait for the answers to messages that were sent, and judge them."""
        replies = await call.replies(len(messages))
        if len(replies) < len(messages):
            return failed(await self.missing(call, len(replies), len(messages)))
        wanted = [header_of(message).control_id.decode("latin-1") for message in messages]
        if [reply.ack.control_id for reply in replies] != wanted:
            return failed(f"{len(replies)} answers, but MSA-2 is not MSH-10 of the messages, in their order")
        if surplus := await call.replies(1, min(self.timeout_s, 0.05)):
            return failed(f"{len(surplus)} answer more than messages")
        codes = " ".join(dict.fromkeys(reply.code for reply in replies))
        odd = [reply for reply in replies if reply.ack.code != self.usual]
        if as_usual and self.usual and odd:
            return failed(f"answers {codes}, where a plain message gets {self.usual}")
        return passed(f"answers {codes}" if len(messages) == 1 else f"{len(replies)} answers in order: {codes}")

    async def missing(self, call: Call, came: int, wanted: int) -> str:
        """Say what became of a connection on which answers are missing; a zombie is told by its name."""
        counted = f"{came} of {wanted} answers" if wanted > 1 else "no answer"
        if call.end is not End.SILENCE:
            return f"{counted}; {call.end.value if call.end else 'nothing more came'}"
        await call.send(frame(self.compose.message()))
        if await call.replies(1):
            return f"{counted}; a plain message that followed was answered"
        return f"{counted}; a zombie: the connection stays open and answers nothing, not even a plain message"

    async def still_serves(self) -> bool:
        """Say whether a plain message on a new connection is answered."""
        message = self.compose.message()
        async with self.call() as call:
            await call.send(frame(message))
            return bool(await call.replies(1))
