"""What is stored beside a message, in the same commit or not at all: batches, counts, answers to come, control ids used again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.hl7listener.judging.finding import Disposition, Finding, Reason, Verdict
from daemon.hl7listener.spool import Arrival, Flag, NotStored, SequenceNumber, Stored
from daemon.hl7listener.spool.check import ANSWER, Damage
from daemon.hl7listener.spool.rows import WhyNot
from daemon.hl7listener.spool.schema import connect
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import START_US
from tests.support.feeds import ADT, arrival
from tests.support.spooling import CappedDatabase, Fault, arrivals, ask, broken, change, numbers, settled, spooling

pytestmark = pytest.mark.anyio

CARRIED = Finding(Disposition.PARKED, Verdict.ACCEPT, None, Reason.TYPE)


def batch(*members: Arrival, name: bytes = b"1") -> Arrival:
    """Make a batch of arrivals."""
    data = b"BHS|" + name + b"\r" + b"".join(one.data for one in members)
    return Arrival(ADT, START_US, data, b"the reply", CARRIED, members=members)


# -- batches -----------------------------------------------------------------------------------------------------------


async def test_a_batch_is_stored_with_its_messages_and_these_are_handed_on_in_order(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        whole = batch(*arrivals(300))
        answers = await settled(running.begin(arrival(adt("M0")), whole, arrival(adt("M999"))))
        assert answers == [
            Stored(1, arrival(adt("M0")).ack),
            Stored(2, b"the reply"),
            Stored(303, arrival(adt("M999")).ack),
        ]
        assert [row.seq for row in running.rows] == [1, *range(3, 304)]
        assert {row.origin_seq for row in running.rows[1:-1]} == {2}
        assert [row.data for row in await running.waiting()] == [row.data for row in running.rows]
    assert ask(tmp_path, "SELECT flags, count(*) FROM message GROUP BY flags ORDER BY flags") == [
        (0, 2),
        (Flag.CARRIER.value, 1),
        (Flag.MEMBER.value, 300),
    ]


async def test_a_batch_that_comes_again_gets_its_first_reply_and_makes_no_task(tmp_path: Path) -> None:
    whole = batch(*arrivals(3))
    async with spooling(tmp_path) as running:
        await running.stored(whole)
        for again in (whole._replace(ack=b"another reply"), whole):
            assert await running.stored(again) == [Stored(1, b"the reply", is_resend=True)]
        await running.stored(whole, whole)
        assert len(running.rows) == 3
    assert numbers(tmp_path) == [1, 2, 3, 4]


async def test_a_message_that_came_before_by_itself_is_not_stored_again_with_a_batch(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(1, 2))
        await running.stored(batch(*arrivals(3)))
        assert [row.data for row in running.rows] == [arrivals(1, number)[0].data for number in (2, 1, 3)]


async def test_a_batch_whose_commit_fails_leaves_nothing(tmp_path: Path) -> None:
    async with spooling(tmp_path, at=Fault("commit.before", broken)) as running:
        assert await running.store(batch(*arrivals(200))) == [NotStored()]
        assert running.rows == []
    assert numbers(tmp_path) == []


async def test_a_batch_for_which_the_room_is_not_enough_leaves_nothing(tmp_path: Path) -> None:
    database = CappedDatabase(1000)
    async with spooling(tmp_path, connect=database) as running:
        await running.stored(*arrivals(1))
        [[pages]] = ask(tmp_path, "PRAGMA page_count")
        database.cap(pages + 12)
        assert await running.store(batch(*arrivals(200, 2))) == [NotStored(WhyNot.FULL)]
        assert [row.seq for row in running.rows] == [1]
    assert numbers(tmp_path) == [1]


TOGETHER = {
    "a batch": batch(*arrivals(3)),
    "a count": arrival(adt("N1"))._replace(sequence=SequenceNumber("LAB", 1, None)),
    "an answer to come": arrival(adt("M1"))._replace(pending="{}"),
}


@pytest.mark.parametrize("one", TOGETHER.values(), ids=TOGETHER)
async def test_what_belongs_together_is_written_in_one_transaction(tmp_path: Path, one: Arrival) -> None:
    said: list[str] = []

    def traced(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_trace_callback(said.append)
        return connection

    async with spooling(tmp_path, connect=traced) as running:
        await running.stored(*arrivals(1, 9))
        said.clear()
        await running.stored(one)
        written = [words.split()[0] for words in said if words.startswith(("BEGIN", "INSERT", "COMMIT"))]
    assert written[0] == "BEGIN"
    assert "INSERT" in written
    assert written.index("COMMIT") == len(written) - 1


# -- control ids that are used again -----------------------------------------------------------------------------------


async def test_a_control_id_used_for_another_content_is_flagged_wherever_the_first_one_is(tmp_path: Path) -> None:
    first, other, third = (arrival(adt("M1", ward=ward)) for ward in ("ICU", "ER", "OR"))
    async with spooling(tmp_path) as running:
        answers = await running.stored(first, other)
        assert [answer.is_reused for answer in answers] == [False, True]
        assert [answer.is_reused for answer in await running.stored(third)] == [True]
        assert [answer.is_resend for answer in await running.stored(first, other, third)] == [True] * 3
        assert [answer.is_reused for answer in await running.stored(*arrivals(5, 2))] == [False] * 5
        assert len(running.rows) == 8
    assert ask(tmp_path, "SELECT count(*) FROM message WHERE flags & 1") == [(2,)]


async def test_where_a_control_id_must_not_be_used_again_the_other_content_is_refused_and_kept(tmp_path: Path) -> None:
    first, other = (arrival(adt("M1", ward=ward)) for ward in ("ICU", "ER"))
    strict = other._replace(ack_if_reused=b"refused")
    async with spooling(tmp_path) as running:
        assert [answer.ack for answer in await running.stored(first, strict)] == [first.ack, b"refused"]
        assert await running.stored(strict) == [Stored(2, b"refused", is_resend=True)]
        assert [row.seq for row in running.rows] == [1]
        unlike = arrival(adt("M2"))._replace(ack_if_reused=b"refused")
        assert [answer.ack for answer in await running.stored(unlike)] == [unlike.ack]
    assert ask(tmp_path, "SELECT disposition, reason FROM message WHERE seq = 2") == [
        (Disposition.QUARANTINED.value, "control-id-reused")
    ]


# -- counted messages --------------------------------------------------------------------------------------------------


async def test_a_counted_message_is_stored_only_behind_the_one_it_follows(tmp_path: Path) -> None:
    def counted(number: int, after: int | None) -> Arrival:
        return arrival(adt(f"N{number}"))._replace(sequence=SequenceNumber("LAB", number, after))

    async with spooling(tmp_path) as running:
        assert len(await running.stored(counted(1, None), counted(2, 1))) == 2
        assert await running.store(counted(4, 3)) == [NotStored()]
        [again] = await running.stored(counted(2, 1))
        assert again.is_resend
        assert (await running.spool.reader.sequences(ADT)) == {"LAB": 2}
    async with spooling(tmp_path) as running:
        assert await running.store(counted(4, 3)) == [NotStored()]
        assert len(await running.stored(counted(3, 2))) == 1
        assert (await running.spool.reader.sequences(ADT)) == {"LAB": 3}
    assert len(numbers(tmp_path)) == 3


# -- answers to come ---------------------------------------------------------------------------------------------------


async def test_an_answer_that_comes_later_is_what_a_resend_gets_also_after_a_restart(tmp_path: Path) -> None:
    one = arrival(adt("M1"))._replace(pending='{"until": 7}')
    told: list[bool] = []
    async with spooling(tmp_path) as running:
        assert await running.stored(one) == [Stored(1, one.ack)]
        assert await running.stored(one) == [Stored(1, one.ack, is_resend=True, is_pending=True)]
    async with spooling(tmp_path) as running:
        [waiting] = await running.spool.reader.pending(ADT)
        assert (waiting.seq, waiting.note, waiting.data, waiting.ack) == (1, '{"until": 7}', one.data, one.ack)
        running.spool.answered(1, b"in the end", told.append)
        assert await running.stored(one) == [Stored(1, b"in the end", is_resend=True)]
        assert told == [True]
        assert await running.spool.reader.pending(ADT) == []
    async with spooling(tmp_path) as running:
        assert await running.stored(one) == [Stored(1, b"in the end", is_resend=True)]
        await running.spool.drain()
        running.spool.answered(1, b"too late", told.append)
        await settled([])
    async with spooling(tmp_path) as running:
        assert told == [True, False]


async def test_a_later_answer_that_changed_on_the_disk_is_not_sent(tmp_path: Path) -> None:
    one = arrival(adt("M1"))._replace(pending="{}")
    told: list[bool] = []
    async with spooling(tmp_path) as running:
        await running.stored(one)
        running.spool.answered(1, b"in the end", told.append)
        assert await running.stored(one) == [Stored(1, b"in the end", is_resend=True)]
    change(tmp_path, "UPDATE answer SET ack = ?", b"in the eno")
    async with spooling(tmp_path) as running:
        assert await running.stored(one) == [Stored(1, one.ack, is_resend=True)]
        damages, _ = await running.spool.reader.inspect(0, 10)
        assert damages == [Damage(ANSWER, 1, 1)]


# -- copies made by hand -----------------------------------------------------------------------------------------------


async def test_a_replay_is_a_message_of_its_own_and_lets_its_original_go(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        [one] = arrivals(1)
        await running.stored(one)
        running.spool.park(1, Public("no worker could take it"))
        copy = one._replace(flags=Flag.REPLAY, origin_seq=1, received_us=START_US + 5)
        [stored] = await running.stored(copy)
        assert not stored.is_resend
        assert [row.origin_seq for row in running.rows] == [0, 1]
        reader = running.spool.reader
        assert await reader.copied(ADT, stored.seq) == {1}
        assert await reader.copied(ADT, stored.seq - 1) == frozenset()
        again = await reader.fetch_one(1)
        assert again is not None
        assert again.data == one.data
        assert await reader.fetch_one(77) is None
        running.spool.release(1)
        await running.stored(*arrivals(1, 9))
        assert await reader.parked(ADT) == []
