"""One connection to a listener, on which any number of messages may wait for their replies."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from dataclasses import dataclass
from socket import gaierror
from typing import NamedTuple, cast

import anyio

from daemon.errors import DaemonError
from daemon.hl7listener.wire.framer import Block, Broken, Commit, Framer, frame
from daemon.sender.acknowledgement import Acknowledgement, read_acknowledgement
from daemon.sender.matching import Matcher, Pending
from daemon.sender.outgoing import Outgoing
from daemon.sender.tls import tls_reason
from daemon.settings.values import Address

REPLY_LIMIT_BYTES = 1024 * 1024
PACKET_PAUSE_S = 0.002
"""Between the packets of a block that is sent in several, so that they stay several."""

CLOSE_LIMIT_S = 1.0

COMMITTED = b"\x06"
"""The data of a positive commit block of MLLP release 2."""

_RELEASE_2 = 2


class NoReply(DaemonError):
    """The listener cannot be reached, or does not answer."""

    code = "no-reply"
    exit_code = 69


@dataclass(frozen=True, slots=True)
class Dial:
    """Whom to call and how.

    Attributes:
        timeout_s: how long each wait may take.
        tls: ``None`` for plain TCP.
        server_name: what the listener's certificate must be for, if not the host.
        release: of MLLP, 1 or 2.
    """

    address: Address
    timeout_s: float = 30.0
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    release: int = 1


class Exchange(NamedTuple):
    """The replies to one message, and how long the last of them took."""

    replies: tuple[Acknowledgement, ...]
    took_s: float


class Line(asyncio.Protocol):
    """A connection to a listener.

    Attributes:
        matcher: what waits, and how many replies belonged to nothing.
    """

    def __init__(self, dial: Dial) -> None:
        """Wait to be connected."""
        self._dial = dial
        self._transport: asyncio.Transport | None = None
        self._framer = Framer(REPLY_LIMIT_BYTES)
        self._waits: dict[int, anyio.Event] = {}
        self._turn = anyio.Lock(fast_acquire=True)
        self._commit: anyio.Event | None = None
        self._was_committed = False
        self._why = ""
        self._ended = anyio.Event()
        self.matcher = Matcher()

    @classmethod
    async def open(cls, dial: Dial) -> Line:
        """Connect.

        Raises:
            NoReply: nobody listens there, or not in this way.
        """
        address = dial.address
        tls_name = (dial.server_name or address.host) if dial.tls is not None else None
        try:
            with anyio.fail_after(dial.timeout_s):
                _, line = await asyncio.get_running_loop().create_connection(
                    lambda: cls(dial), address.host, address.port, ssl=dial.tls, server_hostname=tls_name
                )
        except (OSError, TimeoutError) as error:
            message = f"{address}: {_reason(error)}"
            hint = "does a listener run there?" if not isinstance(error, ssl.SSLError) else ""
            raise NoReply(message, hint=hint) from None
        return line

    @property
    def is_open(self) -> bool:
        """Say whether messages can still be sent."""
        return self._transport is not None and not self._why

    async def exchange(self, one: Outgoing, wanted: int = 1) -> Exchange:
        """Send a message and wait for so many replies to it.

        Raises:
            NoReply: the connection ended, or the time did.
        """
        begun_s = time.monotonic()
        pending = self.matcher.expect(one.control_id, wanted, one.members)
        done = self._waits[id(pending)] = anyio.Event()
        try:
            with anyio.fail_after(self._dial.timeout_s):
                async with self._turn:
                    await self._write(one)
                if self.is_open and not pending.is_complete:
                    await done.wait()
        except TimeoutError:
            message = f"{self._dial.address} gave no reply within {self._dial.timeout_s:g} s"
            raise NoReply(message) from None
        finally:
            self.matcher.forget(pending)
            del self._waits[id(pending)]
        if not pending.is_complete:
            message = f"{self._dial.address} {self._why or 'closed the connection without a reply'}"
            raise NoReply(message)
        return Exchange(tuple(pending.replies), time.monotonic() - begun_s)

    def abandon(self) -> None:
        """End the connection at once; what it still brings reaches nobody."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """End the connection in good order, and wait a moment until it is."""
        if self._transport is None:
            return
        self._transport.close()
        with anyio.move_on_after(CLOSE_LIMIT_S, shield=True):
            await self._ended.wait()
        self.abandon()

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut replies out of the stream and give each to its message."""
        for event in self._framer.feed(data):
            if self._why:
                return
            if isinstance(event, Broken):
                self._fail("does not speak MLLP")
            elif isinstance(event, Commit):
                self._settle(is_positive=event.is_positive)
            elif isinstance(event, Block):
                self._take(event.data)

    def eof_received(self) -> bool:
        """Let the connection end."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever still waits."""
        self._transport = None
        self._ended.set()
        self._fail(f"broke the connection ({_reason(exc)})" if isinstance(exc, OSError) else "")

    # -- within --------------------------------------------------------------------------------------------------------

    async def _write(self, one: Outgoing) -> None:
        if self._transport is None:
            return
        if self._dial.release == _RELEASE_2:
            self._commit = anyio.Event()
        first, *rest = one.pieces
        self._transport.write(first)
        for piece in rest:
            await anyio.sleep(PACKET_PAUSE_S)
            if self._transport is not None:
                self._transport.write(piece)
        if self._commit is not None:
            # Strictly in turn: nothing new before the block is committed (MLLP release 2).
            await self._commit.wait()
            self._commit = None
            if not self._was_committed and self.is_open:
                message = f"{self._dial.address} did not commit the block (NAK)"
                raise NoReply(message)

    def _settle(self, *, is_positive: bool) -> None:
        if self._dial.release != _RELEASE_2:
            self._fail("answers with commit blocks: it speaks MLLP release 2")
        elif self._commit is not None:
            self._was_committed = is_positive
            self._commit.set()
        else:
            self.matcher.strays += 1

    def _take(self, data: bytes) -> None:
        if self._dial.release == _RELEASE_2 and self._transport is not None:
            self._transport.write(frame(COMMITTED))
        pending = self.matcher.take(read_acknowledgement(data))
        if pending is not None and pending.is_complete:
            self._wake(pending)

    def _wake(self, pending: Pending) -> None:
        done = self._waits.get(id(pending))
        if done is not None:
            done.set()

    def _fail(self, why: str) -> None:
        self._why = self._why or why
        for done in self._waits.values():
            done.set()
        if self._commit is not None:
            self._was_committed = False
            self._commit.set()
        if self._transport is not None:
            self._transport.abort()


def _reason(error: OSError) -> str:
    """Say why there is no connection; asyncio puts the address again where the system's own words would be."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, gaierror):
        return str(error.strerror)
    if isinstance(error, ssl.SSLError):
        return tls_reason(error)
    return os.strerror(error.errno) if error.errno else "no connection"
