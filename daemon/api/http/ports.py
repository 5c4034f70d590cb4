"""What handlers of WebSockets are given: protocols of what shells do."""

from __future__ import annotations

from typing import Protocol


class Line(Protocol):
    """An open WebSocket, one side of which is a reader of unknown speed."""

    async def send(self, text: bytes) -> None:
        """Send a text frame.

        Raises:
            LineGone: the reader went, or took too long; nothing more can be sent.
        """
        ...

    async def receive(self) -> bytes | None:
        """Give the next text frame; ``None`` once the reader has gone."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it (RFC 6455 section 7.4)."""
        ...


class LineGone(Exception):
    """The reader of a WebSocket went, or was too slow."""
