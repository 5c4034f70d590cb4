"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

import anyio
import orjson
from aiohttp import web

from daemon.api.health import Check, readiness
from daemon.api.problem import CONTENT_TYPE, problem
from daemon.events import ApiListening
from daemon.ports import Emit
from daemon.public import Public
from daemon.settings.values import Address
from daemon.sockets import BACKLOG, address_of, listen

CLOSE_LIMIT_S = 2.0
HEADER_LIMIT_BYTES = 8190
KEEP_ALIVE_S = 15.0
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PATHS = ("/healthz", "/readyz", "/metrics")


class Api:
    """Serves HTTP on one address of this machine."""

    name = Public("api")

    def __init__(
        self,
        address: Address,
        checks: Callable[[], Sequence[Check]],
        exposition: Callable[[], bytes],
        emit: Emit,
        *,
        inherited: Sequence[socket.socket] = (),
    ) -> None:
        """Keep the collaborators; nothing is bound here."""
        self._address = address
        self._checks = checks
        self._exposition = exposition
        self._emit = emit
        self._inherited = list(inherited)
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
        app = web.Application(client_max_size=64 * 1024, middlewares=[_explain])
        handlers = (self._healthz, self._readyz, self._metrics)
        app.add_routes([web.get(path, handler) for path, handler in zip(_PATHS, handlers, strict=True)])
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
            await web.SockSite(self._runner, one, backlog=BACKLOG).start()
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
                await runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        del request  # that it runs is the answer
        return web.Response(text="alive\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        del request
        status, body = readiness(self._checks())
        return web.Response(
            status=status, body=orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE), content_type="application/json"
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self._exposition(), headers={"Content-Type": _TEXT})


@web.middleware
async def _explain(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer a path or method there is not with a problem document."""
    try:
        return await handler(request)
    except web.HTTPClientError as refused:
        body = orjson.dumps(problem(refused.status, _PATHS), option=orjson.OPT_APPEND_NEWLINE)
        allowed = {name: value for name, value in refused.headers.items() if name == "Allow"}
        return web.Response(status=refused.status, body=body, content_type=CONTENT_TYPE, headers=allowed)


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers["Server"] = "carillon"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
