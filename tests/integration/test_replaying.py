"""Stored messages, chosen and handed on once more: each message once, nothing that is none, and nobody else waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import pytest

from daemon.cli.hl7_replay import parts_of
from daemon.cli.message_lines import found_lines
from daemon.cli.message_selection import Filters, chosen
from daemon.clock import SystemClock
from daemon.deeds import Deed
from daemon.desks import By, Replay, Replayed
from daemon.hl7listener.deidentify import Deidentified, deidentify
from daemon.hl7listener.desk import messages as desk
from daemon.hl7listener.desk.messages import Messages
from daemon.hl7listener.spool.query import Found, Query, State
from daemon.hl7listener.spool.search import open_search
from daemon.public import Public
from tests.support.batches import batch
from tests.support.builders import adt, framed
from tests.support.feeds import ADT, feed
from tests.support.listening import Station, listening

pytestmark = pytest.mark.anyio

WHO = By(Public("tester"))
BLOCKS = (adt("A") + adt("B"), batch(adt("C"), adt("D")))
BLOCK_SEQS, MESSAGE_SEQS = [1, 4], [2, 3, 5, 6]


class Deeds:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.found: list[Deed] = []

    async def record(self, deed: Deed) -> None:
        await anyio.lowlevel.checkpoint()
        self.found.append(deed)


async def replayed(station: Station, folder: Path, replay: Replay, deeds: Deeds | None = None) -> Replayed:
    messages = Messages(
        [feed()], station.storage.spool, folder, SystemClock(), deeds or Deeds(), secret=lambda: b"x" * 16
    )
    return await messages.replay(replay, WHO)


def found_in(folder: Path, query: Query) -> list[Found]:
    with open_search(folder) as search:
        return chosen(search, Filters((), query), most=100)


async def test_the_block_of_a_batch_is_no_message_and_is_never_handed_on(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(*BLOCKS))
        await caller.replies(3)
        done = await replayed(station, tmp_path, Replay([*BLOCK_SEQS, *MESSAGE_SEQS]))
        messages = Messages([feed()], station.storage.spool, tmp_path, SystemClock(), Deeds(), secret=lambda: b"x" * 16)
        released = await messages.release(BLOCK_SEQS, WHO)
    assert list(done.stored) == MESSAGE_SEQS
    assert set(done.left_out.values()) == {"it is the block that a batch came in; its messages stand apart"}
    assert (list(done.left_out), released.stored) == (BLOCK_SEQS, {})


async def test_the_block_of_a_batch_is_found_as_what_it_is_and_chosen_by_its_number_alone(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(*BLOCKS))
        await caller.replies(3)
        with open_search(tmp_path) as search:
            assert [one.seq for one in search.find(Query(state=State.BATCH)).found] == BLOCK_SEQS[::-1]
            assert search.find(Query(state=State.PARKED)).found == []
            block = search.message(4)
            assert block is not None
            assert "  messages     5, 6" in list(found_lines(block, search.members(4), {}))
            assert [one.seq for one in chosen(search, Filters((4,), Query()), most=9)] == [4]
        assert [one.seq for one in found_in(tmp_path, Query(feed=str(ADT)))] == MESSAGE_SEQS


async def test_messages_replayed_before_are_not_chosen_together_with_their_copies(tmp_path: Path) -> None:
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("A"), adt("B")))
        await caller.replies(2)
        first = await replayed(station, tmp_path, Replay([1, 2]))
        assert sorted(first.stored.values()) == [3, 4]
        assert [one.seq for one in found_in(tmp_path, Query(feed=str(ADT)))] == [1, 2]
        with open_search(tmp_path) as search:  # a copy whose original is not meant is chosen all the same
            assert [one.seq for one in chosen(search, Filters((3,), Query()), most=9)] == [3]


async def test_a_message_is_rewritten_and_judged_away_from_the_loop_on_which_feeds_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[threading.Thread] = []

    def seen(data: bytes, secret: bytes) -> object:
        places.append(threading.current_thread())
        return deidentify(data, secret)

    monkeypatch.setattr(desk, "deidentify", seen)
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(adt("A")))
        await caller.replies(1)
        done = await replayed(station, tmp_path, Replay([1], to_feed=str(ADT), is_deidentified=True))
    assert list(done.stored) == [1]
    assert isinstance(deidentify(adt("A"), b"x" * 16), Deidentified)
    assert len(places) == 1
    assert places[0] is not threading.current_thread()


async def test_the_record_of_a_replay_names_the_messages(tmp_path: Path) -> None:
    deeds = Deeds()
    async with listening(tmp_path) as station, station.calling() as caller:
        await caller.send(framed(*(adt(f"M{number}") for number in range(1, 8))))
        await caller.replies(7)
        await replayed(station, tmp_path, Replay([1, 2, 3, 7], to_feed=str(ADT)), deeds)
    [deed] = deeds.found
    assert (deed.about, deed.count) == (f"messages 1-3, 7, to {ADT}", 4)


def test_large_messages_are_asked_for_one_by_one_and_small_ones_together() -> None:
    sizes = [100] * 5 + [30 << 20, 30 << 20] + [100] * 3
    found = [
        Found(seq, "", "adt", 0, State.ENQUEUED, "", "", "", "", "", "", "", "", "", size)
        for seq, size in enumerate(sizes, 1)
    ]
    assert list(parts_of(found, 3)) == [[1, 2, 3], [4, 5], [6], [7], [8, 9, 10]]
