"""The listener: every feed's sockets, connections, and their common limits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import anyio

from daemon.clock import Clock
from daemon.desks import PausePolicy
from daemon.hl7listener.ack.answers import Waiting
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.spool import Spool
from daemon.hl7listener.wire.admission import OPEN_TO_ALL, Trust
from daemon.hl7listener.wire.binding import PREFIX, Binding, Inherited, check_inherited
from daemon.hl7listener.wire.feed_host import ConnectionSeen, FeedHost, Held
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.hl7listener.wire.reaching import Reach, Reaching
from daemon.hl7listener.wire.report import FeedReport
from daemon.ports import Emit, FaultPoint, no_fault
from daemon.public import Public
from daemon.settings.values import Address

__all__ = ["FeedState", "Listener", "PausePolicy"]

_NOTHING = Public("")

SWEEP_EVERY_S = 1.0
FINISH_LIMIT_S = 10.0
HELD_LIMIT_BYTES = 256 * 1024 * 1024
"""Bytes of all connections together that may be in memory: open blocks, and blocks that wait for the disk."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a feed's sockets stand.

    Attributes:
        word: ``listening``, ``connected`` and ``reaching`` (feeds that connect out), ``paused`` or ``down``.
        paused: how, if it is.
        reaching: why a feed that connects out has no connection.
    """

    word: Public
    addresses: tuple[Address, ...]
    paused: PausePolicy | None = None
    reaching: Public = _NOTHING


class Listener:
    """Listens for all feeds of a site."""

    name = Public("listener")

    def __init__(
        self,
        feeds: Sequence[Feed],
        spool: Spool,
        clock: Clock,
        emit: Emit,
        *,
        control_prefix: str,
        inherited: Inherited | None = None,
        at: FaultPoint = no_fault,
        trust: Trust = OPEN_TO_ALL,
        waiting: Mapping[Public, Waiting] = MappingProxyType({}),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare the feeds; nothing is bound here.

        Args:
            feeds: what to listen for.
            spool: where messages go.
            clock: the time.
            emit: takes events.
            control_prefix: what the control ids of our acknowledgements begin with, at most 10 characters; different
                for each start.
            inherited: listening sockets from systemd, by name: ``feed-NAME``.
            at: named points for tests.
            trust: who may connect.
            waiting: finds the final answers of feeds whose answers come late.
            chance: gives numbers from 0 to 1.

        Raises:
            SocketsMismatch: what was inherited does not fit the feeds.
        """
        held = Held(HELD_LIMIT_BYTES)
        numbers = itertools.count(1)

        def new_control_id() -> str:
            return f"{control_prefix}{next(numbers) % 10**10:X}"

        given = dict(inherited or {})
        check_inherited(feeds, given)
        self.hosts = {
            feed.name: FeedHost(
                feed, spool, held, clock, emit, at, new_control_id, trust=trust, waiting=waiting.get(feed.name)
            )
            for feed in feeds
        }
        self._held = held
        self._bindings = {
            name: Binding(host, given.get(f"{PREFIX}{name}", ()), trust, emit) for name, host in self.hosts.items()
        }
        self._reaching = {
            name: Reaching(host, host.feed.peers.connect, trust, chance)
            for name, host in self.hosts.items()
            if host.feed.peers.connect is not None
        }
        self._clock = clock
        self._at = at
        self._is_running = False
        self._stop = anyio.Event()
        self._heed(spool)

    @property
    def addresses(self) -> dict[Public, list[Address]]:
        """Where each feed listens, or connects to; nothing before the listener is open."""
        known = {name: [*self._bindings[name].addresses] for name in self.hosts}
        for name in self._reaching:
            connect = self.hosts[name].feed.peers.connect
            known[name] += [connect] if connect is not None else []
        return {name: addresses for name, addresses in known.items() if addresses}

    @property
    def held_bytes(self) -> int:
        """What all connections hold in memory."""
        return self._held.now_bytes

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Bind or take over every feed's sockets and begin to listen.

        Raises:
            ListenFailed: an address cannot be listened on.
        """
        self._stop = anyio.Event()
        wanted = [
            binding for name, binding in self._bindings.items() if self.hosts[name].paused is not PausePolicy.CLOSE
        ]
        try:
            for binding in wanted:
                binding.bind()
            self._at("start.bound")
            for host in self.hosts.values():
                host.accepting = True
            for binding in wanted:
                await binding.start()
        except BaseException:
            for binding in wanted:
                binding.close()
            raise
        self._is_running = True

    async def serve(self) -> None:
        """Watch the connections' times, and keep those of feeds that connect out, until drained."""
        async with anyio.create_task_group() as tasks:
            for reaching in self._reaching.values():
                tasks.start_soon(reaching.run)
            while not self._stop.is_set():
                if self._is_shut and self._spool.is_accepting:
                    await self._unshut()
                now_s = self._clock.monotonic_s()
                for host in self.hosts.values():
                    host.sweep(now_s)
                    host.tell_received()
                with anyio.move_on_after(SWEEP_EVERY_S):
                    await self._stop.wait()
            for reaching in self._reaching.values():
                reaching.stop()

    async def drain(self) -> None:
        """Take no more connections, answer what has arrived, close. What is late is closed without an answer."""
        self._stop.set()
        self._is_running = False
        for binding in self._bindings.values():
            binding.close()
        for reaching in self._reaching.values():
            reaching.stop()
        for host in self.hosts.values():
            host.accepting = False
            host.finish(Goodbye.DRAIN)
        with anyio.move_on_after(FINISH_LIMIT_S):
            for host in self.hosts.values():
                await host.wait_empty()
        for host in self.hosts.values():
            host.close(Goodbye.DRAIN)
            host.tell_received()

    # -- one feed at run time ------------------------------------------------------------------------------------------

    async def pause(self, feed: Public, policy: PausePolicy) -> None:
        """Take nothing more of a feed's senders, as ``policy`` says; also before the listener is open.

        A closed feed gives its port free. Sockets of systemd stay, for they are not ours to close: whoever connects to them
        is refused at once.

        Raises:
            ListenFailed: the feed was closed before, and cannot be listened for again.
        """
        host, binding = self.hosts[feed], self._bindings[feed]
        if policy is PausePolicy.CLOSE and not binding.is_inherited:
            binding.close()
        elif policy is not PausePolicy.CLOSE and self._is_running:
            await self._listen_again(feed)
        host.pause(policy)

    async def resume(self, feed: Public) -> None:
        """Take messages again, of a feed that was paused.

        Raises:
            ListenFailed: it cannot be listened for again.
        """
        host = self.hosts[feed]
        if self._is_running:
            await self._listen_again(feed)
            host.accepting = True
        host.pause(None)
        if feed in self._reaching:
            self._reaching[feed].try_now()

    def disconnect(self, feed: Public, number: int) -> bool:
        """Close one connection once what has arrived is answered; say whether there was one of that number."""
        for connection in self.hosts[feed].connections:
            if connection.number == number:
                connection.finish(Goodbye.DISCONNECTED)
                return True
        return False

    def state(self, feed: Public) -> FeedState:
        """Say how a feed's sockets stand."""
        host, binding, reaching = self.hosts[feed], self._bindings[feed], self._reaching.get(feed)
        connect = host.feed.peers.connect
        addresses = tuple(binding.addresses) if binding.is_open else ()
        if connect is not None:
            addresses = (*addresses, connect)
        if not self._is_running:
            return FeedState(Public("down"), (), host.paused)
        if host.paused is not None:
            return FeedState(Public("paused"), addresses, host.paused)
        if self._is_shut and not binding.is_inherited:
            return FeedState(Public("down"), ())
        if reaching is None or binding.is_open:
            return FeedState(Public("listening"), addresses, None, reaching.why if reaching is not None else _NOTHING)
        word = "connected" if reaching.state is Reach.CONNECTED else "reaching"
        return FeedState(Public(word), addresses, None, reaching.why)

    def tell_received(self, feed: Public) -> None:
        """Tell now what a feed has received, instead of with the next look."""
        self.hosts[feed].tell_received()

    def report(self, feed: Public) -> FeedReport:
        """Tell how a feed's senders stray."""
        return self.hosts[feed].report()

    def connections(self, feed: Public) -> list[ConnectionSeen]:
        """List a feed's connections, the oldest first."""
        return self.hosts[feed].seen()

    async def _listen_again(self, feed: Public) -> None:
        binding = self._bindings[feed]
        if not binding.is_open:
            binding.bind()
            await binding.start()

    def _heed(self, spool: Spool) -> None:
        self._spool, self._is_shut = spool, False
        spool.on_accepting(self._adjust)
        spool.on_down(self._shut)

    def _shut(self, is_down: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        """Close the ports while the disk is left alone, so that a balancer moves on; sockets of systemd stay."""
        if not is_down or not self._is_running:
            return
        self._is_shut = True
        for binding in self._bindings.values():
            if not binding.is_inherited:
                binding.close()
        for host in self.hosts.values():
            host.close(Goodbye.NOT_STORED)

    async def _unshut(self) -> None:
        self._is_shut = False
        for name, host in self.hosts.items():
            if host.accepting and host.paused is not PausePolicy.CLOSE:
                await self._listen_again(name)

    def _adjust(self, accepting: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        del accepting
        for host in self.hosts.values():
            host.adjust()
