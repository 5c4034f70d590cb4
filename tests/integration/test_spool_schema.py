"""A spool of an older version is gone on with: its numbers, its answers, its cursors, and nothing of it is lost on the way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.errors import SpoolFailed
from daemon.events import SpoolDamaged
from daemon.hl7listener.spool import Stored, carrying
from daemon.hl7listener.spool.opening import FILE, MARK_FILE
from daemon.hl7listener.spool.schema import SCHEMA_VERSION, connect, is_row_whole
from tests.support.feeds import ADT, arrival
from tests.support.old_spool import TOKEN, write_old_spool
from tests.support.spooling import arrivals, asides, ask, change, cut_short_after, files_in, rig, spooling

pytestmark = pytest.mark.anyio


async def test_a_spool_of_the_first_schema_is_carried_over_whole(tmp_path: Path) -> None:
    sent = [*arrivals(600), arrival(b"no header\r")]
    write_old_spool(tmp_path, sent, cursor=4, parked=[3])
    async with spooling(tmp_path) as running:
        assert running.told(SpoolDamaged) == []
        assert [row.data for row in await running.waiting(4)] == [one.data for one in sent[4:600]]
        assert {row.epoch for row in await running.waiting()} == {TOKEN}
        assert await running.spool.reader.cursor(ADT) == 4
        assert await running.spool.reader.parked(ADT) == [(3, "no worker")]
        # Resends are met, with their first answers; new ones get the next numbers.
        again = [one._replace(ack=b"another answer") for one in (sent[0], sent[599], sent[600])]
        assert await running.stored(*again) == [
            Stored(1, sent[0].ack, is_resend=True),
            Stored(600, sent[599].ack, is_resend=True),
            Stored(601, sent[600].ack, is_resend=True),
        ]
        [new] = await running.stored(*arrivals(1, 999))
        assert new.seq > 601
    assert files_in(tmp_path) == [MARK_FILE, FILE]
    assert ask(tmp_path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert all(is_row_whole(row) for row in ask(tmp_path, "SELECT * FROM message"))


async def test_messages_of_the_first_schema_that_decayed_are_named_and_the_old_file_is_kept(tmp_path: Path) -> None:
    write_old_spool(tmp_path, arrivals(5))
    change(tmp_path, "UPDATE message SET data = x'00' WHERE seq = 2")
    async with spooling(tmp_path) as running:
        assert [(told.what, told.first) for told in running.told(SpoolDamaged)] == [
            ("an acknowledged message cannot be read", 2)
        ]
        assert [row.seq for row in await running.waiting()] == [1, 3, 4, 5]
    assert len(asides(tmp_path)) == 1


async def test_a_carrying_over_without_room_is_done_again_and_loses_nothing(tmp_path: Path) -> None:
    sent = arrivals(300, ward="W" * 900)
    write_old_spool(tmp_path, sent)
    before = (tmp_path / FILE).read_bytes()

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count=30")
        return connection

    for _ in range(2):
        with pytest.raises(SpoolFailed):
            await rig(tmp_path, connect=small).spool.open()
    assert (tmp_path / FILE).read_bytes() == before
    async with spooling(tmp_path) as running:
        assert [row.data for row in await running.waiting()] == [one.data for one in sent]
        assert running.told(SpoolDamaged) == []


@pytest.mark.parametrize("renames", range(4))
async def test_a_carrying_over_that_is_cut_short_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    sent = arrivals(20)
    write_old_spool(tmp_path, sent)
    with monkeypatch.context() as patch:
        cut_short_after(patch, renames)
        if renames < 3:
            with pytest.raises(SpoolFailed, match="cut short"):
                await rig(tmp_path).spool.open()
    async with spooling(tmp_path) as running:
        assert [row.data for row in await running.waiting()] == [one.data for one in sent]
        assert running.told(SpoolDamaged) == []
    assert files_in(tmp_path) == [MARK_FILE, FILE]


async def test_messages_whose_new_identities_collide_are_all_carried_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = arrivals(4)
    write_old_spool(tmp_path, sent)

    def identity(*_: object, salt: str = "") -> int:
        del salt
        return (1 << 63) - 1

    monkeypatch.setattr(carrying, "identity_of", identity)
    async with spooling(tmp_path) as running:
        assert [row.data for row in await running.waiting()] == [one.data for one in sent]
        assert running.told(SpoolDamaged) == []


async def test_a_wrong_index_is_found_and_the_spool_is_built_anew(tmp_path: Path) -> None:
    write_old_spool(tmp_path, arrivals(20))
    async with spooling(tmp_path):
        pass
    # The index forgets a row: SQLite's quick check does not mind.
    change(tmp_path, "PRAGMA writable_schema=ON")
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX message_order ON message (feed, epoch)' WHERE name = 'message_order'"
        )
    db.close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute("REINDEX message_order")
        db.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX message_order ON message (feed, seq)' WHERE name = 'message_order'"
        )
    db.close()
    async with spooling(tmp_path) as running:
        assert running.told(SpoolDamaged)
        assert [row.seq for row in await running.waiting()] == list(range(1, 21))
