"""Takes the connections of one TLS port: who they come from, whether they speak TLS at all, the handshake, and then the feed.

The event loop's own TLS server tells nobody when a handshake fails. Here each ends with a reason.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any

import anyio

from daemon.events import Warned
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.peers.identity import address_of
from daemon.hl7listener.tls.credentials import Credentials
from daemon.hl7listener.tls.faults import Refusal, fault_of, fault_of_start
from daemon.hl7listener.tls.terms import Tls
from daemon.ports import Emit
from daemon.public import Public
from daemon.trust_events import NodeRefused

HANDSHAKES = 256
HANDSHAKES_OF_ONE = 32
"""Handshakes of a feed that may be under way at once, and of one address."""

ACCEPTED_AT_ONCE = 64
PAUSE_S = 0.5
_OUT_OF_SOMETHING = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_NOBODY = Public("")
_SHORTEST_S = 0.1


class Looked(Enum):
    """Somebody who connects and leaves without a byte, as balancers do, is not refused."""

    LOOKED = "looked"


class Door:
    """A listening socket of a feed with TLS."""

    def __init__(
        self,
        feed: Feed,
        tls: Tls,
        listening: socket.socket,
        credentials: Credentials,
        connect: Callable[[], Any],
        emit: Emit,
    ) -> None:
        """Take over ``listening``; ``connect`` makes what a connection that is through is handed to."""
        self._feed = feed
        self._tls = tls
        self._listening = listening
        self._credentials = credentials
        self._connect = connect
        self._emit = emit
        self._begin: Callable[[socket.socket, Public], None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._under_way: Counter[Public] = Counter()
        self.is_closed = False

    def start(self, begin: Callable[[socket.socket, Public], None]) -> None:
        """Accept from now on; ``begin`` runs ``welcome`` in a task."""
        self._begin = begin
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def stop(self) -> None:
        """Accept no more; those who wait stay in the socket's backlog."""
        if self._begin is not None:
            self._begin = None
            if self._again is not None:
                self._again.cancel()
                self._again = None
            asyncio.get_running_loop().remove_reader(self._listening)

    def close(self) -> None:
        """Accept no more and close the socket. Handshakes under way and open connections go on."""
        if not self.is_closed:
            self.stop()
            self.is_closed = True
            self._listening.close()

    # -- within --------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if self._begin is None:
                return
            try:
                raw, name = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            raw.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            address, _ = address_of(name)
            reason = self._objection(address)
            if reason is None:
                self._under_way[address] += 1
                self._begin(raw, address)
            else:
                self._refuse(raw, address, reason)

    def _objection(self, address: Public) -> Refusal | None:
        if not self._feed.peers.allow.allows(address):
            return Refusal.ADDRESS
        if self._under_way[address] >= HANDSHAKES_OF_ONE or self._under_way.total() >= HANDSHAKES:
            return Refusal.CROWDED
        return None

    def _rest(self, error: OSError) -> None:
        """Look away for a moment: without descriptors or memory, the same connection would be tried again and again."""
        if error.errno not in _OUT_OF_SOMETHING:
            return
        self._emit(Warned(Public("cannot-accept"), self._feed.name, Public(error.strerror or "OSError")))
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        self._again = loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._again = None
        if self._begin is not None:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    async def welcome(self, raw: socket.socket, address: Public) -> None:
        """Bring one connection through its handshake, or close it and say why."""
        until_s = asyncio.get_running_loop().time() + self._tls.handshake_s
        try:
            reason = await self._look_at_first(raw)
            if reason is None:
                reason = await self._shake_hands(raw, until_s)
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]
        if isinstance(reason, Refusal):
            self._tell(address, reason)

    async def _look_at_first(self, raw: socket.socket) -> Refusal | Looked | None:
        """Say why this cannot become TLS, and close it then; ``None`` if it may."""
        found: Refusal | Looked | None = Refusal.SILENT
        try:
            with anyio.move_on_after(self._tls.handshake_s):
                await anyio.wait_readable(raw)
                found = _judge_first(raw)
        finally:
            if found is not None:
                raw.close()
        return found

    async def _shake_hands(self, raw: socket.socket, until_s: float) -> Refusal | None:
        """Have the handshake done; the event loop closes the socket if it fails."""
        loop = asyncio.get_running_loop()
        left_s = max(until_s - loop.time(), _SHORTEST_S)
        try:
            await loop.connect_accepted_socket(
                self._connect, raw, ssl=self._credentials.context, ssl_handshake_timeout=left_s
            )
        except OSError as error:
            return fault_of(error)
        return None

    def _refuse(self, raw: socket.socket, address: Public, reason: Refusal) -> None:
        raw.close()
        self._tell(address, reason)

    def _tell(self, address: Public, reason: Refusal) -> None:
        self._emit(NodeRefused(self._feed.name, address, reason, _NOBODY))


def _judge_first(raw: socket.socket) -> Refusal | Looked | None:
    try:
        first = raw.recv(1, socket.MSG_PEEK)
    except OSError:
        return Looked.LOOKED
    return fault_of_start(first) if first else Looked.LOOKED
