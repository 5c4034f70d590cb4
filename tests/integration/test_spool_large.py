"""Large messages in the spool: written and read in pieces, and otherwise as any other."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from daemon.hl7listener.spool import Arrival, NotStored, Stored, messages
from daemon.hl7listener.spool.check import inspect
from daemon.hl7listener.spool.index import LARGE_BYTES, SearchIndex
from daemon.hl7listener.spool.opening import FILE
from daemon.hl7listener.spool.query import Query
from daemon.hl7listener.spool.rows import WhyNot
from daemon.hl7listener.spool.schema import connect_reader
from daemon.hl7listener.spool.search import open_search
from daemon.public import Public
from tests.support.builders import adt
from tests.support.feeds import ADT, arrival, feed
from tests.support.spooling import CappedDatabase, Gate, Rig, arrivals, ask, settled, spooling, until

pytestmark = pytest.mark.anyio

SIZE_BYTES = 16 * 1024 * 1024


def large(control_id: str, size_bytes: int = 2_500_001, behind: bytes = b"") -> Arrival:
    """Make a message with a segment of random text, and what comes behind it."""
    text = random.Random(control_id).randbytes(size_bytes // 2).hex().encode()
    return arrival(adt(control_id) + b"OBX|1|ED|||" + text + b"\r" + behind)


async def together(running: Rig, gate: Gate, *some: Arrival) -> list[Stored | NotStored]:
    """Store some in one group, behind a first."""
    first = running.begin(arrival(adt("FIRST")))
    await until(gate.reached.is_set)
    rest = running.begin(*some)
    gate.opened.set()
    return (await settled([*first, *rest]))[1:]


async def test_a_large_message_is_stored_whole_beside_small_ones_and_met_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.hl7listener.spool.writer.GROUP_BYTES", SIZE_BYTES)
    gate = Gate("commit.before")
    small, other = arrivals(2)
    one = large("L1")
    async with spooling(tmp_path, at=gate) as running:
        assert await together(running, gate, small, one, one, other) == [
            Stored(2, small.ack),
            Stored(3, one.ack),
            Stored(3, one.ack, is_resend=True),
            Stored(5, other.ack),
        ]
        again = await running.stored(one._replace(ack=b"another answer"), large("L2"))
        assert again == [Stored(3, one.ack, is_resend=True), Stored(7, large("L2").ack)]
        assert [row.seq for row in running.rows] == [1, 2, 3, 5, 7]
        assert [row.data for row in await running.waiting(1)] == [row.data for row in running.rows[1:]]
    with closing(connect_reader(tmp_path / FILE)) as db:
        assert inspect(db, 0, 100) == ([], 7)


async def test_large_messages_with_one_identity_are_told_apart_and_other_feeds_have_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "identity_of", lambda *_, **__: 7)
    first, second = large("L1"), large("L2")
    elsewhere = arrival(first.data, feed(name=Public("lab")))
    async with spooling(tmp_path) as running:
        for seq, one in enumerate((first, second, elsewhere), 1):
            assert await running.stored(one) == [Stored(seq, one.ack)]
        assert await running.stored(second) == [Stored(2, second.ack, is_resend=True)]
    assert ask(tmp_path, "SELECT identity, feed, length(data) FROM message ORDER BY seq") == [
        (7, "adt", len(first.data)),
        (8, "adt", len(second.data)),
        (9, "lab", len(first.data)),
    ]


async def test_a_large_message_for_which_the_room_is_not_enough_leaves_nothing(tmp_path: Path) -> None:
    database = CappedDatabase(1000)
    async with spooling(tmp_path, connect=database) as running:
        await running.stored(*arrivals(1))
        [[pages]] = ask(tmp_path, "PRAGMA page_count")
        database.cap(pages + 300)
        assert await running.store(large("L1")) == [NotStored(WhyNot.FULL)]
    assert ask(tmp_path, "SELECT seq FROM message") == [(1,)]


async def test_a_large_message_cut_off_between_its_pieces_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(1))
        monkeypatch.setattr(
            messages, "memoryview", lambda _: (_ for _ in ()).throw(OSError(5, "cut off")), raising=False
        )
        assert await running.store(large("L1")) == [NotStored(WhyNot.FAILED)]
    assert ask(tmp_path, "SELECT seq FROM message") == [(1,)]


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def test_storing_a_large_message_takes_no_memory_of_its_size_and_keeps_none(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        one = large("L1", SIZE_BYTES)
        forget_peak()
        before_bytes = peak_bytes()
        await running.stored(one)
        assert peak_bytes() - before_bytes < SIZE_BYTES / 2


async def test_the_index_knows_large_messages_by_all_that_small_ones_are_known_by(tmp_path: Path) -> None:
    behind = b"PID|2||P77^^^HOSP^MR\rOBX|2|ED|||" + b"y" * LARGE_BYTES + b"\rPID|3||P78\r"
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(1), large("L1", behind=behind), arrival(adt("M9", patient="P78")))
    with closing(SearchIndex(tmp_path, FILE, has_patients=True)) as index:
        assert [index.advance(100), index.advance(100)] == [3, 0]
    with open_search(tmp_path) as search:
        found = {
            what: [one.seq for one in search.find(query, limit=10).found]
            for what, query in {
                "control id": Query(control_id="L1"),
                "first": Query(patient="P1"),
                "second": Query(patient="P77"),
                "third": Query(patient="P78"),
                "type": Query(feed=str(ADT), type="ADT"),
            }.items()
        }
    assert found == {"control id": [2], "first": [2, 1], "second": [2], "third": [3, 2], "type": [3, 2, 1]}
