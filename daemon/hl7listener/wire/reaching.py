"""Reverse feeds: the daemon connects out to the sender, and receives over that connection.

One connection at a time. Without one, it is tried again, at first soon and then less and less often, never in step with
other daemons.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum

import anyio

from daemon.desks import PausePolicy
from daemon.feed_events import FeedReached, FeedUnreached
from daemon.hl7listener.tls.faults import fault_of
from daemon.hl7listener.wire.admission import Trust
from daemon.hl7listener.wire.connection import Connection
from daemon.hl7listener.wire.feed_host import FeedHost
from daemon.public import Public, reason
from daemon.settings.values import Address
from daemon.trust_events import NodeRefused

CONNECT_LIMIT_S = 10.0
FIRST_WAIT_S = 1.0
GROWTH = 2.0
MOST_GROWTH = 32
FIRST_SHARE = 0.5
"""Each wait is between this share of its length and the whole of it."""


class Reach(Enum):
    """How the connection of a feed that connects out stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    STOPPED = "stopped"


class Reaching:
    """Keeps the connection of one feed.

    Attributes:
        state: how it stands.
        why: why it is not there, the last time it failed.
    """

    def __init__(self, host: FeedHost, address: Address, trust: Trust, chance: Callable[[], float]) -> None:
        """Keep the collaborators; ``chance`` gives numbers from 0 to 1."""
        self._host = host
        self._address = address
        self._trust = trust
        self._chance = chance
        self._wake = anyio.Event()
        self._is_stopped = False
        self._waits = 0
        self._told: Public | None = None
        self.state = Reach.STOPPED
        self.why = Public("")

    def stop(self) -> None:
        """Connect no more; a connection that is there is closed by its host."""
        self._is_stopped = True
        self._wake.set()

    def try_now(self) -> None:
        """Wait no longer before the next attempt."""
        self._waits = 0
        self._wake.set()

    async def run(self) -> None:
        """Connect again and again until stopped."""
        self._is_stopped, self._waits = False, 0
        try:
            while not self._is_stopped:
                if self._host.accepting and self._host.paused is not PausePolicy.CLOSE:
                    await self._once()
                await self._pause()
        finally:
            self.state = Reach.STOPPED

    async def _once(self) -> None:
        self.state = Reach.CONNECTING
        connection = await self._connect()
        if connection is None:
            return
        self.state, self._told, self.why = Reach.CONNECTED, None, Public("")
        self._host.emit(FeedReached(self._host.feed.name, Public(self._address)))
        await connection.ended.wait()
        if connection.messages:
            self._waits = 0
        self.why = Public("the connection ended")

    async def _connect(self) -> Connection | None:
        made = self._host.connect()
        context = self._trust.client_context(self._host.feed)
        secured, name = (None, None) if context is None else context
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(CONNECT_LIMIT_S):
                await loop.create_connection(
                    lambda: made,
                    self._address.host,
                    self._address.port,
                    ssl=secured,
                    server_hostname=name if secured else None,
                )
        except ssl.SSLError as error:
            fault = fault_of(error)
            self.why = Public(fault.value)
            self._host.emit(NodeRefused(self._host.feed.name, Public(self._address.host), fault, Public("")))
        except TimeoutError:
            self.why = Public("no answer")
        except OSError as error:
            self.why = reason(error)
        else:
            return made
        return None

    async def _pause(self) -> None:
        """Wait before the next attempt; each wait is longer than the last, up to the feed's limit."""
        if self._is_stopped:
            return
        wait_s = min(FIRST_WAIT_S * GROWTH**self._waits, self._host.feed.peers.retry_s)
        wait_s *= FIRST_SHARE + (1 - FIRST_SHARE) * self._chance()
        self._waits = min(self._waits + 1, MOST_GROWTH)
        self.state = Reach.WAITING
        if self.why and self.why != self._told:
            self._told = self.why
            self._host.emit(FeedUnreached(self._host.feed.name, Public(self._address), self.why, wait_s))
        self._wake = anyio.Event()
        with anyio.move_on_after(wait_s):
            await self._wake.wait()
