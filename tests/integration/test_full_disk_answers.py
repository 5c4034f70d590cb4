"""A feed that rejects while the disk is full, instead of leaving its senders to wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.hl7listener.ack.answering import Answering
from daemon.hl7listener.spool import Limits
from tests.support.builders import adt, framed
from tests.support.feeds import feed
from tests.support.listening import listening
from tests.support.spooling import ROOMY, Disk, numbers, until

pytestmark = pytest.mark.anyio


async def test_while_the_disk_is_full_a_feed_that_rejects_says_so_and_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, free_bytes=1 << 30)
    short = Limits(ROOMY.retention_us, ROOMY.size_bytes, free_floor_bytes=1000)
    rejecting = feed(answering=Answering(rejects_when_full=True))
    async with listening(tmp_path, rejecting, limits=short) as station, station.calling() as caller:
        await caller.send(framed(adt("M1")))
        assert await caller.codes() == [b"AA"]
        disk.free_bytes = 0
        await until(lambda: station.storage.spool.is_full)
        await caller.send(framed(adt("M2"), adt("M3", accept="AL", application="NE"), adt("M1")))
        [first, second, third] = await caller.acks(3)
        assert [ack.msa[1] for ack in (first, second, third)] == [b"AR", b"CR", b"AR"]
        assert first.err is not None
        assert first.err[3] == b"207^Application internal error^HL70357"
        assert first.msa[3] == b"cannot be stored now, send it again"
        disk.free_bytes = 1 << 30
        await until(lambda: station.storage.spool.is_accepting)
        await caller.send(framed(adt("M2")))
        assert await caller.codes() == [b"AA"]
    assert len(numbers(tmp_path)) == 2


async def test_a_feed_that_does_not_answer_at_all_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, free_bytes=1 << 30)
    short = Limits(ROOMY.retention_us, ROOMY.size_bytes, free_floor_bytes=1000)
    rejecting = feed(answering=Answering(rejects_when_full=True))
    async with listening(tmp_path, rejecting, limits=short) as station, station.calling() as caller:
        disk.free_bytes = 0
        await until(lambda: station.storage.spool.is_full)
        await caller.send(framed(adt("M1") + b"MSA|AA|X\r"))
        assert await caller.rest() == []
