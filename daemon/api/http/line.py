"""A WebSocket of the HTTP library, with a bound on how slow its reader may be."""

from __future__ import annotations

import anyio
from aiohttp import WSMsgType, web

from daemon.api.http.resource import LineGone

HEARTBEAT_S = 20.0
MESSAGE_LIMIT_BYTES = 16 * 1024
SEND_LIMIT_S = 5.0
"""How long one frame may take to leave; the library's own buffer comes first (64 KiB)."""

CLOSE_LIMIT_S = 1.0
SIGNED_OUT = 4401
"""Close code once its caller is no longer signed in (RFC 6455 section 7.4.2: ours to choose)."""

TOO_SLOW = 1008
"""Close code of a reader that is dropped (RFC 6455 section 7.4.1: policy)."""


class WebSocketLine:
    """An open WebSocket.

    Attributes:
        was_slow: its reader was dropped.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        """Keep a socket that has been prepared."""
        self._socket = socket
        self.was_slow = False

    async def send(self, text: bytes) -> None:
        """Send a text frame; see ``Line``."""
        try:
            with anyio.fail_after(SEND_LIMIT_S):
                await self._socket.send_frame(text, WSMsgType.TEXT)
        except TimeoutError:
            self.was_slow = True
            raise LineGone from None
        except (ConnectionError, RuntimeError):
            raise LineGone from None

    async def receive(self) -> bytes | None:
        """Give the next text frame; see ``Line``. A frame that is no text ends it."""
        message = await self._socket.receive()
        return message.data.encode() if message.type is WSMsgType.TEXT else None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; a reader that does not take part is waited for no longer than a second."""
        with anyio.move_on_after(CLOSE_LIMIT_S):
            await self._socket.close(code=code, message=reason.encode()[:120], drain=False)
