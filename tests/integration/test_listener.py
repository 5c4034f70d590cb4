"""What senders send and what they get: the real listener and spool over raw sockets."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest

from daemon.feed_events import Answered, ConnectionCrashed, Deviated, Quarantined, Resent
from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.judging.finding import Disposition, Reason
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.wire.connection import Goodbye
from daemon.hl7listener.wire.framer import NOISE_LIMIT_BYTES, PREFIX_BYTES, Breach, Deviation
from daemon.hl7listener.wire.framing import Limits
from tests.support.acks import check_header_rules
from tests.support.builders import adt, framed
from tests.support.feeds import feed
from tests.support.listening import CONTROL_PREFIX, Station, listening
from tests.support.spooling import LIMIT_S, ask, until

pytestmark = pytest.mark.anyio

BLOCK_LIMIT = 16 * 1024 * 1024
ROUTED, PARKED, QUARANTINED, _ = (disposition.value for disposition in Disposition)


def header_of(message: bytes) -> Header:
    header = parse_header(message)
    assert isinstance(header, Header)
    return header


def padded(size_bytes: int, control_id: str = "BIG") -> bytes:
    """Write a message of exactly so many bytes."""
    message = adt(control_id) + b"NTE|1||"
    return message + b"x" * (size_bytes - len(message) - 1) + b"\r"


def kept(folder: Path) -> list[tuple[int, str | None, bytes]]:
    """Give what is stored: disposition, reason and bytes."""
    return [
        (how, why, data) for how, why, data in ask(folder, "SELECT disposition, reason, data FROM message ORDER BY seq")
    ]


async def still_serves(station: Station, control_id: str = "NEXT") -> None:
    """The next connection works."""
    async with station.calling() as caller:
        await caller.send(framed(adt(control_id)))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AA", control_id.encode()]


# -- however the bytes come --------------------------------------------------------------------------------------------


async def test_a_message_that_comes_one_byte_a_packet_is_stored_and_answered(tmp_path: Path) -> None:
    message = adt("M1")
    async with listening(tmp_path) as station, station.calling() as caller:
        for byte in framed(message):
            await caller.send(bytes((byte,)))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AA", b"M1"]
        check_header_rules(ack, header_of(message))
    assert kept(tmp_path) == [(ROUTED, None, message)]


async def test_ten_thousand_pipelined_messages_are_answered_in_order(tmp_path: Path) -> None:
    count = 10_000
    stream = framed(*(adt(f"M{number}") for number in range(count)))
    async with listening(tmp_path) as station, station.calling() as caller:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(caller.send, stream)
            acks = await caller.acks(count)
        assert [(ack.msa[1], ack.msa[2]) for ack in acks] == [(b"AA", f"M{number}".encode()) for number in range(count)]
        assert len({ack.msh[10] for ack in acks}) == count
        assert [row.seq for row in station.storage.rows] == list(range(1, count + 1))
        assert len(kept(tmp_path)) == count
        assert station.held_bytes == 0


async def test_two_senders_whose_packets_interleave_do_not_mix(tmp_path: Path) -> None:
    one, two = framed(adt("M1")), framed(adt("M2"))
    async with listening(tmp_path) as station, station.calling() as first, station.calling() as second:
        await first.send(one[:100])
        await second.send(two[:50])
        await first.send(one[100:])
        assert (await first.acks())[0].msa[2] == b"M1"
        await second.send(two[50:])
        assert (await second.acks())[0].msa[2] == b"M2"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_message_with_other_line_ends_is_read_and_kept_as_it_came(tmp_path: Path, end: str) -> None:
    message = adt("M1", end=end)
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(message))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AA", b"M1"]
    assert kept(tmp_path) == [(ROUTED, None, message)]


async def test_a_sender_that_strays_from_the_framing_is_understood_and_reported(tmp_path: Path) -> None:
    stream = b"noise" + framed(adt("M1"))[:-1] + b"\n" + b"\x0b" + framed(adt("M2"))[:-1] + framed(adt("M3"))
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(stream)
        assert [ack.msa[2] for ack in await caller.acks(3)] == [b"M1", b"M2", b"M3"]
        assert {event.kind for event in station.told(Deviated)} == {
            Deviation.NOISE,
            Deviation.LF_END,
            Deviation.DOUBLE_START,
            Deviation.NO_CR,
        }


async def test_a_message_is_whole_when_its_sender_breaks_the_connection_right_after_it(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(framed(adt("M1")))
            await caller.replies()
            await caller.send(framed(adt("M2")) + framed(adt("M3"))[:40])
            await until(lambda: len(station.storage.rows) == 2)
            caller.reset()
        await until(lambda: bool(station.endings))
        assert station.held_bytes == 0
        async with station.calling() as caller:
            await caller.send(framed(adt("M2"), adt("M3")))
            assert await caller.codes(2) == [b"AA", b"AA"]
        assert len(station.told(Resent)) == 1
    assert [data for _, _, data in kept(tmp_path)] == [adt("M1"), adt("M2"), adt("M3")]


async def test_a_sender_that_shuts_its_side_after_the_last_message_still_gets_its_answers(tmp_path: Path) -> None:
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(framed(*(adt(f"M{number}") for number in range(500))))
            caller.end()
            replies = await caller.rest()
        assert len(replies) == 500
        await until(lambda: bool(station.endings))
        assert station.endings == [Goodbye.PEER]
        await still_serves(station)


# -- how large it may be -----------------------------------------------------------------------------------------------


async def test_a_message_of_the_largest_size_is_accepted_and_one_byte_more_is_refused_on_a_connection_that_goes_on(
    tmp_path: Path,
) -> None:
    largest, larger = padded(BLOCK_LIMIT), padded(BLOCK_LIMIT + 1, "BIGGER")
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(largest))
        assert await caller.codes() == [b"AA"]
        await caller.send(framed(larger))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AR", b"BIGGER"]
        assert ack.err is not None
        assert ack.err[3] == b"207^Application internal error^HL70357"
        await caller.send(framed(adt("SMALL")))
        assert await caller.codes() == [b"AA"]
        assert [event.reason for event in station.told(Quarantined)] == [Reason.TOO_LARGE]
        assert station.held_bytes == 0
    assert kept(tmp_path) == [
        (ROUTED, None, largest),
        (QUARANTINED, "over-the-limit", larger[:PREFIX_BYTES]),
        (ROUTED, None, adt("SMALL")),
    ]


async def test_a_block_without_end_is_refused_and_its_connection_closed(tmp_path: Path) -> None:
    limit = 50_000
    async with listening(tmp_path, feed(limits=Limits(frame_bytes=limit))) as station:
        async with station.calling() as caller:
            await caller.send(b"\x0b" + padded(2 * limit + 1))
            [reply] = await caller.rest()
        assert b"MSA|AR|BIG" in reply
        assert station.endings == [Breach.ENDLESS]
        assert station.held_bytes == 0
        await still_serves(station)


# -- what is no message ------------------------------------------------------------------------------------------------

HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
FOREIGN = {
    "a TLS handshake": (HELLO, Breach.TLS),
    "PROXY": (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n", Breach.PROXY),
    "PROXY, version 2": (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12), Breach.PROXY),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Breach.HTTP),
    "noise": (b"x" * (NOISE_LIMIT_BYTES + 1), Breach.NOISE),
    "NULs": (bytes(NOISE_LIMIT_BYTES + 1), Breach.NOISE),
} | {
    method: (f"{method} /hl7 HTTP/1.1\r\nHost: feed\r\n\r\n".encode(), Breach.HTTP)
    for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE")
}  # fmt: skip


@pytest.mark.parametrize(("opening", "breach"), FOREIGN.values(), ids=FOREIGN)
async def test_another_protocol_is_closed_with_its_name_and_without_an_answer(
    tmp_path: Path, opening: bytes, breach: Breach
) -> None:
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(opening)
            assert await caller.rest() == []
        await until(lambda: bool(station.endings))
        assert station.endings == [breach]
        await still_serves(station)
    assert [data for _, _, data in kept(tmp_path)] == [adt("NEXT")]


NO_MESSAGES = {
    "empty": (b"", "empty-block"),
    "NULs": (bytes(100), "no-msh"),
    "line ends": (b"\r\n\r", "empty-block"),
    "text": (b"hello", "no-msh"),
    "half a header": (b"MSH", "no-msh"),
    "doubled delimiters": (b"MSH|^^^^|A\r", "bad-delimiters"),
    "letters as delimiters": (b"MSHabcde|X\r", "bad-delimiters"),
}


@pytest.mark.parametrize(("data", "reason"), NO_MESSAGES.values(), ids=NO_MESSAGES)
async def test_a_block_that_is_no_message_is_rejected_kept_and_the_connection_goes_on(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(data))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AR", b""]
        assert ack.err is not None
        assert ack.err[3].startswith(b"100^")
        assert [event.reason.value for event in station.told(Quarantined)] == [reason]
        await caller.send(framed(adt("M2")))
        assert await caller.codes() == [b"AA"]
    assert kept(tmp_path)[0] == (QUARANTINED, reason, data)


async def test_nuls_inside_a_message_are_kept(tmp_path: Path) -> None:
    message = adt("M1", ward="\x00\x00")
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(message))
        assert await caller.codes() == [b"AA"]
    assert kept(tmp_path) == [(ROUTED, None, message)]


@pytest.mark.parametrize("seed", range(8))
async def test_any_garbage_is_answered_or_ends_its_own_connection_and_no_other(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    pieces = [
        b"\x0b",
        b"\x1c\r",
        b"\x1c",
        b"MSH|^~\\&|",
        b"\r",
        b"\n",
        b"|",
        bytes(3),
        chance.randbytes(300),
        adt("M1"),
    ]
    async with listening(tmp_path) as station:
        async with station.calling() as other, station.calling() as caller:
            await caller.send(b"".join(chance.choice(pieces) for _ in range(500)) + chance.randbytes(5000))
            caller.end()
            await caller.rest()
            await other.send(framed(adt("M2")))
            assert await other.codes() == [b"AA"]
        assert station.told(ConnectionCrashed) == []
        assert station.held_bytes == 0


async def test_a_bug_met_in_a_message_ends_that_connection_alone(tmp_path: Path) -> None:
    hits = iter((True,))

    def at(point: str) -> None:
        if point == "frame.complete" and next(hits, False):
            raise ZeroDivisionError

    async with listening(tmp_path, at=at) as station, station.calling() as other:
        async with station.calling() as caller:
            await caller.send(framed(adt("M1")))
            assert await caller.rest() == []
        await until(lambda: bool(station.endings))
        assert station.endings == [Goodbye.BUG]
        [crash] = station.told(ConnectionCrashed)
        assert crash.error == "ZeroDivisionError"
        await other.send(framed(adt("M1")))
        assert await other.codes() == [b"AA"]


# -- the answers -------------------------------------------------------------------------------------------------------

ODD = b"MSH$%~\\@$APP%1.2.3%ISO$FAC$OUR%APP$OUR%FAC$20261122$$ADT%A04%ADT_A01$ODD-1$P%A$2.6$$$$$$UNICODE UTF-8\rPID$1\r"


async def test_an_answer_is_written_in_the_senders_delimiters(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(ODD))
        [reply] = await caller.replies()
    stamp = reply.split(b"$")[6]
    assert reply == (
        b"MSH$%~\\@$OUR%APP$OUR%FAC$APP%1.2.3%ISO$FAC$" + stamp + b"$$ACK%A04%ACK$" + CONTROL_PREFIX.encode()
        + b"1$P%A$2.6$$$$$$UNICODE UTF-8\rMSA$AA$ODD-1\r"
    )  # fmt: skip


async def test_a_message_that_asks_for_both_acknowledgements_gets_both_in_their_order(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("M1", accept="AL", application="AL"), adt("M2", accept="AL"), adt("M3")))
        acks = await caller.acks(4)
        assert [(ack.msa[1], ack.msa[2]) for ack in acks] == [
            (b"CA", b"M1"), (b"AA", b"M1"), (b"CA", b"M2"), (b"AA", b"M3")
        ]  # fmt: skip


async def test_a_message_that_wants_no_answer_is_stored_and_gets_none(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("M1", accept="NE", application="NE"), adt("M2")))
        [ack] = await caller.acks()
        assert ack.msa[2] == b"M2"
        assert [event.code for event in station.told(Answered)] == ["", "AA"]
    assert len(kept(tmp_path)) == 2


async def test_a_feed_that_never_answers_stores_all_the_same(tmp_path: Path) -> None:
    async with listening(tmp_path, feed(ack=AckMode.NONE)) as station, station.calling() as caller:
        await caller.send(framed(adt("M1"), adt("M2")))
        await until(lambda: len(station.storage.rows) == 2)
        caller.end()
        assert await caller.rest() == []


async def test_an_acknowledgement_is_never_answered(tmp_path: Path) -> None:
    ack = b"MSH|^~\\&|A|B|C|D|20261122||ACK|X1|P|2.5\rMSA|AA|M0\r"
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(ack, adt("M1")))
        assert [one.msa[2] for one in await caller.acks()] == [b"M1"]
    assert kept(tmp_path)[0] == (PARKED, "is-an-acknowledgement", ack)


async def test_a_resend_gets_the_same_bytes_on_another_connection_and_after_a_restart(tmp_path: Path) -> None:
    replies = []
    for _ in range(2):
        async with listening(tmp_path) as station:
            for _ in range(2):
                async with station.calling() as caller:
                    await caller.send(framed(adt("M1")))
                    replies += await caller.replies()
            station.clock.advance(3600)
    assert len(replies) == 4
    assert len(set(replies)) == 1
    assert len(kept(tmp_path)) == 1


async def test_an_answer_comes_only_after_the_commit(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def at(point: str) -> None:
        if point in ("commit.before", "ack.before"):
            seen.append((point, len(kept(tmp_path))))

    async with listening(tmp_path, at=at) as station, station.calling() as caller:
        with anyio.fail_after(LIMIT_S):
            await caller.send(framed(adt("M1")))
            await caller.acks()
    assert seen[:2] == [("commit.before", 0), ("ack.before", 1)]
