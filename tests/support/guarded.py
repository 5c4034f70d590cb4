"""A listener with doors: TLS, allow lists and peers, on real sockets over a real spool, in this process."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.peers.peers import Peers, Tls
from daemon.hl7listener.tls.doors import Doors
from daemon.hl7listener.tls.keeper import CertificateKeeper
from daemon.hl7listener.tls.terms import ClientCertificate
from daemon.hl7listener.wire.server import Listener
from daemon.settings.values import Address
from daemon.trust_events import NodeRefused
from tests.support.builders import framed
from tests.support.certificates import Authority
from tests.support.clock import SetClock
from tests.support.feeds import feed
from tests.support.spooling import LIMIT_S, Rig, spooling

E = TypeVar("E")


def guarded_feed(tls: Tls | None = None, **peers: Any) -> Feed:
    """Make a feed on a port of the system's choice."""
    concepts = {name: peers.pop(name) for name in ("framing", "answering") if name in peers}
    return feed(peers=Peers(peers.pop("listen", (Address("127.0.0.1", 0),)), tls=tls, **peers), **concepts)


def tls_of(own: tuple[Path, Path], authority: Authority | None = None, **values: object) -> Tls:
    """Make a feed's TLS; with an authority, senders must show a certificate of it."""
    if authority is not None:
        values = {"authorities": authority.certificate, "client": ClientCertificate.REQUIRED, **values}
    return Tls(own[0], own[1], **values)  # type: ignore[arg-type]


class Guarded:
    """A listener that runs, its doors and who looks after them."""

    def __init__(
        self, listener: Listener, keeper: CertificateKeeper, doors: Doors, storage: Rig, clock: SetClock
    ) -> None:
        self.listener = listener
        self.keeper = keeper
        self.doors = doors
        self.clock = clock
        self.storage = storage
        self.events = storage.events

    @property
    def port(self) -> int:
        return next(iter(self.listener.addresses.values()))[0].port

    def told(self, kind: type[E]) -> list[E]:
        """Give the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens in this process."""
        with anyio.fail_after(LIMIT_S):
            while not condition():  # noqa: ASYNC110 - files and threads
                await anyio.sleep(0.01)

    async def call(self, work: Callable[[int], E]) -> E:
        """Have a blocking client do something with the port, in a thread."""
        with anyio.fail_after(LIMIT_S):
            return await to_thread.run_sync(work, self.port)


def refusals(rig: Guarded) -> list[object]:
    return [event.reason for event in rig.told(NodeRefused)]


@asynccontextmanager
async def guarding(
    folder: Path, of: Feed, *, look_every_s: float = 0.02, inherited: Sequence[socket.socket] = ()
) -> AsyncIterator[Guarded]:
    """Open spool, doors and listener, run them, and drain them at the end."""
    clock = SetClock()
    async with spooling(folder, clock=clock) as storage:
        doors = Doors([of], storage.events.append)
        keeper = CertificateKeeper(doors, clock, storage.events.append, look_every_s=look_every_s)
        listener = Listener(
            [of],
            storage.spool,
            clock,
            storage.events.append,
            control_prefix="TEST",
            trust=doors,
            inherited={f"feed-{of.name}": inherited} if inherited else None,
        )
        await keeper.open()
        await listener.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.serve)
            tasks.start_soon(listener.serve)
            try:
                yield Guarded(listener, keeper, doors, storage, clock)
            finally:
                with anyio.CancelScope(shield=True):
                    await listener.drain()
                    await keeper.drain()


def client(
    authority: Path, own: tuple[Path, Path] | None = None, *, checks_name: bool = True, **limits: Any
) -> ssl.SSLContext:
    """Make a sender's context; ``limits`` are attributes of it."""
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = checks_name
    if own is not None:
        context.load_cert_chain(*own)
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def connected(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect as a sender does, handshake included."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    return context.wrap_socket(raw, server_hostname="localhost")


def exchanged(line: socket.socket, message: bytes) -> bytes:
    """Send one message and read its answer; empty if the connection ends before."""
    line.sendall(framed(message))
    answer = b""
    while not answer.endswith(b"\x1c\r"):
        piece = line.recv(65_536)
        if not piece:
            return b""
        answer += piece
    return answer


def told_off(port: int, context: ssl.SSLContext) -> bool:
    """Say whether a sender gets nowhere: the handshake fails, or, as TLS 1.3 has it, the connection ends right after."""
    try:
        with connected(port, context) as line:
            return line.recv(1) == b""
    except OSError:
        return True


def said(port: int, data: bytes) -> bytes:
    """Send bytes in the clear, and give what comes until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as raw:
        raw.sendall(data)
        answer = b""
        try:
            while piece := raw.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer
