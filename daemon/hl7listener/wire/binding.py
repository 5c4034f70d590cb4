"""Where a feed listens: its sockets, bound here or inherited from systemd, and the servers on them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping, Sequence

from daemon.errors import ListenFailed, SocketsMismatch
from daemon.events import Warned
from daemon.feed_events import FeedListening
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.wire.admission import ServerLike, Trust
from daemon.hl7listener.wire.feed_host import FeedHost
from daemon.ports import Emit
from daemon.public import Public
from daemon.settings.values import Address
from daemon.sockets import BACKLOG, address_of, listen

PREFIX = "feed-"
"""What the names of inherited sockets begin with; the name of the feed follows."""

Inherited = Mapping[str, Sequence[socket.socket]]


def check_inherited(feeds: Iterable[Feed], inherited: Inherited) -> None:
    """Compare the sockets that were inherited with the feeds.

    Raises:
        SocketsMismatch: a socket is for a feed that does not exist, or one that a feed relies on is missing.
    """
    names = {f"{PREFIX}{feed.name}" for feed in feeds}
    unknown = sorted(name for name in inherited if name.startswith(PREFIX) and name not in names)
    if unknown:
        message = f"systemd passed {', '.join(unknown)}, and the site has no such feed"
        raise SocketsMismatch(message, hint="FileDescriptorName= of the socket unit is feed-NAME")
    missing = [feed for feed in feeds if feed.peers.inherited_only and not inherited.get(f"{PREFIX}{feed.name}")]
    if missing:
        message = ", ".join(f"feed {feed.name} listens on a socket of systemd, and none was passed" for feed in missing)
        raise SocketsMismatch(message, hint="enable carillon-feed@NAME.socket, or write an address")


class Binding:
    """The listening sockets of one feed and the servers on them."""

    def __init__(self, host: FeedHost, inherited: Sequence[socket.socket], trust: Trust, emit: Emit) -> None:
        """Keep the collaborators; nothing is bound here."""
        self._host = host
        self._inherited = inherited
        self._trust = trust
        self._emit = emit
        self._sockets: list[socket.socket] = []
        self._servers: list[ServerLike] = []
        self._first: tuple[Address, ...] | None = None
        self.addresses: list[Address] = []

    @property
    def is_inherited(self) -> bool:
        """Say whether the sockets are systemd's."""
        return bool(self._inherited)

    @property
    def is_open(self) -> bool:
        """Say whether connections are taken."""
        return bool(self._servers)

    def bind(self) -> None:
        """Bind the feed's addresses, or take over what was inherited. A port the system chose is kept from then on.

        Raises:
            ListenFailed: an address cannot be listened on; all such are named.
        """
        feed = self._host.feed
        if self._inherited:
            # Duplicates: the originals stay for a second opening.
            self._sockets = [listening.dup() for listening in self._inherited]
            self.addresses = [address_of(listening) for listening in self._sockets]
            self._warn_of_others(feed)
            return
        addresses = feed.peers.listen if self._first is None else self._first
        has_both = len({":" in address.host for address in addresses}) > 1
        bound: list[socket.socket] = []
        failures: list[ListenFailed] = []
        for address in addresses:
            try:
                bound.append(listen(address, f"feed {feed.name}", v6_only=has_both))
            except ListenFailed as error:
                failures.append(error)
        if failures:
            for listening in bound:
                listening.close()
            raise ListenFailed("; ".join(map(str, failures)), hint=failures[0].hint)
        self._sockets = bound
        self.addresses = [address_of(listening) for listening in bound]
        self._first = tuple(self.addresses)

    async def start(self) -> None:
        """Take connections on what is bound."""
        loop = asyncio.get_running_loop()
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            server = self._trust.serve(self._host.feed, listening, self._host.connect)
            if server is None:
                # The backlog again: listening a second time with the default would shrink an inherited one.
                server = await loop.create_server(self._host.connect, sock=listening, backlog=BACKLOG)
            self._servers.append(server)
        for address in self.addresses:
            self._emit(FeedListening(self._host.feed.name, Public(address), self.is_inherited))

    def close(self) -> None:
        """Take no more connections."""
        for listening in self._sockets:
            listening.close()
        for server in self._servers:
            server.close()
        self._sockets.clear()
        self._servers.clear()

    def _warn_of_others(self, feed: Feed) -> None:
        wanted = {address for address in feed.peers.listen if address.port}
        if wanted and wanted != set(self.addresses):
            shown = ", ".join(map(str, self.addresses))
            text = Public(f"listens on {shown} as systemd says, not on {', '.join(map(str, feed.peers.listen))}")
            self._emit(Warned(Public("inherited-address"), feed.name, text))
