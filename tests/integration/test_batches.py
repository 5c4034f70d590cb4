"""Batches over real sockets: stored whole or not at all, answered in one block, each message judged by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.feed_events import Quarantined, Resent
from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.verdict import Reason
from daemon.hl7listener.text.content import BatchReply, Content
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.wire.deviation import Deviation
from daemon.hl7listener.wire.framing import Framing
from tests.support.acks import check_header_rules, read_ack
from tests.support.batches import batch, file_of, read_answer
from tests.support.builders import adt, framed
from tests.support.feeds import ADT, feed
from tests.support.listening import listening
from tests.support.spooling import Fault, ask, broken, hasten, until

pytestmark = pytest.mark.anyio

A, B = adt("A"), adt("B")
UNROUTED = adt("X").replace(b"ADT^A01", b"ZZZ^Z01")


def kept(folder: Path) -> list[tuple[str | None, bytes]]:
    """Give what is stored: reason and bytes."""
    return [(reason, data) for reason, data in ask(folder, "SELECT reason, data FROM message ORDER BY seq")]


def header_of(message: bytes) -> Header:
    header = parse_header(message)
    assert isinstance(header, Header)
    return header


def answering(reply: BatchReply = BatchReply.ALL, **more: object) -> Feed:
    """Make a feed with a choice of answers to batches."""
    return feed(content=Content(batch_reply=reply, **more))  # type: ignore[arg-type]


async def test_a_batch_becomes_its_messages_and_gets_one_block(tmp_path: Path) -> None:
    data = batch(A, B)
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(data))
        [reply] = await caller.replies()
        await until(lambda: len(station.storage.rows) == 2)
        assert [row.data for row in station.storage.rows] == [A, B]
        assert [row.data for row in await station.storage.waiting()] == [A, B]
    found = read_answer(reply)
    assert found.header[3:7] == [b"RAPP", b"RFAC", b"BAPP", b"BFAC"]
    assert found.header[7][:14].isdigit()
    assert found.header[11].startswith(b"TEST")
    assert found.header[12] == b"B1"
    assert found.total == 2
    assert [ack.msa[1:3] for ack in found.acks] == [[b"AA", b"A"], [b"AA", b"B"]]
    for ack, message in zip(found.acks, (A, B), strict=True):
        check_header_rules(ack, header_of(message))
    assert kept(tmp_path) == [("batch", data), (None, A), (None, B)]


async def test_a_file_is_answered_by_a_file(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(file_of(batch(A, B))))
        [reply] = await caller.replies()
    found = read_answer(reply)
    assert found.file is not None
    assert found.file[3:7] == [b"GAPP", b"GFAC", b"FAPP", b"FFAC"]
    assert (found.file[12], found.file_count, found.total) == (b"F1", 1, 2)


async def test_a_message_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(batch(A, UNROUTED, B)))
        [reply] = await caller.replies()
        await until(lambda: len(station.storage.rows) == 2)
        assert [event.reason for event in station.told(Quarantined)] == [Reason.TYPE]
    assert [ack.msa[1] for ack in read_answer(reply).acks] == [b"AA", b"AR", b"AA"]
    assert [reason for reason, _ in kept(tmp_path)] == ["batch", None, "type-not-routed", None]


async def test_a_feed_may_answer_only_what_it_refuses(tmp_path: Path) -> None:
    async with listening(tmp_path, answering(BatchReply.ERRORS)) as station, station.calling() as caller:
        await caller.send(framed(batch(A, UNROUTED), batch(A, B, control_id="B2")))
        some, none = await caller.replies(2)
    assert [(ack.msa[1], ack.msa[2]) for ack in read_answer(some).acks] == [(b"AR", b"X")]
    assert read_answer(some).total == 1
    assert (read_answer(none).acks, read_answer(none).total, read_answer(none).header[12]) == ([], 0, b"B2")


async def test_a_feed_may_answer_batches_with_nothing(tmp_path: Path) -> None:
    async with listening(tmp_path, answering(BatchReply.NONE)) as station, station.calling() as caller:
        await caller.send(framed(batch(A, B), adt("SINGLE")))
        [ack] = await caller.acks()
        assert ack.msa[2] == b"SINGLE"
        await until(lambda: len(station.storage.rows) == 3)


async def test_messages_that_ask_for_no_acknowledgement_get_no_block(tmp_path: Path) -> None:
    silent = adt("N", accept="NE", application="NE")
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(batch(silent), adt("SINGLE")))
        [ack] = await caller.acks()
        assert ack.msa[2] == b"SINGLE"


async def test_accept_and_application_acknowledgements_stand_side_by_side(tmp_path: Path) -> None:
    both = adt("N", accept="AL", application="AL")
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(batch(both)))
        [reply] = await caller.replies()
    found = read_answer(reply)
    assert [ack.msa[1] for ack in found.acks] == [b"CA", b"AA"]
    assert found.total == 2


async def test_a_batch_that_comes_again_gets_the_same_bytes_and_makes_no_second_task(tmp_path: Path) -> None:
    data = framed(batch(A, B))
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(data)
            first = await caller.replies()
        async with station.calling() as caller:
            await caller.send(data)
            assert await caller.replies() == first
        assert len(station.told(Resent)) == 1
        assert len(station.storage.rows) == 2
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(data)
        assert await caller.replies() == first
        assert station.storage.rows == []
    assert len(kept(tmp_path)) == 3


async def test_a_message_that_came_by_itself_before_makes_no_second_task(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(A))
        await caller.acks()
        await caller.send(framed(batch(A, B)))
        [reply] = await caller.replies()
        await until(lambda: len(station.storage.rows) == 2)
        assert [row.data for row in station.storage.rows] == [A, B]
    assert [ack.msa[1] for ack in read_answer(reply).acks] == [b"AA", b"AA"]
    assert [data for _, data in kept(tmp_path)].count(A) == 1


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (batch(A, B, count=3), b"AE", "batch-count-wrong"),
        (batch(b"PID|1||lost\r", A, count=1), b"AR", "batch-not-cut"),
        (batch(*(adt(f"M{number}") for number in range(6))), b"AR", "batch-over-the-limit"),
    ],
)
async def test_a_batch_that_cannot_be_trusted_is_refused_whole(
    tmp_path: Path, data: bytes, code: bytes, reason: str
) -> None:
    async with listening(tmp_path, answering(batch_limit=5)) as station, station.calling() as caller:
        await caller.send(framed(data))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [code, b"B1"]
        assert ack.msh[3:7] == [b"RAPP", b"RFAC", b"BAPP", b"BFAC"]
        assert [event.reason.value for event in station.told(Quarantined)] == [reason]
        await caller.send(framed(adt("NEXT")))
        assert await caller.codes() == [b"AA"]
        assert [row.data for row in station.storage.rows] == [adt("NEXT")]
    assert kept(tmp_path)[0] == (reason, data)


async def test_a_batch_that_answers_one_is_never_answered(tmp_path: Path) -> None:
    ack = b"MSH|^~\\&|A|B|C|D|2026||ACK|R1|P|2.5\rMSA|AA|M1\r"
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(
            framed(batch(ack), batch(reference="OURS"), batch(A, count=9, reference="OURS"), adt("SINGLE"))
        )
        [answer] = await caller.acks()
        assert answer.msa[2] == b"SINGLE"


async def test_a_feed_that_never_answers_answers_no_batch(tmp_path: Path) -> None:
    async with listening(tmp_path, feed(ack=AckMode.NONE)) as station, station.calling() as caller:
        await caller.send(framed(batch(A, B), batch(A, count=7)))
        await until(lambda: len(station.storage.rows) == 2)
        await until(lambda: len(station.told(Quarantined)) == 1)
        caller.end()
        assert await caller.rest() == []


async def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    fault = Fault("commit.before", broken)
    async with listening(tmp_path, at=fault) as station, station.calling() as caller:
        await caller.send(framed(batch(A, B)))
        assert await caller.rest() == []
    assert kept(tmp_path) == []


async def test_the_sender_of_a_batch_without_its_end_is_told_of(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(batch(A, trailer=False)))
        [reply] = await caller.replies()
        assert [ack.msa[1] for ack in read_answer(reply).acks] == [b"AA"]
        [seen] = station.listener.report(ADT).deviations
        assert seen.kind is Deviation.NO_TRAILER
        assert seen.advice


async def test_a_very_large_batch_is_stored_whole_and_every_message_of_it_answered(tmp_path: Path) -> None:
    count = 5000
    data = batch(*(adt(f"M{number}") for number in range(count)))
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(data))
        [reply] = await caller.replies()
        await until(lambda: len(station.storage.rows) == count)
    found = read_answer(reply)
    assert found.total == count
    assert [ack.msa[2] for ack in found.acks] == [f"M{number}".encode() for number in range(count)]


async def test_two_equal_messages_of_a_batch_are_one_task(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(batch(A, A, B)))
        [reply] = await caller.replies()
        await until(lambda: len(station.storage.rows) == 2)
    assert [ack.msa[1:3] for ack in read_answer(reply).acks] == [[b"AA", b"A"], [b"AA", b"A"], [b"AA", b"B"]]
    assert [data for _, data in kept(tmp_path)].count(A) == 1


async def test_damaged_text_that_a_feed_keeps_is_counted_and_named(tmp_path: Path) -> None:
    damaged = adt(msh="MSH|^~\\&|A|B|||2026||ADT^A01|D|P|2.5||||||UNICODE UTF-8").replace(b"GIVEN", b"\xe4")
    async with listening(tmp_path, answering(keeps_damaged=True)) as station, station.calling() as caller:
        await caller.send(framed(damaged, batch(damaged.replace(b"|D|", b"|E|"))))
        first, _ = await caller.replies(2)
        assert read_ack(first).msa[1:3] == [b"AA", b"D"]
        [seen] = station.listener.report(ADT).deviations
        assert (seen.kind, seen.count) == (Deviation.CHARSET, 2)


async def test_several_messages_in_one_block_are_each_a_task_and_each_answered(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(A + UNROUTED + B))
        acks = await caller.acks(3)
        await until(lambda: len(station.storage.rows) == 2)
        assert [row.data for row in station.storage.rows] == [A, B]
        [seen] = station.listener.report(ADT).deviations
        assert (seen.kind, seen.count) == (Deviation.SEVERAL, 1)
    assert [ack.msa[1:3] for ack in acks] == [[b"AA", b"A"], [b"AR", b"X"], [b"AA", b"B"]]


async def test_a_strict_feed_refuses_several_messages_in_one_block(tmp_path: Path) -> None:
    async with listening(tmp_path, feed(framing=Framing(is_strict=True))) as station, station.calling() as caller:
        await caller.send(framed(A + B))
        [ack] = await caller.acks()
        assert ack.msa[1:3] == [b"AR", b"A"]
        check_header_rules(ack, header_of(A))
        assert station.storage.rows == []
    assert kept(tmp_path) == [("batch-not-cut", A + B)]
