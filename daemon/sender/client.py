"""An MLLP sender: one connection, one message at a time, each wait with a limit."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from daemon.sender.line import Dial, Line
from daemon.sender.outgoing import outgoing
from daemon.settings.values import Address


class MllpClient:
    """Sends messages and gives back the replies."""

    def __init__(self, address: Address, *, timeout_s: float = 30.0) -> None:
        """Keep the address; every wait ends after ``timeout_s``."""
        self._dial = Dial(address, timeout_s)
        self._line: Line | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            NoReply: nobody listens there.
        """
        self._line = await Line.open(self._dial)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._line is not None:
            await self._line.close()

    async def send(self, data: bytes) -> bytes:
        """Send one message and wait for the first reply to it; give the reply's data.

        Replies to other messages are passed over.

        Raises:
            NoReply: the connection ended, or the time did.
        """
        assert self._line is not None  # connected on entering
        exchange = await self._line.exchange(outgoing("", 1, data))
        return exchange.replies[0].data
