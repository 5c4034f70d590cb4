"""Where feeds listen or connect to, and feeds steered at run time: over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from daemon.desks import PausePolicy
from daemon.errors import ListenFailed, SocketsMismatch
from daemon.events import Warned
from daemon.feed_events import FeedListening, FeedReached, FeedUnreached, PeerRefused
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.peers.peers import Peers
from daemon.hl7listener.wire import reaching, server
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.hl7listener.wire.server import Listener
from daemon.public import Public
from daemon.settings.values import Address
from tests.support.builders import adt, framed
from tests.support.clock import SetClock
from tests.support.feeds import ADT, feed
from tests.support.listening import CONTROL_PREFIX, Caller, Station, listening, send_buffer
from tests.support.spooling import LIMIT_S, ask, until

pytestmark = pytest.mark.anyio

ANY = Address("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep all the time, and try to connect again at once."""
    monkeypatch.setattr(server, "SWEEP_EVERY_S", 0.005)
    monkeypatch.setattr(reaching, "FIRST_WAIT_S", 0.01)


def listening_at(*addresses: Address, **values: object) -> Feed:
    return feed(peers=Peers(addresses, **values))  # type: ignore[arg-type]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def call(station: Station, control_id: str, address: Address | None = None) -> None:
    """Connect, and have a message answered."""
    where = address or station.listener.addresses[ADT][0]
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    with socket.socket(family) as raw:
        raw.connect((where.host, where.port))
        raw.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        caller = Caller(raw)
        await caller.send(framed(adt(control_id)))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AA", control_id.encode()]


# -- addresses ---------------------------------------------------------------------------------------------------------


async def test_a_feed_listens_on_all_of_its_addresses(tmp_path: Path) -> None:
    async with listening(tmp_path, listening_at(ANY, ANY, ANY)) as station:
        addresses = station.listener.addresses[ADT]
        assert len({address.port for address in addresses}) == 3
        for number, address in enumerate(addresses):
            await call(station, f"M{number}", address)
        assert [event.address for event in station.told(FeedListening)] == [str(address) for address in addresses]
        assert station.listener.state(ADT).word == "listening"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
async def test_all_ipv4_and_all_ipv6_addresses_can_have_the_same_port(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as probe:
        port = probe.getsockname()[1]
    both = listening_at(Address("0.0.0.0", port), Address("::", port))
    async with listening(tmp_path, both) as station:
        await call(station, "M4", Address("127.0.0.1", port))
        await call(station, "M6", Address("::1", port))


async def test_every_address_that_cannot_be_had_is_named_and_none_is_kept(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [one.getsockname()[1], two.getsockname()[1]]
        free = socket.create_server(("127.0.0.1", 0))
        free_port = free.getsockname()[1]
        free.close()
        wanted = [Address("127.0.0.1", port) for port in (free_port, *ports)]
        async with listening(tmp_path) as station:
            second = Listener(
                [listening_at(*wanted)],
                station.storage.spool,
                SetClock(),
                station.events.append,
                control_prefix=CONTROL_PREFIX,
            )
            with pytest.raises(ListenFailed) as failed:
                await second.open()
        assert all(f"127.0.0.1:{port} (" in str(failed.value) for port in ports)
        assert refuses(free_port)


async def test_inherited_sockets_win_and_it_is_told_if_the_site_names_others(tmp_path: Path) -> None:
    named = listening_at(Address("127.0.0.1", 2575))
    with send_buffer(1 << 20) as given:
        async with listening(tmp_path, named, inherited=given) as station:
            assert station.port == given["feed-adt"][0].getsockname()[1]
            [warned] = station.told(Warned)
            assert (warned.code, warned.about) == ("inherited-address", "adt")
        async with listening(tmp_path, listening_at(inherited_only=True), inherited=given) as station:
            await call(station, "M1")
            assert station.told(Warned) == []


async def test_sockets_that_do_not_fit_the_feeds_are_refused(tmp_path: Path) -> None:
    with send_buffer(1 << 20) as given, pytest.raises(SocketsMismatch, match="feed-lab"):
        async with listening(tmp_path, inherited={"feed-lab": given["feed-adt"], "api": []}):
            pass
    with pytest.raises(SocketsMismatch, match="feed adt listens on a socket of systemd") as failed:
        async with listening(tmp_path, listening_at(inherited_only=True)):
            pass
    assert failed.value.exit_code == 78


# -- at run time -------------------------------------------------------------------------------------------------------


async def test_a_feed_that_withholds_reads_nothing_and_loses_nothing(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("M1")))
        assert await caller.codes() == [b"AA"]
        await station.listener.pause(ADT, PausePolicy.WITHHOLD)
        assert (station.listener.state(ADT).word, station.listener.state(ADT).paused) == (
            "paused",
            PausePolicy.WITHHOLD,
        )
        await caller.send(framed(adt("M2")))
        async with station.calling() as late:
            await late.send(framed(adt("M3")))
            await until(lambda: len(station.connections) == 2)
            assert {seen.state for seen in station.listener.connections(ADT)} == {"withheld"}
            station.clock.advance(20_000.0)
            await station.listener.resume(ADT)
            assert await late.codes() == [b"AA"]
        assert await caller.codes() == [b"AA"]
        assert station.listener.state(ADT).word == "listening"


async def test_a_feed_that_rejects_keeps_each_message_in_quarantine(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await station.listener.pause(ADT, PausePolicy.REJECT)
        await caller.send(framed(adt("M1")))
        assert await caller.codes() == [b"AR"]
        await station.listener.resume(ADT)
        await caller.send(framed(adt("M1")))
        assert await caller.codes() == [b"AA"]
    assert ask(tmp_path, "SELECT reason FROM message ORDER BY seq") == [("feed-paused",), (None,)]


async def test_a_feed_that_is_closed_frees_its_port_and_takes_the_same_again(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("M1")))
        assert await caller.codes() == [b"AA"]
        port = station.port
        await station.listener.pause(ADT, PausePolicy.CLOSE)
        assert await caller.rest() == []
        assert station.endings == [Goodbye.PAUSED]
        assert refuses(port)
        await station.listener.resume(ADT)
        assert station.port == port
        await call(station, "M2")


async def test_an_inherited_socket_stays_while_its_feed_is_closed_and_refuses_at_once(tmp_path: Path) -> None:
    with send_buffer(1 << 20) as given:
        async with listening(tmp_path, inherited=given) as station:
            await station.listener.pause(ADT, PausePolicy.CLOSE)
            async with station.calling() as caller:
                assert await caller.rest() == []
            assert [event.reason for event in station.told(PeerRefused)] == [Goodbye.PAUSED]
            await station.listener.resume(ADT)
            await call(station, "M1")


async def test_a_closed_feed_answers_what_came_sends_its_senders_away_and_can_be_resumed(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("M1")) + framed(adt("M2"))[:30])
        assert await caller.codes() == [b"AA"]
        await station.listener.pause(ADT, PausePolicy.CLOSE)
        assert await caller.rest() == []
        assert (station.listener.state(ADT).word, station.connections) == ("paused", [])
        await station.listener.resume(ADT)
        await call(station, "M2")


async def test_one_connection_is_sent_away_by_its_number(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as first, station.calling() as second:
        await first.send(framed(adt("M1")))
        await first.acks()
        await second.send(framed(adt("M2"), adt("M3")))
        await second.acks(2)
        seen = station.listener.connections(ADT)
        assert [(one.messages, one.peer, one.state) for one in seen] == [
            (1, "127.0.0.1", "reading"),
            (2, "127.0.0.1", "reading"),
        ]
        assert seen[1].bytes == len(framed(adt("M2"), adt("M3")))
        assert station.listener.disconnect(ADT, seen[0].number)
        assert await first.rest() == []
        assert station.endings == [Goodbye.DISCONNECTED]
        assert not station.listener.disconnect(ADT, seen[0].number)
        await second.send(framed(adt("M4")))
        assert await second.codes() == [b"AA"]


async def test_a_feed_paused_before_the_listener_opens_begins_paused(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        port = station.port
        await station.listener.drain()
        await station.listener.pause(ADT, PausePolicy.CLOSE)
        await station.listener.open()
        assert refuses(port)
        await station.listener.resume(ADT)
        await call(station, "M1")


async def test_feeds_nobody_knows_are_no_feeds(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        with pytest.raises(KeyError):
            station.listener.state(Public("lab"))


# -- feeds that connect out --------------------------------------------------------------------------------------------


class Source:
    """A sender that waits to be connected to."""

    def __init__(self, listening_socket: socket.socket) -> None:
        self._listening = listening_socket
        self.port = listening_socket.getsockname()[1]

    @asynccontextmanager
    async def accepted(self) -> AsyncIterator[Caller]:
        with anyio.fail_after(LIMIT_S):
            raw, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        with closing(raw):
            yield Caller(raw)


@asynccontextmanager
async def source() -> AsyncIterator[Source]:
    with socket.create_server(("127.0.0.1", 0)) as listening_socket:
        listening_socket.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        yield Source(listening_socket)


def reverse(port: int) -> Feed:
    return feed(peers=Peers((), connect=Address("127.0.0.1", port), retry_s=0.02))


async def test_a_reverse_feed_connects_and_receives_and_connects_again_when_it_is_left(tmp_path: Path) -> None:
    async with source() as sender, listening(tmp_path, reverse(sender.port)) as station:
        for number in range(1, 4):
            async with sender.accepted() as caller:
                await caller.send(framed(adt(f"M{number}")))
                assert [ack.msa[2] for ack in await caller.acks()] == [f"M{number}".encode()]
                assert station.listener.state(ADT).word == "connected"
                assert len(station.connections) == 1
            await until(lambda number=number: len(station.endings) == number)  # type: ignore[misc]
        assert [event.address for event in station.told(FeedReached)][:3] == [f"127.0.0.1:{sender.port}"] * 3


async def test_a_reverse_feed_says_once_why_it_cannot_connect_and_goes_on_trying(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    async with listening(tmp_path, reverse(port)) as station:
        await until(lambda: bool(station.told(FeedUnreached)))
        [reach] = station.listener._reaching.values()
        await until(lambda: reach._waits >= 4)
        [unreached] = station.told(FeedUnreached)
        assert "refused" in unreached.reason.lower()
        state = station.listener.state(ADT)
        assert (state.word, state.reaching, state.addresses) == (
            "reaching",
            unreached.reason,
            (Address("127.0.0.1", port),),
        )
        with socket.create_server(("127.0.0.1", port)) as there:
            there.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            async with Source(there).accepted() as caller:
                await caller.send(framed(adt("M1")))
                assert await caller.codes() == [b"AA"]


async def test_a_reverse_feed_that_is_closed_lets_go_and_connects_when_it_is_resumed(tmp_path: Path) -> None:
    async with source() as sender, listening(tmp_path, reverse(sender.port)) as station:
        async with sender.accepted() as caller:
            await caller.send(framed(adt("M1")))
            await caller.acks()
            await station.listener.pause(ADT, PausePolicy.CLOSE)
            assert await caller.rest() == []
        await station.listener.resume(ADT)
        async with sender.accepted() as caller:
            await caller.send(framed(adt("M2")))
            assert await caller.codes() == [b"AA"]


async def test_a_feed_can_listen_and_connect_out(tmp_path: Path) -> None:
    async with source() as sender:
        both = replace(reverse(sender.port).peers, listen=(ANY,))
        async with listening(tmp_path, feed(peers=both)) as station, sender.accepted() as caller:
            await caller.send(framed(adt("M1")))
            assert await caller.codes() == [b"AA"]
            await call(station, "M2")


# -- peers killed in every state ---------------------------------------------------------------------------------------

MOMENTS: dict[str, Callable[[Caller], Awaitable[None]]] = {
    "connected": lambda caller: caller.send(b""),
    "noise": lambda caller: caller.send(b"no"),
    "started": lambda caller: caller.send(b"\x0b"),
    "within the header": lambda caller: caller.send(framed(adt("K1"))[:20]),
    "behind the header": lambda caller: caller.send(framed(adt("K1"))[:-30]),
    "before CR": lambda caller: caller.send(framed(adt("K1"))[:-1]),
    "unanswered": lambda caller: caller.send(framed(adt("K1"))),
    "pipelined": lambda caller: caller.send(framed(*(adt(f"K{number}") for number in range(50))) + b"\x0bMSH"),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_peer_that_is_killed_at_any_moment_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    async with listening(tmp_path) as station:
        for number in range(1, 4):
            async with station.calling() as caller:
                await until(lambda: len(station.connections) == 1)
                await MOMENTS[moment](caller)
                caller.reset()
            await until(lambda number=number: len(station.endings) == number)  # type: ignore[misc]
        await call(station, "AFTER")
        await until(lambda: len(station.endings) == 4)
        assert station.connections == []
        assert station.held_bytes == 0
        assert not station.listener.hosts[ADT]._open
        assert not station.listener.hosts[ADT]._by_address
