"""The API over TCP: every resource and channel there is, on one address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import anyio
from aiohttp import web
from anyio import to_thread

from daemon.api.certificate import Certificate
from daemon.api.gate import Gate, Limits
from daemon.api.handler import HEADERS, Handler
from daemon.api.http.access import Access
from daemon.api.http.resource import Channel, Resource
from daemon.api.http.serving import Serving, explain
from daemon.clock import Clock
from daemon.deeds import Deed, DeedKind
from daemon.errors import ListenFailed
from daemon.events import ApiListening, Warned
from daemon.ports import Emit
from daemon.public import Public, reason
from daemon.right_of_way import RightOfWay
from daemon.settings.values import Address
from daemon.sockets import address_of, listen

CLOSE_LIMIT_S = 2.0
HEADER_LIMIT_BYTES = 8190
KEEP_ALIVE_S = 15.0
LOOK_EVERY_S = 1.0
HSTS = "max-age=31536000"


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
        tls: Certificate | None = None,
        trusted: Sequence[IPv4Network | IPv6Network] = (),
        limits: Limits | None = None,
        way: RightOfWay | None = None,
    ) -> None:
        """Keep the collaborators; nothing is bound here. Proxies that are trusted speak for many; requests give way to ``way``."""
        self._address = address
        self._resources = tuple(resources)
        self._channels = tuple(channels)
        self._serving = Serving(access, clock, emit)
        self._clock, self._emit = clock, emit
        self._inherited = list(inherited)
        self._tls = tls
        self._trusted = tuple(trusted)
        self._limits = limits or Limits()
        self._way = way or RightOfWay()
        self._gate: Gate | None = None
        self._taking: list[socket.socket] = []
        self._asked = anyio.Event()
        self._runner: web.AppRunner | None = None
        self._stop = anyio.Event()
        self.addresses: list[Address] = []

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ListenFailed: the address cannot be listened on, or the certificate not be shown.
        """
        self._stop = anyio.Event()
        if self._tls is not None:
            await to_thread.run_sync(self._tls.load)
        sockets = [one.dup() for one in self._inherited] or [listen(self._address, "api")]
        self._gate = gate = Gate(self._clock, self._limits, self._is_exempt, self._way)
        app = web.Application(middlewares=[gate.watching(), explain])
        self._serving.route(app, self._resources, self._channels)
        app.on_response_prepare.append(self._harden)
        self._runner = web.AppRunner(app, shutdown_timeout=CLOSE_LIMIT_S)
        await self._runner.setup()
        self.addresses = [address_of(one) for one in sockets]
        for one, address in zip(sockets, self.addresses, strict=True):
            if self._tls is None:
                await gate.listen(one, self._made)
            else:
                self._taking.append(one)
            self._emit(ApiListening(Public(address)))

    async def serve(self) -> None:
        """Serve until drained: connections that ask nothing are closed, and WebSockets of who is no longer signed in."""
        async with anyio.create_task_group() as tasks:
            gate, context = self._gate, self._tls.context if self._tls is not None else None
            taking, self._taking = self._taking, []
            if gate is not None and context is not None:
                for one in taking:
                    tasks.start_soon(gate.take, one, self._made, context)
            while not self._stop.is_set():
                with anyio.move_on_after(LOOK_EVERY_S):
                    await self._asked.wait()
                self._asked = anyio.Event()
                if gate is not None:
                    gate.close_idle()
                    self._tell_refused(gate.taken_refused())
                await self._serving.close_ended()
                await self._look_at_certificate()
            tasks.cancel_scope.cancel()

    def look(self) -> None:
        """Have the certificate looked at now."""
        self._asked.set()

    async def drain(self) -> None:
        """Answer what has been asked, then close."""
        self._stop.set()
        self._asked.set()
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.close()
        taking, self._taking = self._taking, []
        for one in taking:
            one.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_LIMIT_S + 1):
                await self._serving.close_lines()
                await runner.cleanup()

    # -- within --------------------------------------------------------------------------------------------------------

    def _made(self) -> Any:
        """Make the library's side of a connection; ``None`` for one that comes after the end."""
        if self._runner is None or self._runner.server is None:
            return None
        return Handler(
            self._runner.server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # none is written; the library takes it so
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=HEADER_LIMIT_BYTES,
            max_field_size=HEADER_LIMIT_BYTES,
        )

    def _is_exempt(self, address: str) -> bool:
        """Say whether an address may have any number of connections: this machine, and proxies that are trusted."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return not address  # a Unix socket
        return parsed.is_loopback or any(parsed in one for one in self._trusted)

    async def _harden(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = HEADERS["Server"]
        if request.secure:
            response.headers["Strict-Transport-Security"] = HSTS
        if self._gate is not None and isinstance(response, web.WebSocketResponse):
            self._gate.became_line(request)

    def _tell_refused(self, count: int) -> None:
        if count:
            text = Public(
                f"{count} connections were closed at once: as many are open as may be, of one address or in all"
            )
            self._emit(Warned(Public("connections-refused"), self.name, text))

    async def _look_at_certificate(self) -> None:
        if self._tls is None:
            return
        try:
            if await to_thread.run_sync(self._tls.look):
                self._emit(Deed(DeedKind.CERTIFICATE_CHANGED, Public(""), self.name))
        except ListenFailed as error:
            text = Public(f"the certificate before goes on: {reason(error)}")
            self._emit(Warned(Public("certificate-not-taken"), self.name, text))
