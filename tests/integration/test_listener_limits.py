"""How far senders may go, what happens when nothing can be stored, and how a listener stops."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from daemon.errors import ListenFailed
from daemon.feed_events import FeedListening, PeerConnected, PeerRefused
from daemon.hl7listener.peers.peers import Peers
from daemon.hl7listener.spool import Limits as SpoolLimits
from daemon.hl7listener.wire import server
from daemon.hl7listener.wire.connection import WINDOW_BLOCKS, Goodbye
from daemon.hl7listener.wire.deadlines import RATE_WINDOW_S
from daemon.hl7listener.wire.framing import Limits
from daemon.hl7listener.wire.server import Listener
from daemon.settings.values import Address
from tests.support.builders import adt, framed
from tests.support.clock import SetClock
from tests.support.feeds import feed
from tests.support.listening import CONTROL_PREFIX, Sockets, Station, listening, send_buffer
from tests.support.spooling import LIMIT_S, ROOMY, Disk, Fault, Gate, ask, broken, hasten, until

pytestmark = pytest.mark.anyio

MINUTE_S = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the listener and the writer look after themselves all the time, instead of now and then."""
    monkeypatch.setattr(server, "SWEEP_EVERY_S", 0.005)
    hasten(monkeypatch)


@pytest.fixture
def narrow() -> Iterator[Sockets]:
    """Give a listening socket whose connections take few bytes before their peer reads."""
    with send_buffer(4096) as sockets:
        yield sockets


def resident_bytes() -> int:
    """Say what this process holds in memory."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def messages(count: int, first: int = 1) -> bytes:
    return framed(*(adt(f"M{number}") for number in range(first, first + count)))


def ids(first: int, last: int) -> list[bytes]:
    return [f"M{number}".encode() for number in range(first, last + 1)]


def stored(folder: Path) -> int:
    [[count]] = ask(folder, "SELECT count(*) FROM message")
    return int(count)


def ended(station: Station, *reasons: Goodbye) -> Callable[[], bool]:
    return lambda: station.endings == list(reasons)


# -- connections and times ---------------------------------------------------------------------------------------------


async def test_a_connection_too_many_is_closed_and_a_place_that_is_left_is_given_again(tmp_path: Path) -> None:
    async with listening(tmp_path, feed(limits=Limits(connections=2))) as station, station.calling() as first:
        async with station.calling() as second:
            for caller in (first, second):
                await caller.send(messages(1))
                assert await caller.codes() == [b"AA"]
            async with station.calling() as third:
                assert await third.rest() == []
            assert [event.reason for event in station.told(PeerRefused)] == [Goodbye.LIMIT]
            await first.send(messages(1, 2))
            assert await first.codes() == [b"AA"]
        await until(ended(station, Goodbye.PEER))
        async with station.calling() as third:
            await third.send(messages(1, 3))
            assert await third.codes() == [b"AA"]
        assert [event.connections for event in station.told(PeerConnected)] == [1, 2, 2]


async def test_a_connection_that_is_silent_too_long_is_closed_and_a_busy_one_is_not(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, feed(limits=Limits(idle_s=MINUTE_S))) as station,
        station.calling() as busy,
        station.calling() as silent,
    ):
        await silent.send(messages(1))
        await silent.acks()
        station.clock.advance(MINUTE_S - 1)
        await busy.send(messages(1))
        await busy.acks()
        assert station.endings == []
        station.clock.advance(2)
        assert await silent.rest() == []
        assert station.endings == [Goodbye.IDLE]
        await busy.send(messages(1, 2))
        assert await busy.codes() == [b"AA"]


async def test_a_block_that_is_not_completed_in_time_ends_its_connection_however_it_drips(tmp_path: Path) -> None:
    block = messages(1)
    async with (
        listening(tmp_path, feed(limits=Limits(frame_s=MINUTE_S, min_rate_bytes=0))) as station,
        station.calling() as other,
        station.calling() as caller,
    ):
        for place in range(3):
            await caller.send(block[place * 10 : place * 10 + 10])
            await until(lambda place=place: station.held_bytes == place * 10 + 9)  # type: ignore[misc]
            station.clock.advance(MINUTE_S / 3 + 1)
        assert await caller.rest() == []
        assert station.endings == [Goodbye.SLOW_BLOCK]
        assert station.held_bytes == 0
        await other.send(block)
        assert await other.codes() == [b"AA"]


async def test_a_block_that_drips_below_the_floor_ends_its_connection_and_one_above_it_goes_on(tmp_path: Path) -> None:
    limits = Limits(frame_s=10 * MINUTE_S, min_rate_bytes=4)
    block = framed(adt("M1", ward="w" * 400))
    async with (
        listening(tmp_path, feed(limits=limits)) as station,
        station.calling() as quick,
        station.calling() as slow,
    ):
        await quick.send(block[:10])
        await slow.send(block[:10])
        await until(lambda: station.held_bytes == 18)
        await quick.send(block[10:100])
        await slow.send(block[10:20])
        await until(lambda: station.held_bytes == 99 + 19)
        station.clock.advance(RATE_WINDOW_S)
        assert await slow.rest() == []
        assert station.endings == [Goodbye.TOO_SLOW]
        await quick.send(block[100:])
        assert await quick.codes() == [b"AA"]


@pytest.mark.parametrize(
    ("frame_s", "min_rate_bytes", "reason"), [(MINUTE_S, 0, Goodbye.SLOW_BLOCK), (10 * MINUTE_S, 64, Goodbye.TOO_SLOW)]
)
async def test_a_block_broken_off_behind_its_header_is_refused_before_its_connection_is_closed(
    tmp_path: Path, frame_s: float, min_rate_bytes: int, reason: Goodbye
) -> None:
    limits = Limits(frame_s=frame_s, min_rate_bytes=min_rate_bytes)
    part = framed(adt("M1"))[:-20]
    async with listening(tmp_path, feed(limits=limits)) as station, station.calling() as caller:
        await caller.send(part)
        await until(lambda: station.held_bytes == len(part) - 1)
        station.clock.advance(MINUTE_S + 1)
        [reply] = await caller.rest()
        assert b"MSA|AR|M1|" in reply
        assert station.endings == [reason]
        assert station.held_bytes == 0
        async with station.calling() as again:
            await again.send(framed(adt("M1")))
            assert await again.codes() == [b"AA"]
    kept = ask(tmp_path, "SELECT reason, data FROM message ORDER BY seq")
    assert kept == [("block-not-completed", part[1:]), (None, adt("M1"))]


async def test_more_connections_of_one_address_than_it_may_have_are_closed(tmp_path: Path) -> None:
    async with listening(tmp_path, feed(limits=Limits(connections_per_peer=1))) as station, station.calling() as first:
        await first.send(messages(1))
        assert await first.codes() == [b"AA"]
        for _ in range(2):
            async with station.calling() as second:
                assert await second.rest() == []
        refused = station.told(PeerRefused)
        assert [(event.reason, event.peer) for event in refused] == [(Goodbye.PEER_LIMIT, "127.0.0.1")] * 2
        assert [event.is_repeated for event in refused] == [False, True]


async def test_with_too_much_in_flight_the_oldest_open_block_goes_on_and_others_wait(tmp_path: Path) -> None:
    limits = Limits(in_flight_bytes=3000, frame_s=MINUTE_S, idle_s=MINUTE_S, min_rate_bytes=0)
    big = framed(adt("BIG", ward="w" * 6000))
    async with (
        listening(tmp_path, feed(limits=limits)) as station,
        station.calling() as first,
        station.calling() as second,
        station.calling() as third,
    ):
        await first.send(big[:2000])
        await until(lambda: station.held_bytes == 1999)
        await second.send(big[:2000])
        await until(lambda: sum(one.state == "withheld" for one in station.connections) == 2)
        await third.send(framed(adt("M3")))
        station.clock.advance(MINUTE_S - 1)  # of which nothing is to be had from those that wait
        await first.send(big[2000:4000])
        await until(lambda: station.held_bytes == 5998)
        assert not [one for one in station.connections if one.messages]
        await first.send(big[4000:])
        assert await first.codes() == [b"AA"]
        assert await third.codes() == [b"AA"]
        await second.send(big[2000:])
        assert await second.codes() == [b"AA"]
        assert station.endings == []
        assert station.held_bytes == 0


async def test_a_thousand_connections_cost_little_and_a_busy_one_beside_them_is_served(tmp_path: Path) -> None:
    count = 1000
    async with listening(tmp_path, feed(limits=Limits(connections=count + 1))) as station, AsyncExitStack() as callers:
        before_bytes = resident_bytes()
        for number in range(1, count + 1):
            await callers.enter_async_context(station.calling())
            if not number % 100:  # no more at once than the queue of the socket takes
                await until(lambda number=number: len(station.connections) == number)  # type: ignore[misc]
        assert resident_bytes() - before_bytes < count * 40_000
        async with station.calling() as busy:
            await busy.send(messages(500))
            assert await busy.codes(500) == [b"AA"] * 500
        assert station.held_bytes == 0


async def test_open_blocks_of_all_connections_together_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HELD_LIMIT_BYTES", 3000)
    async with listening(tmp_path) as station, station.calling() as first, station.calling() as second:
        await first.send(b"\x0b" + b"x" * 2000)
        await until(lambda: station.held_bytes == 2000)
        await second.send(b"\x0b" + b"x" * 2000)
        assert await second.rest() == []
        assert station.endings == [Goodbye.MEMORY]
        assert station.held_bytes == 2000


# -- senders that do not read ------------------------------------------------------------------------------------------


async def blocked(station: Station) -> None:
    """Wait until a sender's answers pile up."""
    await until(lambda: any(connection._write_blocked_at_s is not None for connection in station.connections))


async def test_a_sender_that_never_reads_is_not_read_either_and_is_closed_in_the_end(
    tmp_path: Path, narrow: Sockets
) -> None:
    count = 100_000
    limits = Limits(write_s=MINUTE_S)
    async with (
        listening(tmp_path, feed(limits=limits), inherited=narrow) as station,
        station.calling() as other,
        station.calling(receive_bytes=2048) as caller,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(caller.send, messages(count))
        await blocked(station)
        await until(lambda: not any(connection._pending for connection in station.connections))
        # What was stored is what came before it was noticed; the rest stands in the network, at the sender's expense.
        before = stored(tmp_path)
        assert before < count / 10
        await other.send(framed(adt("OTHER")))
        assert await other.codes() == [b"AA"]
        assert stored(tmp_path) == before + 1
        tasks.cancel_scope.cancel()
        station.clock.advance(MINUTE_S + 1)
        await until(ended(station, Goodbye.NOT_READING))
        assert station.held_bytes == 0


async def test_a_sender_that_reads_late_gets_every_answer_in_order(tmp_path: Path, narrow: Sockets) -> None:
    count = 6000
    async with (
        listening(tmp_path, inherited=narrow) as station,
        station.calling(receive_bytes=2048) as caller,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(caller.send, messages(count))
        await blocked(station)
        assert [ack.msa[2] for ack in await caller.acks(count)] == ids(1, count)
    assert stored(tmp_path) == count


async def test_a_sender_that_shut_its_side_and_never_reads_does_not_keep_its_place(
    tmp_path: Path, narrow: Sockets
) -> None:
    """Its answers are too few to be noticed as piling up, and too many for the network to take."""
    limits = Limits(write_s=MINUTE_S)
    async with (
        listening(tmp_path, feed(limits=limits), inherited=narrow) as station,
        station.calling(receive_bytes=2048) as caller,
    ):
        await caller.send(messages(200))
        await until(lambda: sum(connection.answered for connection in station.connections) == 200)
        caller.end()
        await until(lambda: any(connection._finishing for connection in station.connections))
        assert station.endings == []
        station.clock.advance(MINUTE_S + 1)
        await until(ended(station, Goodbye.PEER))


async def test_no_more_blocks_of_one_sender_wait_for_the_disk_than_the_window_and_a_packet(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    count = 5000
    stream = messages(count)
    async with (
        listening(tmp_path, at=gate) as station,
        station.calling() as caller,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(caller.send, stream)
        await until(lambda: any(not connection._reading for connection in station.connections))
        [connection] = station.connections
        packet = 256 * 1024 // (len(stream) // count)
        assert WINDOW_BLOCKS <= connection._pending <= WINDOW_BLOCKS + packet
        gate.opened.set()
        assert [ack.msa[2] for ack in await caller.acks(count)] == ids(1, count)


# -- when nothing can be stored ----------------------------------------------------------------------------------------


async def test_without_room_on_the_disk_nothing_is_read_or_answered_until_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, free_bytes=1 << 30)
    short = SpoolLimits(ROOMY.retention_us, ROOMY.size_bytes, free_floor_bytes=1000)
    limits = Limits(idle_s=MINUTE_S, frame_s=MINUTE_S)
    async with listening(tmp_path, feed(limits=limits), limits=short) as station, station.calling() as caller:
        await caller.send(messages(1))
        assert await caller.codes() == [b"AA"]
        await caller.send(messages(1, 2)[:40])
        await until(lambda: station.held_bytes == 39)
        disk.free_bytes = 0
        await until(lambda: not any(connection._reading for connection in station.connections))
        await caller.send(messages(1, 2)[40:] + messages(100, 3))
        async with station.calling() as late:  # its connection is taken, its messages stay its own
            await late.send(messages(1, 500))
            await until(lambda: len(station.connections) == 2)
            for _ in range(3):  # this time is ours, not the senders'
                station.clock.advance(MINUTE_S - 1)
                looks = disk.looks
                await until(lambda looks=looks: disk.looks > looks + 5)  # type: ignore[misc]
            assert stored(tmp_path) == 1
            disk.free_bytes = 1 << 30
            assert [ack.msa[2] for ack in await caller.acks(101)] == ids(2, 102)
            assert [ack.msa[2] for ack in await late.acks()] == [b"M500"]
        await until(ended(station, Goodbye.PEER))


async def test_a_commit_that_fails_closes_the_connection_unanswered_and_the_resend_is_accepted(tmp_path: Path) -> None:
    fault = Fault("commit.before", broken, armed=False)
    async with listening(tmp_path, at=fault) as station:
        async with station.calling() as caller:
            await caller.send(messages(1))
            assert await caller.codes() == [b"AA"]
            fault.armed = True
            await caller.send(messages(3, 2))
            assert await caller.rest() == []
        await until(ended(station, Goodbye.NOT_STORED))
        assert stored(tmp_path) == 1
        fault.armed = False
        await station.storage.spool.drain()
        async with station.calling() as caller:  # connected before the spool is open again
            await caller.send(messages(3, 2))
            await station.storage.spool.open()
            assert [ack.msa[1:3] for ack in await caller.acks(3)] == [[b"AA", name] for name in ids(2, 4)]
    assert stored(tmp_path) == 4


# -- beginning and stopping --------------------------------------------------------------------------------------------


async def test_a_listener_that_stops_answers_what_had_come_and_takes_no_more(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    async with (
        listening(tmp_path, at=gate) as station,
        station.calling() as idle,
        station.calling() as caller,
    ):
        await until(lambda: len(station.connections) == 2)
        await caller.send(messages(50) + messages(1, 51)[:30])
        await until(gate.reached.is_set)
        await until(lambda: station.held_bytes > 0 and any(one._pending == 50 for one in station.connections))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(station.listener.drain)
            assert await idle.rest() == []
            with pytest.raises(OSError, match="refused"):
                async with station.calling():
                    pass
            gate.opened.set()
            assert len(await caller.rest()) == 50
        assert station.endings == [Goodbye.DRAIN, Goodbye.DRAIN]
        assert station.held_bytes == 0
    assert stored(tmp_path) == 50


async def test_what_is_not_stored_in_time_when_a_listener_stops_is_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FINISH_LIMIT_S", 0.05)
    gate = Gate("commit.before")
    async with listening(tmp_path, at=gate) as station, station.calling() as caller:
        await caller.send(messages(1))
        await until(gate.reached.is_set)
        await station.listener.drain()
        assert await caller.rest() == []
        gate.opened.set()
        await until(ended(station, Goodbye.DRAIN))


async def test_a_sender_that_leaves_while_a_listener_stops_left_by_itself(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(messages(1))
            await caller.acks()
        await until(ended(station, Goodbye.PEER))
        await station.listener.drain()
        await station.listener.drain()
        assert station.endings == [Goodbye.PEER]


async def test_a_listener_can_be_opened_again(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        await station.listener.drain()
        await station.listener.open()
        async with station.calling() as caller:
            await caller.send(messages(1))
            assert await caller.codes() == [b"AA"]


async def test_inherited_sockets_are_listened_on_and_outlive_the_listener(tmp_path: Path) -> None:
    with send_buffer(1 << 20) as given:
        [listening_at] = given["feed-adt"]
        for number in (1, 2):
            async with listening(tmp_path, inherited=given) as station:
                assert station.port == listening_at.getsockname()[1]
                assert [event.inherited for event in station.told(FeedListening)] == [True]
                async with station.calling() as caller:
                    await caller.send(messages(1, number))
                    assert await caller.codes() == [b"AA"]


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = feed(peers=Peers((Address("127.0.0.1", port),)))
        async with listening(tmp_path) as station:
            second = Listener(
                [busy], station.storage.spool, SetClock(), station.events.append, control_prefix=CONTROL_PREFIX
            )
            with anyio.fail_after(LIMIT_S), pytest.raises(ListenFailed, match=f"feed adt: cannot listen on .*{port}"):
                await second.open()
