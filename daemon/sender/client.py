"""An MLLP sender: one connection, one message at a time, each wait with a limit."""

from __future__ import annotations

import asyncio
import os
from socket import gaierror
from types import TracebackType
from typing import Self

import anyio

from daemon.errors import DaemonError
from daemon.hl7listener.framer import Block, Broken, Framer, frame
from daemon.hl7listener.header import Header, parse_header
from daemon.sender.acknowledgement import read_acknowledgement
from daemon.settings.values import Address

REPLY_LIMIT_BYTES = 1024 * 1024
_READ_BYTES = 65_536


class NoReply(DaemonError):
    """The listener cannot be reached, or does not answer."""

    code = "no-reply"
    exit_code = 69


class MllpClient:
    """Sends messages and gives back the replies."""

    def __init__(self, address: Address, *, timeout_s: float = 30.0) -> None:
        """Keep the address; every wait ends after ``timeout_s``."""
        self._address = address
        self._timeout_s = timeout_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._framer = Framer(REPLY_LIMIT_BYTES)
        self._replies: list[bytes] = []
        self._control_id = ""

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            NoReply: nobody listens there.
        """
        try:
            with anyio.fail_after(self._timeout_s):
                self._reader, self._writer = await asyncio.open_connection(self._address.host, self._address.port)
        except (OSError, TimeoutError) as error:
            message = f"{self._address}: {_reason(error)}"
            raise NoReply(message, hint="does a listener run there?") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()

    async def send(self, data: bytes) -> bytes:
        """Send one message and wait for one reply; give the reply's data.

        A second reply to the message before, as in enhanced mode, is passed over.

        Raises:
            NoReply: the connection ended, or the time did.
        """
        assert self._reader is not None  # connected on entering
        assert self._writer is not None
        before, self._control_id = self._control_id, _control_id(data)
        try:
            with anyio.fail_after(self._timeout_s):
                self._writer.write(frame(data))
                await self._writer.drain()
                while (reply := self._next_reply(before)) is None:
                    received = await self._reader.read(_READ_BYTES)
                    if not received:
                        message = f"{self._address} closed the connection without a reply"
                        raise NoReply(message)
                    self._take(received)
        except TimeoutError:
            message = f"{self._address} gave no reply within {self._timeout_s:g} s"
            raise NoReply(message) from None
        except OSError as error:
            message = f"{self._address}: {error.strerror or 'the connection broke'}"
            raise NoReply(message) from None
        return reply

    def _next_reply(self, before: str) -> bytes | None:
        while self._replies:
            reply = self._replies.pop(0)
            about = read_acknowledgement(reply).control_id
            if not about or about != before or about == self._control_id:
                return reply
        return None

    def _take(self, received: bytes) -> None:
        for event in self._framer.feed(received):
            if isinstance(event, Block):
                self._replies.append(event.data)
            elif isinstance(event, Broken):
                message = f"{self._address} does not speak MLLP"
                raise NoReply(message)


def _reason(error: OSError) -> str:
    """Say why there is no connection; asyncio puts the address again where the system's own words would be."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, gaierror):
        return str(error.strerror)
    return os.strerror(error.errno) if error.errno else "no connection"


def _control_id(data: bytes) -> str:
    header = parse_header(data)
    return header.control_id.decode("latin-1") if isinstance(header, Header) else ""
