"""The socket as a service. Whoever may use it is told by the kernel: the daemon's own user, and root."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from aiohttp import web

from daemon.api.http.resource import Channel, Resource
from daemon.api.http.serving import Serving, explain
from daemon.api.local.access import PeerAccess
from daemon.api.local.place import SOCKET, short_path
from daemon.clock import Clock
from daemon.errors import ListenFailed
from daemon.ports import Emit
from daemon.public import Public

IDLE_LIMIT_S = 15.0
"""How long a connection may be open without a whole request."""

REQUESTS_LIMIT = 32
"""How many requests are answered at once; more are sent away."""

CLOSE_LIMIT_S = 2.0
_MODE = 0o600


class LocalApi:
    """Answers commands of this machine, with the resources that the network has."""

    name = Public("local-api")

    def __init__(
        self,
        folder: Path,
        resources: Sequence[Resource],
        clock: Clock,
        emit: Emit,
        *,
        channels: Sequence[Channel] = (),
    ) -> None:
        """Keep the collaborators; nothing is bound here."""
        self._folder = folder
        self._resources, self._channels = tuple(resources), tuple(channels)
        self._clock = clock
        self._serving = Serving(PeerAccess(), clock, emit, requests_limit=REQUESTS_LIMIT)
        self._idle_since_s: dict[Any, float] = {}
        self._runner: web.AppRunner | None = None
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Begin to listen.

        A socket that is left over is replaced: the state folder is ours alone, so no other daemon can be behind it.

        Raises:
            ListenFailed: the socket cannot be made.
        """
        self._stop = anyio.Event()
        try:
            listening = self._bind()
        except OSError as error:
            message = f"{self._folder / SOCKET}: {error.strerror}"
            raise ListenFailed(message, hint="is the state folder writable?") from None
        app = web.Application(middlewares=[explain])
        self._serving.route(app, self._resources, self._channels)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=IDLE_LIMIT_S, shutdown_timeout=CLOSE_LIMIT_S
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def serve(self) -> None:
        """Serve until drained; close connections over which nothing is asked."""
        while not self._stop.is_set():
            with anyio.move_on_after(IDLE_LIMIT_S / 4):
                await self._stop.wait()
            self._close_idle()

    async def drain(self) -> None:
        """Answer what has been asked, then close and take the socket away."""
        self._stop.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_LIMIT_S + 1):
                await self._serving.close_lines()
                await runner.cleanup()
            (self._folder / SOCKET).unlink(missing_ok=True)

    def _close_idle(self) -> None:
        """Close connections that have been without a request for too long; the library waits for the first one for ever."""
        server = None if self._runner is None else self._runner.server
        if server is None:
            return
        now_s, before = self._clock.monotonic_s(), self._idle_since_s
        idle = [one for one in server.connections if one not in self._serving.busy | self._serving.talking_on]
        self._idle_since_s = {one: before.get(one, now_s) for one in idle}
        for one, since_s in self._idle_since_s.items():
            if now_s - since_s >= IDLE_LIMIT_S:
                one.force_close()

    def _bind(self) -> socket.socket:
        (self._folder / SOCKET).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o777 & ~_MODE)
            try:
                with short_path(self._folder) as path:
                    listening.bind(path)
            finally:
                os.umask(before)
            listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            listening.listen()
        except OSError:
            listening.close()
            raise
        return listening
