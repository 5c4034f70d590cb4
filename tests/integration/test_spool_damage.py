"""A spool that is not what it was when it was closed: what is said of it, what is carried over, what stays safe."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.errors import SpoolFailed
from daemon.events import SpoolDamaged
from daemon.hl7listener.spool import Stored
from daemon.hl7listener.spool.mark import SLOT_BYTES
from daemon.hl7listener.spool.opening import FILE, MARK_FILE
from daemon.hl7listener.spool.schema import connect
from daemon.public import Public
from tests.support.clock import START_US, SetClock
from tests.support.feeds import ADT
from tests.support.spooling import (
    ROOMY,
    arrivals,
    asides,
    ask,
    change,
    cut_short_after,
    files_in,
    filled,
    hasten,
    mark_of,
    numbers,
    rig,
    spooling,
    until,
)

pytestmark = pytest.mark.anyio

PAGE_BYTES = 4096


async def damages(folder: Path) -> list[SpoolDamaged]:
    """Open a spool and give what it says of itself."""
    async with spooling(folder) as running:
        return running.told(SpoolDamaged)


async def test_a_sound_spool_raises_no_alarm(tmp_path: Path) -> None:
    await filled(tmp_path, 5)
    assert await damages(tmp_path) == []
    assert await damages(tmp_path) == []


async def test_a_resend_raises_no_alarm_at_the_next_opening(tmp_path: Path) -> None:
    """A resend is given a number and no row; the mark must not promise one."""
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(1))
        await running.stored(*arrivals(1))
        await running.stored(*arrivals(1))
    assert mark_of(tmp_path) == 1
    assert await damages(tmp_path) == []


async def test_a_file_restored_from_yesterday_is_reported_and_its_numbers_are_not_used_again(tmp_path: Path) -> None:
    await filled(tmp_path, 3)
    shutil.copy(tmp_path / FILE, tmp_path / "yesterday")
    await filled(tmp_path, 4, first=4)
    (tmp_path / "yesterday").rename(tmp_path / FILE)
    async with spooling(tmp_path) as running:
        assert running.told(SpoolDamaged) == [SpoolDamaged(Public("acknowledged messages are missing"), 4, 7)]
        # The sender of a missing message sends it again, and it is a new one.
        assert await running.stored(*arrivals(1, 5)) == [Stored(8, arrivals(1, 5)[0].ack)]


async def test_a_file_that_vanished_is_reported_and_its_numbers_are_not_used_again(tmp_path: Path) -> None:
    await filled(tmp_path, 3)
    (tmp_path / FILE).unlink()
    async with spooling(tmp_path) as running:
        assert running.told(SpoolDamaged) == [SpoolDamaged(Public("acknowledged messages are missing"), 1, 3)]
        assert [answer.seq for answer in await running.stored(*arrivals(1, 9))] == [4]
    assert await damages(tmp_path) == []


async def test_a_damaged_log_that_sqlite_does_not_notice_is_told_by_the_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch)
    alive, struck = tmp_path / "alive", tmp_path / "struck"
    alive.mkdir()
    async with spooling(alive) as running:
        for number in range(1, 21):
            await running.stored(*arrivals(1, number))
        await until(lambda: mark_of(alive) == 20)
        shutil.copytree(alive, struck)  # what a power cut leaves
    log = struck / f"{FILE}-wal"
    content = bytearray(log.read_bytes())
    content[len(content) * 3 // 4] ^= 0x01
    log.write_bytes(content)
    async with spooling(struck) as running:
        [damage] = running.told(SpoolDamaged)
        kept = [row.seq for row in await running.waiting()]
        assert damage.what == "acknowledged messages are missing"
        assert kept == list(range(1, damage.first))
        assert damage.last == 20
        assert kept


async def test_what_a_power_cut_leaves_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    alive, cut = tmp_path / "alive", tmp_path / "cut"
    alive.mkdir()
    async with spooling(alive) as running:
        await running.stored(*arrivals(20))
        shutil.copytree(alive, cut)
    async with spooling(cut) as running:
        assert running.told(SpoolDamaged) == []
        assert [row.seq for row in await running.waiting()] == list(range(1, 21))


@pytest.mark.parametrize("torn", [0, 1])
async def test_a_mark_torn_by_a_power_cut_still_tells_by_its_other_half(tmp_path: Path, torn: int) -> None:
    await filled(tmp_path, 2)
    await filled(tmp_path, 2, first=3)
    mark = bytearray((tmp_path / MARK_FILE).read_bytes())
    mark[torn * SLOT_BYTES + 20] ^= 0xFF
    (tmp_path / MARK_FILE).write_bytes(mark)
    assert mark_of(tmp_path) in (2, 4)
    (tmp_path / FILE).unlink()
    [damage] = await damages(tmp_path)
    assert damage.last in (2, 4)


@pytest.mark.parametrize("content", [b"", b"\xff" * 2 * SLOT_BYTES, b"CARMARK1", b"\0" * 10])
async def test_a_mark_that_says_nothing_raises_no_alarm_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    await filled(tmp_path, 2)
    (tmp_path / MARK_FILE).write_bytes(content)
    assert await damages(tmp_path) == []
    await filled(tmp_path, 1, first=3)
    assert mark_of(tmp_path) == 3


CHANGES = {
    "other bytes": "data = CAST(replace(data, 'ICU', 'ICV') AS BLOB)",
    "text instead of bytes": "data = CAST(data AS TEXT)",
    "text that is none": "data = CAST(x'41ff42' AS TEXT)",
    "a number": "data = 7",
    "another time": "received_us = received_us + 1",
    "another sum": "crc = crc + 1",
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
async def test_a_message_that_changed_is_reported_and_read_as_not_whole(tmp_path: Path, changed: str) -> None:
    await filled(tmp_path, 3)
    change(tmp_path, f"UPDATE message SET {changed} WHERE seq = 2")
    async with spooling(tmp_path) as running:
        assert running.told(SpoolDamaged) == [SpoolDamaged(Public("a stored message has changed"), 2, 2)]
        assert [(row.seq, row.is_whole) for row in await running.waiting()] == [(1, True), (2, False), (3, True)]


@pytest.mark.parametrize("time", ["x'01'", "'later'", "1.5"])
async def test_a_message_whose_time_is_no_number_any_more_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time: str
) -> None:
    hasten(monkeypatch)
    await filled(tmp_path, 3)
    change(tmp_path, f"UPDATE message SET received_us = {time} WHERE seq = 2")
    clock = SetClock()
    async with spooling(tmp_path, clock=clock) as running:
        assert await running.spool.reader.waiting_after(ADT, 0) == (3, START_US)
        assert await running.spool.reader.waiting_after(ADT, 1) == (2, START_US)
        running.spool.settle(ADT, 3)
        clock.advance(ROOMY.retention_us / 1_000_000 + 1)
        await until(lambda: 1 not in numbers(tmp_path))
        await running.stored(*arrivals(1, 4))


async def test_a_message_whose_feed_cannot_be_read_is_reported(tmp_path: Path) -> None:
    await filled(tmp_path, 3)
    change(tmp_path, "UPDATE message SET feed = CAST(x'61ff74' AS TEXT) WHERE seq = 2")
    assert await damages(tmp_path) == [SpoolDamaged(Public("a stored message has changed"), 2, 2)]


async def test_a_message_that_was_handed_on_before_it_changed_raises_no_alarm(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(3))
        running.spool.settle(ADT, 2)
    change(tmp_path, "UPDATE message SET data = x'00' WHERE seq = 2")
    assert await damages(tmp_path) == []


async def test_the_resend_of_a_message_that_changed_is_stored_anew(tmp_path: Path) -> None:
    await filled(tmp_path, 2)
    change(tmp_path, "UPDATE message SET data = x'00' WHERE seq = 2")
    async with spooling(tmp_path) as running:
        [again] = arrivals(1, 2)
        assert await running.stored(again) == [Stored(3, again.ack)]


def garble_header(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 500)


def garble_catalogue(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:PAGE_BYTES] = b"\xa5" * (PAGE_BYTES - 100)
    path.write_bytes(content)


@pytest.mark.parametrize("garble", [garble_header, garble_catalogue])
async def test_a_file_that_cannot_be_read_at_all_is_put_aside_and_feeds_run_on(
    tmp_path: Path, garble: Callable[[Path], None]
) -> None:
    await filled(tmp_path, 5)
    garble(tmp_path / FILE)
    content = (tmp_path / FILE).read_bytes()
    async with spooling(tmp_path) as running:
        found = {(damage.what, damage.first, damage.last) for damage in running.told(SpoolDamaged)}
        assert ("the spool was damaged and is begun afresh", 0, 0) in found
        assert ("acknowledged messages are missing", 1, 5) in found
        assert asides(tmp_path) == [content]
        assert [answer.seq for answer in await running.stored(*arrivals(2, 6))] == [6, 7]
    assert await damages(tmp_path) == []


async def damaged_in_the_middle(folder: Path, count: int = 200) -> bytes:
    """Make a spool whose tables are broken in places; give the file as it then is."""
    async with spooling(folder) as running:
        await running.stored(*arrivals(count, ward="W" * 900))
        running.spool.settle(ADT, 7)
        running.spool.park(5, Public("no longer wanted"))
    path = folder / FILE
    content = bytearray(path.read_bytes())
    leaves = [
        start
        for start in range(0, len(content), PAGE_BYTES)
        if content[start] == 0x0D and b"MSH|" in content[start : start + PAGE_BYTES]
    ]
    for start in leaves[len(leaves) // 3 : len(leaves) // 3 + 3]:
        content[start : start + PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    path.write_bytes(content)
    return bytes(content)


async def test_of_a_damaged_file_what_can_be_read_is_carried_over_and_the_rest_is_named(tmp_path: Path) -> None:
    content = await damaged_in_the_middle(tmp_path)
    async with spooling(tmp_path) as running:
        lost = [
            damage.first
            for damage in running.told(SpoolDamaged)
            if damage.what == "an acknowledged message cannot be read"
        ]
        kept = [seq for (seq,) in ask(tmp_path, "SELECT seq FROM message ORDER BY seq")]
        assert lost
        assert len(kept) > 150
        assert sorted(kept + lost) == list(range(1, 201))
        assert all(row.is_whole for row in await running.waiting())
        assert await running.spool.reader.cursor(ADT) == 7
        assert ask(tmp_path, "SELECT seq, reason FROM parked") == [(5, "no longer wanted")]
        # Resends of what was kept are met, those of what was lost are stored.
        again = {seq: arrivals(1, seq, "W" * 900)[0] for seq in (kept[0], lost[0])}
        assert [answer.is_resend for answer in await running.stored(*again.values())] == [True, False]
    assert asides(tmp_path) == [content]
    assert await damages(tmp_path) == []


async def test_a_carrying_over_that_is_cut_short_is_done_again(tmp_path: Path) -> None:
    """The disk is full in the middle of it: nothing may pass for a sound, empty spool afterwards."""
    await damaged_in_the_middle(tmp_path)

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count=20")
        return connection

    for _ in range(2):
        with pytest.raises(SpoolFailed):
            await rig(tmp_path, connect=small).spool.open()
    async with spooling(tmp_path) as running:
        assert len(await running.waiting()) > 150
        assert running.told(SpoolDamaged)
    assert len(asides(tmp_path)) == 1
    assert [name for name in files_in(tmp_path) if "damaged" not in name] == [MARK_FILE, FILE]


@pytest.mark.parametrize("renames", range(1, 4))
async def test_a_replacement_that_is_cut_short_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    content = await damaged_in_the_middle(tmp_path)
    (tmp_path / f"{FILE}-wal").write_bytes(b"")
    with monkeypatch.context() as patch:
        cut_short_after(patch, renames)
        with pytest.raises(SpoolFailed, match="cut short"):
            await rig(tmp_path).spool.open()
    async with spooling(tmp_path) as running:
        assert len(await running.waiting()) > 150
        assert await running.spool.reader.cursor(ADT) == 7
    assert asides(tmp_path) == [content]
    assert await damages(tmp_path) == []


async def test_a_second_damage_does_not_overwrite_what_the_first_put_aside(tmp_path: Path) -> None:
    for _ in range(2):
        await filled(tmp_path, 1)
        garble_header(tmp_path / FILE)
    assert await damages(tmp_path)
    assert len(asides(tmp_path)) == 2
