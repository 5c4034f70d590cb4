"""What a listener asks of whoever knows who may connect and how connections are secured."""

from __future__ import annotations

from collections.abc import Callable
from ssl import SSLContext
from typing import Any, Protocol

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.peers.identity import AllowList, Identity, Refused, Transport, admit


class ServerLike(Protocol):
    """Takes connections on one listening socket."""

    def close(self) -> None:
        """Take no more and close the socket; open connections go on."""
        ...


class Trust(Protocol):
    """Decides who may connect, and how connections are secured."""

    def serve(self, feed: Feed, listening: Any, connect: Callable[[], Any]) -> ServerLike | None:
        """Take connections on ``listening`` and hand each to a protocol from ``connect``; ``None``: it is nothing special."""
        ...

    def admit(self, feed: Feed, transport: Transport) -> Identity | Refused:
        """Say who has connected, or why they may not."""
        ...

    def client_context(self, feed: Feed) -> tuple[SSLContext, str | None] | None:
        """Give what a connection to the feed's sender is secured with, and the name its certificate must have."""
        ...


class OpenToAll:
    """Everybody may connect, in the clear."""

    def serve(self, feed: Feed, listening: Any, connect: Callable[[], Any]) -> ServerLike | None:
        """Leave it to the listener."""
        del feed, listening, connect
        return None

    def admit(self, feed: Feed, transport: Transport) -> Identity | Refused:
        """Admit anyone."""
        del feed
        return admit(AllowList(), (), transport)

    def client_context(self, feed: Feed) -> tuple[SSLContext, str | None] | None:
        """Secure nothing."""
        del feed
        return None


OPEN_TO_ALL = OpenToAll()
