"""Senders that stray from MLLP, in lenient and in strict feeds, and MLLP release 2: over raw sockets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from daemon.feed_events import Deviated, PeerGone, SenderStrays
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.wire import server
from daemon.hl7listener.wire.deviation import ADVICE, Breach, Deviation
from daemon.hl7listener.wire.framing import Framing, Limits
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.hl7listener.wire.release2 import NOT_STORED, STORED, TRIES
from tests.support.builders import adt, framed
from tests.support.feeds import ADT, feed
from tests.support.listening import Caller, listening
from tests.support.spooling import LIMIT_S, ask, until

pytestmark = pytest.mark.anyio

GRACE_S = 0.05
LONG_S = 3600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SWEEP_EVERY_S", 0.005)


def lenient(grace_s: float = GRACE_S, **values: object) -> Feed:
    return feed(framing=Framing(grace_s=grace_s, **values))  # type: ignore[arg-type]


def strict() -> Feed:
    return feed(framing=Framing(is_strict=True, grace_s=GRACE_S))


ONE, TWO = adt("M1"), adt("M2")


class Case(NamedTuple):
    """What is sent, and the kind, the answers of a lenient feed, and those of a strict one, which may close behind them."""

    stream: bytes
    lenient: list[tuple[bytes, bytes]]
    strict: list[tuple[bytes, bytes]]
    closes: bool = False


AA1, AA2, AR1, AR2 = (b"AA", b"M1"), (b"AA", b"M2"), (b"AR", b"M1"), (b"AR", b"M2")
CASES = {
    Deviation.NOISE: Case(framed(ONE) + b"noise" + framed(TWO), [AA1, AA2], [AA1], closes=True),
    Deviation.NUL: Case(framed(ONE) + bytes(40) + framed(TWO), [AA1, AA2], [AA1], closes=True),
    Deviation.LINE_END: Case(framed(ONE) + b"\r\n" + framed(TWO), [AA1, AA2], [AA1], closes=True),
    Deviation.NO_START: Case(framed(ONE) + TWO + b"\x1c\r", [AA1, AA2], [AA1], closes=True),
    Deviation.LF_END: Case(b"\x0b" + ONE + b"\x1c\n" + framed(TWO), [AA1, AA2], [AR1, AA2]),
    Deviation.NO_CR: Case(b"\x0b" + ONE + b"\x1c" + framed(TWO), [AA1, AA2], [AR1, AA2]),
    Deviation.FS_IN_DATA: Case(framed(ONE + b"NTE|\x1c|\r", TWO), [AA1, AA2], [AR1, AA2]),
    Deviation.VT_IN_DATA: Case(framed(ONE + b"NTE|\x0b|\r", TWO), [AA1, AA2], [AR1, AA2]),
    Deviation.DOUBLE_START: Case(b"\x0b" + framed(ONE, TWO), [AA1, AA2], [AR1, AA2]),
    Deviation.RESTARTED: Case(b"\x0b" + ONE[:99] + framed(TWO, ONE), [AA2, AA1], [AR2, AA1]),
    Deviation.HLLP: Case(framed(b"D23\r" + ONE + b"00123045", TWO), [(b"AR", b""), AA2], [(b"AR", b""), AA2]),
    Deviation.COMMIT: Case(framed(ONE, b"\x06", TWO), [AA1, AA2], [AA1], closes=True),
}


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.value)
async def test_a_lenient_feed_understands_counts_and_names_what_strays(tmp_path: Path, kind: Deviation) -> None:
    case = CASES[kind]
    async with listening(tmp_path, lenient()) as station, station.calling() as caller:
        await caller.send(case.stream)
        assert [tuple(ack.msa[1:3]) for ack in await caller.acks(len(case.lenient))] == case.lenient
        assert [event.kind for event in station.told(Deviated)] == [kind]
        [strays] = station.told(SenderStrays)
        assert (strays.kind, strays.peer, strays.advice) == (kind, "127.0.0.1", ADVICE[kind])
        [seen] = station.listener.report(ADT).deviations
        assert (seen.kind, seen.peers, seen.advice) == (kind, ("127.0.0.1",), ADVICE[kind])
        assert seen.first_at_us == seen.last_at_us == station.clock.now_us()
        [connection] = station.listener.connections(ADT)
        assert connection.deviations == (kind.value,)
        await caller.send(case.stream)
        await caller.acks(len(case.lenient))
        assert len(station.told(SenderStrays)) == 1


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.value)
async def test_a_strict_feed_refuses_the_block_that_strays_or_closes_where_there_is_none(
    tmp_path: Path, kind: Deviation
) -> None:
    case = CASES[kind]
    async with listening(tmp_path, strict()) as station, station.calling() as caller:
        await caller.send(case.stream)
        assert [tuple(ack.msa[1:3]) for ack in await caller.acks(len(case.strict))] == case.strict
        if case.closes:
            assert await caller.rest() == []
            assert station.endings == [kind]
        else:
            await caller.send(framed(adt("M3")))
            assert await caller.codes() == [b"AA"]
            assert station.endings == []
    reasons = [reason for (reason,) in ask(tmp_path, "SELECT reason FROM message ORDER BY seq") if reason]
    assert reasons == ["framing-not-strict"] * (not case.closes)


# -- FS, and then nothing ----------------------------------------------------------------------------------------------


async def test_a_sender_that_leaves_out_the_cr_is_answered_and_from_the_second_time_on_without_delay(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path, lenient()) as station, station.calling() as caller:
        await caller.send(framed(ONE)[:-1])
        assert [ack.msa[2] for ack in await caller.acks()] == [b"M1"]
        host = station.listener.hosts[ADT]
        assert host.habits.leaves_out_cr("127.0.0.1")
        waits: list[int] = []
        for connection in station.connections:
            connection._grace_over = waits.append  # type: ignore[method-assign, assignment]
        async with station.calling() as other:  # the sender, on another connection
            for number in range(2, 5):
                await other.send(framed(adt(f"M{number}"))[:-1])
                assert [ack.msa[2] for ack in await other.acks()] == [f"M{number}".encode()]
        assert waits == []
        assert {event.kind for event in station.told(Deviated)} == {Deviation.NO_CR}


async def test_a_cr_that_comes_late_belongs_to_no_block_and_its_sender_is_waited_for_again(tmp_path: Path) -> None:
    async with listening(tmp_path, lenient()) as station, station.calling() as caller:
        for number in range(3):
            await caller.send(framed(adt(f"M{number}"))[:-1])
            await caller.acks()
            await caller.send(b"\r")
        await caller.send(framed(adt("M9")))
        await caller.acks()
        kinds = [event.kind for event in station.told(Deviated)]
        assert kinds == [Deviation.NO_CR, Deviation.LATE_CR] * 3
        assert not station.listener.hosts[ADT].habits.leaves_out_cr("127.0.0.1")


async def test_a_cr_in_a_packet_of_its_own_is_no_deviation(tmp_path: Path) -> None:
    async with listening(tmp_path, lenient(LONG_S)) as station, station.calling() as caller:
        for number in range(3):
            await caller.send(framed(adt(f"M{number}"))[:-1])
            await until(lambda: any(one._framer.awaits_cr for one in station.connections))
            await caller.send(b"\r")
            await caller.acks()
        assert station.told(Deviated) == []


async def test_a_sender_that_ends_with_fs_and_shuts_its_side_is_answered(tmp_path: Path) -> None:
    async with listening(tmp_path, lenient(LONG_S)) as station, station.calling() as caller:
        await caller.send(framed(ONE)[:-1])
        caller.end()
        assert len(await caller.rest()) == 1
        await until(lambda: station.endings == [Goodbye.PEER])


async def test_a_strict_feed_does_not_take_an_fs_alone_for_an_end(tmp_path: Path) -> None:
    async with listening(tmp_path, strict()) as station, station.calling() as caller:
        await caller.send(framed(ONE)[:-1])
        await until(lambda: any(one._framer.awaits_cr for one in station.connections))
        station.clock.advance(31.0)
        [reply] = await caller.rest()
        assert b"MSA|AR|M1|" in reply
        assert station.endings[0] in (Goodbye.SLOW_BLOCK, Goodbye.TOO_SLOW)


# -- named -------------------------------------------------------------------------------------------------------------

WRONG = {
    "ssh": (b"SSH-2.0-SECRETNAME\r\n", Breach.SSH, "(16 of text)"),
    "dicom": (b"\x01\x00\x00\x00\x00\xcd\x00\x01\x00\x00SECRET", Breach.DICOM, "01 00 00 00 00 (1 of text) 00 01 00 00 (6 of text)"),
    "telnet": (b"\xff\xfd\x18", Breach.TELNET, "(2 of text) 18"),
    "x3.28": (b"\x05", Breach.X328, "05"),
    "tls": (bytes.fromhex("16030100c8010000c4"), Breach.TLS, "16 03 01 00 (1 of text) 01 00 00 (1 of text)"),
    "utf-16": ("\x0bMSH|^~\\&|A".encode("utf-16-le"), Breach.UTF16, ""),
}  # fmt: skip


@pytest.mark.parametrize(("stream", "breach", "window"), WRONG.values(), ids=WRONG)
async def test_what_is_no_mllp_is_named_with_its_bytes_but_not_its_text(
    tmp_path: Path, stream: bytes, breach: Breach, window: str
) -> None:
    async with listening(tmp_path) as station:
        for _ in range(2):
            async with station.calling() as caller:
                await caller.send(stream)
                assert await caller.rest() == []
        await until(lambda: station.endings == [breach, breach])
        gone = station.told(PeerGone)
        assert [(event.window, event.peer) for event in gone] == [(window, "127.0.0.1")] * 2
        assert [event.is_repeated for event in gone] == [False, True]
        [seen] = station.listener.report(ADT).deviations
        assert (seen.kind, seen.count, seen.window) == (breach, 2, window)


async def test_bytes_that_never_become_a_block_are_named_when_their_sender_leaves(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(b"\x00\x01hello")
            caller.end()
            await caller.rest()
        await until(lambda: bool(station.endings))
        assert station.endings == [Goodbye.NO_BLOCK]
        assert [event.window for event in station.told(PeerGone)] == ["00 01 (5 of text)"]


async def test_bytes_that_never_become_a_block_end_their_connection_in_the_time_of_a_block(tmp_path: Path) -> None:
    limits = Limits(frame_s=60.0, idle_s=LONG_S)
    async with (
        listening(tmp_path, feed(limits=limits)) as station,
        station.calling() as blanks,
        station.calling() as caller,
    ):
        await caller.send(b"hello")
        await blanks.send(b"\r\n\x00")
        await until(lambda: any(one._framer.is_noise for one in station.connections))
        station.clock.advance(61.0)
        assert await caller.rest() == []
        assert station.endings == [Goodbye.NO_BLOCK]
        await blanks.send(framed(ONE))
        assert await blanks.codes() == [b"AA"]


async def test_a_sender_that_only_connects_and_leaves_is_nothing_special(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        for _ in range(3):
            async with station.calling():
                pass
        await until(lambda: len(station.endings) == 3)
        assert set(station.endings) <= {Goodbye.PEER, Goodbye.RESET}


# -- MLLP release 2 ----------------------------------------------------------------------------------------------------

POSITIVE, NEGATIVE = STORED, NOT_STORED


async def until_ends_with(caller: Caller, end: bytes, count: int = 1) -> bytes:
    """Read until so many blocks with ``end`` have come."""
    data = b""
    with anyio.fail_after(LIMIT_S):
        while data.count(end) < count:
            data += await caller.receive()
    return data


def release2() -> Feed:
    return feed(framing=Framing(release=2))


async def test_release_2_commits_each_block_before_its_acknowledgement(tmp_path: Path) -> None:
    async with listening(tmp_path, release2()) as station, station.calling() as caller:
        for number in range(1, 4):
            await caller.send(framed(adt(f"M{number}")))
            got = await until_ends_with(caller, b"\x1c\r", 2)
            assert got.startswith(POSITIVE + b"\x0bMSH|")
            assert f"MSA|AA|M{number}\r".encode() in got
            await caller.send(POSITIVE)
        assert station.told(Deviated) == []


async def test_release_2_sends_an_acknowledgement_only_after_the_one_before_is_committed(tmp_path: Path) -> None:
    async with listening(tmp_path, release2()) as station, station.calling() as caller:
        await caller.send(framed(adt("M1", accept="AL", application="AL")))
        got = await until_ends_with(caller, b"\x1c\r", 2)
        assert got.count(b"\x1c\r") == 2
        assert b"MSA|CA|M1" in got
        await caller.send(POSITIVE)
        assert b"MSA|AA|M1" in await until_ends_with(caller, b"\x1c\r")
        await caller.send(POSITIVE)
        assert station.told(Deviated) == []


async def test_release_2_sends_an_acknowledgement_again_that_was_not_committed_and_gives_up_in_the_end(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path, release2()) as station, station.calling() as caller:
        await caller.send(framed(ONE))
        first = await until_ends_with(caller, b"\x1c\r", 2)
        for _ in range(TRIES - 1):
            await caller.send(NEGATIVE)
            assert await until_ends_with(caller, b"\x1c\r") == first.removeprefix(POSITIVE)
        await caller.send(NEGATIVE)
        assert await caller.rest() == []
        assert station.endings == [Goodbye.NOT_COMMITTED]


async def test_release_2_takes_the_next_message_for_a_missing_commit_and_counts_it(tmp_path: Path) -> None:
    async with listening(tmp_path, release2()) as station, station.calling() as caller:
        await caller.send(framed(ONE))
        await until_ends_with(caller, b"\x1c\r", 2)
        await caller.send(framed(TWO))
        assert b"MSA|AA|M2" in await until_ends_with(caller, b"\x1c\r", 2)
        assert [event.kind for event in station.told(Deviated)] == [Deviation.UNCOMMITTED]


async def test_release_2_says_that_a_block_could_not_be_stored(tmp_path: Path) -> None:
    async with listening(tmp_path, release2()) as station, station.calling() as caller:
        await caller.send(framed(ONE))
        await until_ends_with(caller, b"\x1c\r", 2)
        await caller.send(POSITIVE)
        await station.storage.spool.drain()
        host = station.listener.hosts[ADT]
        host.may_read = lambda _: True  # type: ignore[method-assign, assignment]
        host.adjust()
        await caller.send(framed(TWO))
        assert await until_ends_with(caller, b"\x1c\r") == NEGATIVE
        await station.storage.spool.open()
        await caller.send(framed(TWO))
        assert (await until_ends_with(caller, b"\x1c\r", 2)).startswith(POSITIVE)
