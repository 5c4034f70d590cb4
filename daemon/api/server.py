"""The API over TCP: every resource and channel there is, on one address."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from ssl import SSLContext

import anyio
from aiohttp import web

from daemon.api.http.access import Access
from daemon.api.http.resource import Channel, Resource
from daemon.api.http.serving import Serving, explain
from daemon.clock import Clock
from daemon.events import ApiListening
from daemon.ports import Emit
from daemon.public import Public
from daemon.settings.values import Address
from daemon.sockets import BACKLOG, address_of, listen

CLOSE_LIMIT_S = 2.0
HEADER_LIMIT_BYTES = 8190
KEEP_ALIVE_S = 15.0
HEADERS: Mapping[str, str] = {
    "Server": "carillon",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise."""


class Api:
    """Serves HTTP on one address."""

    name = Public("api")

    def __init__(
        self,
        address: Address,
        resources: Sequence[Resource],
        channels: Sequence[Channel],
        access: Access,
        clock: Clock,
        emit: Emit,
        *,
        inherited: Sequence[socket.socket] = (),
        tls: SSLContext | None = None,
    ) -> None:
        """Keep the collaborators; nothing is bound here."""
        self._address = address
        self._resources = tuple(resources)
        self._channels = tuple(channels)
        self._serving = Serving(access, clock, emit)
        self._emit = emit
        self._inherited = list(inherited)
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._stop = anyio.Event()
        self.addresses: list[Address] = []

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ListenFailed: the address cannot be listened on.
        """
        self._stop = anyio.Event()
        sockets = [one.dup() for one in self._inherited] or [listen(self._address, "api")]
        app = web.Application(middlewares=[explain])
        self._serving.route(app, self._resources, self._channels)
        app.on_response_prepare.append(_harden)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=HEADER_LIMIT_BYTES,
            max_field_size=HEADER_LIMIT_BYTES,
            shutdown_timeout=CLOSE_LIMIT_S,
        )
        await self._runner.setup()
        self.addresses = [address_of(one) for one in sockets]
        for one, address in zip(sockets, self.addresses, strict=True):
            await web.SockSite(self._runner, one, backlog=BACKLOG, ssl_context=self._tls).start()
            self._emit(ApiListening(Public(address)))

    async def serve(self) -> None:
        """Serve until drained."""
        await self._stop.wait()

    async def drain(self) -> None:
        """Answer what has been asked, then close."""
        self._stop.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_LIMIT_S + 1):
                await self._serving.close_lines()
                await runner.cleanup()


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    del request
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]
