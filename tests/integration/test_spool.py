"""What is stored, what is met again, and what is handed on: the real spool, with its files and its thread."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.events import Committed
from daemon.hl7listener.judging.finding import Disposition, judge
from daemon.hl7listener.spool import Stored, messages, writer
from daemon.hl7listener.spool.rows import identity_of
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import START_US
from tests.support.feeds import ADT, arrival, feed, route
from tests.support.spooling import Gate, arrivals, ask, settled, spooling, until

pytestmark = pytest.mark.anyio

HIGHEST = (1 << 63) - 1


def seqs(answers: list[Stored]) -> list[int]:
    return [answer.seq for answer in answers]


# -- storing -----------------------------------------------------------------------------------------------------------


async def test_what_came_in_the_round_in_which_the_spool_is_drained_is_stored_too(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        answers = running.begin(*arrivals(5))
        await running.spool.drain()
        assert [answer.seq for answer in await settled(answers) if isinstance(answer, Stored)] == [1, 2, 3, 4, 5]


async def test_an_arrival_is_on_disk_when_it_is_answered(tmp_path: Path) -> None:
    one = arrival(adt("M1"))
    async with spooling(tmp_path) as running:
        [answer] = await running.stored(one)
        assert answer == Stored(1, one.ack)
        assert ask(tmp_path, "SELECT seq, feed, received_us, data, ack FROM message") == [
            (1, "adt", START_US, one.data, one.ack)
        ]


async def test_what_waits_while_a_group_is_written_is_committed_as_one_group_and_answered_in_order(
    tmp_path: Path,
) -> None:
    gate = Gate("commit.before")
    async with spooling(tmp_path, at=gate) as running:
        first = running.begin(arrival(adt("M0")))
        await until(gate.reached.is_set)
        rest = running.begin(*arrivals(40))
        gate.opened.set()
        answers = await settled([*first, *rest])
        assert [event.count for event in running.told(Committed)] == [1, 40]
    assert [answer.seq for answer in answers if isinstance(answer, Stored)] == list(range(1, 42))


async def test_while_an_arrival_is_on_its_way_to_the_disk_it_has_the_right_of_way(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    async with spooling(tmp_path, at=gate) as running:
        taken = [running.spool.way.is_taken]
        first = running.begin(arrival(adt("M0")))
        taken.append(running.spool.way.is_taken)
        await until(gate.reached.is_set)
        rest = running.begin(*arrivals(40))
        gate.opened.set()
        taken.append(running.spool.way.is_taken)
        await settled([*first, *rest])
        taken.append(running.spool.way.is_taken)
    assert taken == [False, True, True, False]


async def test_a_group_is_bounded_in_rows_and_in_bytes(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    async with spooling(tmp_path, at=gate) as running:
        first = running.begin(arrival(adt("M0")))
        await until(gate.reached.is_set)
        large = [arrival(adt(f"L{number}", ward="W" * (writer.GROUP_BYTES // 2))) for number in range(3)]
        rest = running.begin(*arrivals(writer.GROUP_ROWS + 1), *large)
        gate.opened.set()
        await settled([*first, *rest])
        assert [event.count for event in running.told(Committed)] == [1, writer.GROUP_ROWS, 3, 1]


async def test_stored_messages_are_handed_on_in_order_with_their_judgement(tmp_path: Path) -> None:
    sent = arrivals(100)
    async with spooling(tmp_path) as running:
        await running.stored(*sent)
        assert [row.seq for row in running.rows] == list(range(1, 101))
        assert [row.data for row in running.rows] == [one.data for one in sent]
        assert all(row.finding is one.finding for row, one in zip(running.rows, sent, strict=True))
        assert [row.data for row in await running.waiting()] == [one.data for one in sent]


async def test_a_refused_block_is_kept_whole_with_its_reason_and_is_not_handed_on(tmp_path: Path) -> None:
    refused = [arrival(data) for data in (b"", b"no header\r", adt("", version="2.5"), adt("M4", version="3.0"))]
    async with spooling(tmp_path) as running:
        await running.stored(*refused)
        assert running.rows == []
        assert await running.waiting() == []
    assert ask(tmp_path, "SELECT disposition, reason, data FROM message ORDER BY seq") == [
        (Disposition.QUARANTINED.value, reason, one.data)
        for one, reason in zip(refused, ("empty-block", "no-msh", "no-control-id", "version-not-2"), strict=True)
    ]


async def test_a_message_no_route_wants_is_kept_and_is_not_handed_on_where_the_feed_parks_it(tmp_path: Path) -> None:
    parking = feed(route(["ORU"]), parks_unrouted=True)
    async with spooling(tmp_path) as running:
        await running.stored(arrival(adt("M1"), parking))
        assert running.rows == []
    assert ask(tmp_path, "SELECT disposition, reason FROM message") == [
        (Disposition.PARKED.value, "type-not-routed"),
    ]


# -- meeting again -----------------------------------------------------------------------------------------------------


async def test_the_same_bytes_again_get_the_first_answer_and_make_no_second_row(tmp_path: Path) -> None:
    one = arrival(adt("M1"))
    again = one._replace(ack=b"another answer", received_us=START_US + 1)
    async with spooling(tmp_path) as running:
        assert await running.stored(one) == [Stored(1, one.ack)]
        assert await running.stored(again) == [Stored(1, one.ack, is_resend=True)]
        assert [row.seq for row in running.rows] == [1]
    async with spooling(tmp_path) as running:
        assert await running.stored(again) == [Stored(1, one.ack, is_resend=True)]
        assert running.rows == []
    assert ask(tmp_path, "SELECT count(*) FROM message") == [(1,)]


async def test_the_same_bytes_twice_in_one_group_are_one_message(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    one = arrival(adt("M1"))
    async with spooling(tmp_path, at=gate) as running:
        first = running.begin(arrival(adt("M0")))
        await until(gate.reached.is_set)
        rest = running.begin(one, one._replace(ack=b"another answer"), arrival(adt("M2")))
        gate.opened.set()
        assert (await settled([*first, *rest]))[1:] == [
            Stored(2, one.ack),
            Stored(2, one.ack, is_resend=True),
            Stored(4, arrival(adt("M2")).ack),
        ]
        assert [row.seq for row in running.rows] == [1, 2, 4]


async def test_the_same_control_id_with_other_content_is_another_message(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        answers = await running.stored(arrival(adt("M1", ward="ICU")), arrival(adt("M1", ward="ER")))
        assert [(answer.seq, answer.is_resend) for answer in answers] == [(1, False), (2, False)]
        assert [row.seq for row in running.rows] == [1, 2]


async def test_the_same_bytes_on_another_feed_are_another_message(tmp_path: Path) -> None:
    other = feed(name=Public("other"))
    async with spooling(tmp_path) as running:
        answers = await running.stored(arrival(adt("M1")), arrival(adt("M1"), other))
        assert [answer.is_resend for answer in answers] == [False, False]


async def test_a_refused_block_is_accepted_once_the_settings_allow_it(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(arrival(adt("M1"), feed(route(["ORU"]))))
        [answer] = await running.stored(arrival(adt("M1")))
        assert not answer.is_resend
        assert b"MSA|AA|M1" in answer.ack
        assert [row.seq for row in running.rows] == [answer.seq]


async def test_an_accepted_message_keeps_its_answer_whatever_the_settings_say_later_and_however_often_it_is_sent(
    tmp_path: Path,
) -> None:
    one = arrival(adt("M1"))
    refused = arrival(adt("M1"), feed(route(["ORU"])))
    async with spooling(tmp_path) as running:
        await running.stored(one)
        for _ in range(3):
            assert await running.stored(refused) == [Stored(1, one.ack, is_resend=True)]
        assert [row.seq for row in running.rows] == [1]


# -- identities that collide -------------------------------------------------------------------------------------------


@pytest.fixture
def colliding(monkeypatch: pytest.MonkeyPatch) -> int:
    """Give every message the same identity, the highest there is, so that the one behind it wraps around."""

    def identity(feed: str, data: bytes, header: object, *, salt: str = "") -> int:
        del feed, data, header, salt
        return HIGHEST

    monkeypatch.setattr(messages, "identity_of", identity)
    return HIGHEST


@pytest.mark.usefixtures("colliding")
async def test_messages_with_one_identity_are_each_stored_and_handed_on_in_order(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    sent = arrivals(5)
    async with spooling(tmp_path, at=gate) as running:
        first = running.begin(arrival(adt("M0")))
        await until(gate.reached.is_set)
        rest = running.begin(*sent)
        gate.opened.set()
        answers = await settled([*first, *rest])
        assert answers[1:] == [Stored(seq, one.ack) for seq, one in enumerate(sent, 2)]
        assert [row.data for row in running.rows[1:]] == [one.data for one in sent]
        assert [row.seq for row in running.rows] == [1, 2, 3, 4, 5, 6]
        assert [row.data for row in await running.waiting(1)] == [one.data for one in sent]
    assert ask(tmp_path, "SELECT identity FROM message ORDER BY seq") == [
        (HIGHEST,), *((-HIGHEST - 1 + step,) for step in range(5))
    ]  # fmt: skip


@pytest.mark.usefixtures("colliding")
async def test_a_resend_is_met_behind_another_message_with_its_identity(tmp_path: Path) -> None:
    sent = arrivals(3)
    async with spooling(tmp_path) as running:
        for one in sent:
            await running.stored(one)
        for seq, one in enumerate(sent, 1):
            assert await running.stored(one._replace(ack=b"another answer")) == [Stored(seq, one.ack, is_resend=True)]
        assert [row.seq for row in running.rows] == [1, 2, 3]
    assert ask(tmp_path, "SELECT count(*) FROM message") == [(3,)]


@pytest.mark.usefixtures("colliding")
async def test_resends_and_colliding_messages_of_one_group_are_told_apart(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    first, second = arrivals(2)
    async with spooling(tmp_path, at=gate) as running:
        begun = running.begin(first)
        await until(gate.reached.is_set)
        begun += running.begin(second, first, second)
        running.spool.settle(ADT, 1)  # a note in the same group
        gate.opened.set()
        assert await settled(begun) == [
            Stored(1, first.ack),
            Stored(2, second.ack),
            Stored(1, first.ack, is_resend=True),
            Stored(2, second.ack, is_resend=True),
        ]
        assert [row.seq for row in running.rows] == [1, 2]
        assert await running.spool.reader.cursor(ADT) == 1


@pytest.mark.usefixtures("colliding")
async def test_another_message_with_the_identity_of_a_refused_one_does_not_get_its_answer(tmp_path: Path) -> None:
    accepted, refused = arrival(adt("M1")), arrival(adt("M2", version="3.0"))
    async with spooling(tmp_path) as running:
        for seq, one in ((1, accepted), (2, refused), (1, accepted), (2, refused)):
            [answer] = await running.stored(one)
            assert (answer.seq, answer.ack) == (seq, one.ack)
    assert ask(tmp_path, "SELECT count(*) FROM message") == [(2,)]


async def test_a_message_that_meets_only_the_number_of_another_is_never_answered_as_stored(tmp_path: Path) -> None:
    """A second writer on the same file would use the same numbers; the lock on the folder forbids one, this holds without."""
    async with spooling(tmp_path) as running:
        await running.stored(arrival(adt("M1")))
        async with spooling(tmp_path) as second:
            await second.stored(arrival(adt("M2")))
            stolen = await running.store(arrival(adt("M3")))
            assert not any(isinstance(answer, Stored) for answer in stolen)
    assert [data for (data,) in ask(tmp_path, "SELECT data FROM message")] == [adt("M1"), adt("M2")]


def test_identities_fit_into_an_integer_of_the_database(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "any")
    for number in range(200):
        data = adt(f"M{number}")
        identity = identity_of("adt", data, judge(data, feed()).header)
        assert db.execute("SELECT typeof(?), ?", (identity, identity)).fetchone() == ("integer", identity)
    db.close()
