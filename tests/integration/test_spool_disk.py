"""The disk under a spool: refused if it is another machine's, left alone if it fails again and again, watched for room."""

from __future__ import annotations

import resource
from pathlib import Path

import anyio
import pytest

from daemon.errors import SpoolFailed
from daemon.events import SpoolDamaged
from daemon.hl7listener.spool import Limits, NotStored, WhyNot, disk, inspecting
from daemon.hl7listener.spool.place import AtRest, Place, forbid_core_dumps, look_at_place
from daemon.public import Public
from daemon.spool_events import DiskLow, DiskRoomy, DiskSeen, SpoolDown, SpoolPlaced
from tests.support.builders import adt, framed
from tests.support.clock import SetClock
from tests.support.listening import listening
from tests.support.spooling import (
    LIMIT_S,
    ROOMY,
    Fault,
    arrivals,
    ask,
    broken,
    change,
    filled,
    hasten,
    rig,
    spooling,
    until,
)
from tests.support.spooling import Disk as Room

pytestmark = pytest.mark.anyio


def on(file_system: str) -> Place:
    return Place(Public(file_system), 0.001, AtRest.UNKNOWN)


async def test_where_the_spool_lies_is_looked_at_once_and_told(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        [placed] = running.told(SpoolPlaced)
        assert placed.sync_s > 0
        assert placed.at_rest in {one.value for one in AtRest}
        await running.spool.drain()
        await running.spool.open()
        assert len(running.told(SpoolPlaced)) == 1
    assert look_at_place(tmp_path).file_system


async def test_a_file_system_of_another_machine_is_refused_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "look_at_place", lambda _: on("nfs4"))
    with pytest.raises(SpoolFailed, match="is on nfs4") as caught:
        await rig(tmp_path).spool.open()
    assert "any_filesystem" in (caught.value.hint or "")
    async with spooling(tmp_path, any_filesystem=True) as running:
        await running.stored(*arrivals(1))


def test_a_crash_leaves_no_picture_of_the_memory() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    forbid_core_dumps()
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.parametrize("ended", ["by itself", "by a person"])
async def test_a_disk_that_fails_three_times_is_left_alone_until_its_time_or_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    if ended == "by itself":
        monkeypatch.setattr("daemon.hl7listener.spool.outage.DOWN_S", 0.05)
    fault = Fault("commit.before", broken)
    heard: list[bool] = []
    running = rig(tmp_path, at=fault, clock=SetClock())
    running.spool.on_down(heard.append)
    for _ in range(3):
        assert heard == []
        await running.spool.open()
        assert await running.store(*arrivals(1)) == [NotStored()]
        with anyio.fail_after(LIMIT_S), pytest.raises(SpoolFailed):
            await running.spool.serve()
        await running.spool.drain()
    fault.armed = False
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.spool.open)
            await until(lambda: bool(heard))
            assert await running.store(*arrivals(1)) == [NotStored(WhyNot.FAILED)]
            if ended == "by a person":
                assert running.spool.is_down
                running.spool.resume()
    assert heard == [True, False]
    assert not running.spool.is_down
    assert [told.failures for told in running.told(SpoolDown)] == [3]
    await running.stored(*arrivals(1))
    await running.spool.drain()


async def test_a_spool_that_is_left_alone_can_be_stopped(tmp_path: Path) -> None:
    fault = Fault("commit.before", broken)
    running = rig(tmp_path, at=fault)
    for _ in range(3):
        await running.spool.open()
        await running.store(*arrivals(1))
        with anyio.fail_after(LIMIT_S), pytest.raises(SpoolFailed):
            await running.spool.serve()
        await running.spool.drain()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.spool.open)
            await until(lambda: running.spool.is_down)
            await running.spool.drain()
    await running.spool.drain()


async def test_the_ports_are_closed_while_the_disk_is_left_alone_and_open_again_when_it_works(tmp_path: Path) -> None:
    fault = Fault("commit.before", broken)
    async with listening(tmp_path, at=fault) as station:
        port = station.port
        spool = station.storage.spool
        for opening in range(3):
            if opening:
                await spool.open()
            await station.storage.store(*arrivals(1))
            with anyio.fail_after(LIMIT_S), pytest.raises(SpoolFailed):
                await spool.serve()
            await spool.drain()
        fault.armed = False
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(spool.open)
                await until(lambda: spool.is_down)
                with pytest.raises(OSError, match="connect"):
                    await anyio.connect_tcp("127.0.0.1", port)
                spool.resume()
        await until(lambda: spool.is_accepting)
        with anyio.fail_after(LIMIT_S):
            while True:
                try:
                    async with station.calling() as caller:
                        await caller.send(framed(adt("M1")))
                        assert await caller.codes() == [b"AA"]
                    break
                except OSError:
                    await anyio.sleep(0.01)


async def test_little_room_is_told_before_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    monkeypatch.setattr("daemon.hl7listener.spool.writer.TELL_ROOM_EVERY", 1)
    room = Room(monkeypatch, free_bytes=10_000)
    limits = Limits(ROOMY.retention_us, ROOMY.size_bytes, free_floor_bytes=100, free_warn_bytes=1000)
    async with spooling(tmp_path, limits=limits) as running:
        await until(lambda: bool(running.told(DiskSeen)))
        room.free_bytes = 900
        await until(lambda: bool(running.told(DiskLow)))
        await running.stored(*arrivals(1))
        room.free_bytes = 2000
        await until(lambda: bool(running.told(DiskRoomy)))
        assert len(running.told(DiskLow)) == 1


async def test_messages_that_decay_while_the_spool_runs_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PAUSE_S", "EVERY_S"):
        monkeypatch.setattr(inspecting, name, 0.001)
    monkeypatch.setattr(inspecting, "ROWS", 2)
    await filled(tmp_path, 5)
    async with spooling(tmp_path) as running, anyio.create_task_group() as tasks:
        running.spool.settle(arrivals(1)[0].feed, 5)
        await running.stored(*arrivals(1, 6))
        tasks.start_soon(running.spool.serve)
        change(tmp_path, "UPDATE message SET ack = x'00' WHERE seq = 3")
        await until(lambda: bool(running.told(SpoolDamaged)))
        await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    assert running.told(SpoolDamaged) == [SpoolDamaged(Public("a stored message has changed"), 3, 3)]
    assert ask(tmp_path, "SELECT count(*) FROM message") == [(6,)]
