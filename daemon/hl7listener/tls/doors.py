"""Who may connect to the feeds of a site, and the doors of those with TLS: what a listener asks for as its ``Trust``."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.peers.identity import Identity, Refused, Transport, admit
from daemon.hl7listener.tls.credentials import Credentials
from daemon.hl7listener.tls.door import Door
from daemon.ports import Emit
from daemon.public import Public


class Doors:
    """The doors of a site, and who may come in."""

    def __init__(self, feeds: Sequence[Feed], emit: Emit) -> None:
        """Read nothing yet."""
        self._emit = emit
        self._servers: dict[Public, Credentials] = {}
        self._clients: dict[Public, Credentials] = {}
        for feed in feeds:
            tls = feed.peers.tls
            if tls is not None and feed.peers.connect is not None:
                self._clients[feed.name] = Credentials(feed.name, tls, connects=True)
            if tls is not None and tls.certificate is not None:
                self._servers[feed.name] = Credentials(feed.name, tls, connects=False)
        self._doors: list[Door] = []
        self._tasks: TaskGroup | None = None

    # -- what the listener asks ----------------------------------------------------------------------------------------

    def serve(self, feed: Feed, listening: Any, connect: Callable[[], Any]) -> Door | None:
        """Take the connections of a feed with TLS; ``None`` for one without."""
        if feed.peers.tls is None:
            return None
        assert isinstance(listening, socket.socket)
        door = Door(feed, feed.peers.tls, listening, self._servers[feed.name], connect, self._emit)
        self._doors = [one for one in self._doors if not one.is_closed]
        self._doors.append(door)
        if self._tasks is not None:
            self._start(door, self._tasks)
        return door

    def admit(self, feed: Feed, transport: Transport) -> Identity | Refused:
        """Say who has connected, or why they may not."""
        return admit(feed.peers.allow, feed.peers.rules, transport)

    def client_context(self, feed: Feed) -> tuple[ssl.SSLContext, str | None] | None:
        """Give what a connection to the feed's sender is secured with, and the name its certificate must have."""
        if feed.peers.tls is None:
            return None
        host = feed.peers.connect
        name = feed.peers.tls.server_name or (None if host is None else host.host)
        # uvloop takes nothing but a plain str
        return self._clients[feed.name].context, None if name is None else str(name)

    @property
    def credentials(self) -> list[Credentials]:
        """Give what each feed with TLS shows, and whom it trusts."""
        return [*self._servers.values(), *self._clients.values()]

    def expires_us(self, feed: Public) -> int | None:
        """Say when the certificate of a feed ends; ``None`` if it has none."""
        found = self._servers.get(feed) or self._clients.get(feed)
        return None if found is None or found.validity is None else found.validity.until_us

    async def run(self) -> None:
        """Bring connections through their handshakes until cancelled; until then they wait in the backlog."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                for door in self._doors:
                    self._start(door, tasks)
                await anyio.sleep_forever()
            finally:
                self._tasks = None
                for door in self._doors:
                    door.stop()

    def _start(self, door: Door, tasks: TaskGroup) -> None:
        if not door.is_closed:

            def begin(raw: socket.socket, address: Public) -> None:
                tasks.start_soon(door.welcome, raw, address)

            door.start(begin)
