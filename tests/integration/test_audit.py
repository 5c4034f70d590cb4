"""The audit trail on a real disk and on its way to real log servers."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from daemon.audit import Trail, TrailFile, append_deed, trail_file
from daemon.audit.record import Head
from daemon.audit.trail_file import CURRENT, here
from daemon.deeds import Deed, DeedKind
from daemon.errors import AuditFailed
from daemon.hl7listener.tls.faults import Refusal
from daemon.public import Public
from daemon.settings.audit_section import AuditSection
from daemon.trust_events import AuditHead, AuditLost, NodeRefused
from tests.support.certificates import Authority
from tests.support.clock import START_US, SetClock
from tests.support.process import ROOT
from tests.support.spooling import LIMIT_S, until

pytestmark = pytest.mark.anyio

SITE = Public("ward-7")


def deed(note: str = "") -> Deed:
    return Deed(DeedKind.FEED_PAUSED, Public("root"), Public("adt"), note=Public(note))


def file_of(folder: Path, **section: Any) -> TrailFile:
    return TrailFile(folder, here(SITE), AuditSection.model_validate(section))


def notes(folder: Path) -> list[str]:
    return [record["note"] for record in file_of(folder).records()]


def test_what_is_appended_is_there_and_closed_to_others(tmp_path: Path) -> None:
    trail = file_of(tmp_path)
    trail.append([deed("a"), deed("b")], START_US)
    head = file_of(tmp_path).append([deed("c")], START_US)
    assert notes(tmp_path) == ["a", "b", "c"]
    assert stat.S_IMODE((tmp_path / CURRENT).stat().st_mode) == 0o600
    found = trail.verify(head)
    assert (found.records, found.flaws, found.met, found.head) == (3, (), True, head)
    assert trail.head() == head


def test_a_record_cut_off_in_the_middle_is_taken_out_and_the_chain_goes_on(tmp_path: Path) -> None:
    trail = file_of(tmp_path)
    trail.append([deed("a"), deed("b")], START_US)
    whole = (tmp_path / CURRENT).read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in (last + 1, last + 40, len(whole) - 1):
        (tmp_path / CURRENT).write_bytes(whole[:end])
        file_of(tmp_path).append([deed("c")], START_US)
        assert notes(tmp_path) == ["a", "c"]
        assert file_of(tmp_path).verify().flaws == ()


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    trail = file_of(tmp_path, file_limit="64KiB", files=2)
    for number in range(150):
        trail.append([deed(f"{number} {'x' * 400}")], START_US)
    kept = sorted(path.name for path in tmp_path.glob("audit-*.log"))
    assert len(kept) == 2
    assert max(path.stat().st_size for path in tmp_path.glob("audit*.log")) < 70 * 1024
    found = trail.verify()
    assert found.flaws == ()
    assert found.head.number == 150
    assert found.first == int(kept[0].removeprefix("audit-").removesuffix(".log")) > 1


def test_a_chain_goes_on_over_files_even_if_the_newest_is_gone(tmp_path: Path) -> None:
    trail = file_of(tmp_path, file_limit="64KiB")
    trail.append([deed("x" * 400)] * 100, START_US)
    assert not (tmp_path / CURRENT).exists()
    assert trail.append([deed("next")], START_US).number == 101
    assert trail.verify().flaws == ()


def test_daemon_and_commands_append_to_one_chain_at_the_same_time(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from daemon.audit import append_deed; from daemon.deeds import *;"
        "from daemon.public import Public\n"
        "for n in range(40): append_deed(Path(sys.argv[1]), Public('s'), Deed(DeedKind.FEED_PAUSED, Public(sys.argv[2]), Public('adt')), n)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(number)], cwd=ROOT) for number in range(3)
    ]
    for _ in range(40):
        append_deed(tmp_path, SITE, deed(), START_US)
    assert [one.wait(LIMIT_S) for one in running] == [0, 0, 0]
    found = file_of(tmp_path).verify()
    assert (found.records, found.head.number, found.flaws) == (160, 160, ())


def _short_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a disk take ten bytes and no more."""
    kept = {name: getattr(os, name) for name in dir(os)}

    def write(descriptor: int, data: memoryview) -> int:
        os.write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(trail_file, "os", SimpleNamespace(**{**kept, "write": write}))


def test_on_a_full_disk_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = file_of(tmp_path)
    trail.append([deed("a")], START_US)
    before = (tmp_path / CURRENT).read_bytes()
    with monkeypatch.context() as patch:
        _short_of_room(patch)
        with pytest.raises(AuditFailed, match="No space left"):
            trail.append([deed("b")], START_US)
    assert (tmp_path / CURRENT).read_bytes() == before
    trail.append([deed("c")], START_US)
    assert notes(tmp_path) == ["a", "c"]
    assert trail.verify().flaws == ()


def test_a_folder_that_is_not_there_is_a_failure_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match=r"audit\.log"):
        file_of(tmp_path / "none").append([deed()], START_US)
    assert file_of(tmp_path / "none").verify().head == Head()


# -- while the daemon runs ---------------------------------------------------------------------------------------------


class Running:
    def __init__(self, folder: Path, **section: Any) -> None:
        self.clock = SetClock()
        self.events: list[object] = []
        self.trail = Trail(folder, SITE, AuditSection.model_validate(section), self.clock, self.events.append)

    def lost(self) -> int:
        return sum(event.count for event in self.events if isinstance(event, AuditLost))


@asynccontextmanager
async def running(folder: Path, **section: Any) -> AsyncIterator[Running]:
    one = Running(folder, **section)
    await one.trail.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.trail.serve)
        try:
            yield one
        finally:
            await one.trail.drain()


def refused(address: str = "10.1.2.3") -> NodeRefused:
    return NodeRefused(Public("adt"), Public(address), Refusal.NOT_TLS, Public(""))


async def test_what_is_heard_of_is_written_and_a_flood_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        for _ in range(100):
            one.trail.hear(refused())
        await until(lambda: len(notes(tmp_path)) == 5)
    records = list(file_of(tmp_path).records())
    assert [record["count"] for record in records] == [1, 1, 1, 1, 1, 95]
    assert {record["reason"] for record in records} == {"not-tls"}
    assert 'csd-code="110126"' in records[0]["iti20"]
    assert isinstance(one.events[0], AuditHead)
    assert one.lost() == 0


async def test_a_deed_that_must_be_kept_first_is_on_disk_when_that_returns(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        await one.trail.record(deed("first"))
        assert notes(tmp_path) == ["first"]


async def test_without_a_disk_deeds_are_refused_and_what_happened_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as one:
        with monkeypatch.context() as patch:
            _short_of_room(patch)
            with pytest.raises(AuditFailed):
                await one.trail.record(deed())
            one.trail.hear(refused())
            await until(lambda: one.lost() == 1)
        await one.trail.record(deed("again"))
        assert notes(tmp_path) == ["again"]


async def test_records_go_to_a_log_server_by_datagrams(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(LIMIT_S)
        async with running(tmp_path, syslog=f"udp://127.0.0.1:{server.getsockname()[1]}") as one:
            one.trail.hear(refused())
            line = await anyio.to_thread.run_sync(server.recv, 65_536)
        assert line.startswith(b"<84>1 ")
        assert line.endswith(b"</AuditMessage>")


class LogServer:
    """Takes lines over TCP or TLS; keeps what came."""

    def __init__(self) -> None:
        self.data = b""
        self.server: asyncio.Server | None = None

    async def start(self, port: int = 0, **options: Any) -> int:
        self.server = await asyncio.start_server(self._take, "127.0.0.1", port, **options)
        return int(self.server.sockets[0].getsockname()[1])

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                self.data += piece
        writer.close()

    def lines(self) -> list[bytes]:
        """Take the frames apart by their lengths."""
        found, left = [], self.data
        while left:
            length, _, rest = left.partition(b" ")
            found.append(rest[: int(length)])
            left = rest[int(length) :]
        return found


async def test_records_go_to_a_log_server_over_tcp_also_after_it_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.audit.forwarding.SHORTEST_RETRY_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with running(tmp_path, syslog=f"tcp://127.0.0.1:{port}") as one:
        one.trail.hear(refused("10.0.0.1"))
        await until(lambda: any(isinstance(event, AuditLost) for event in one.events))
        server = LogServer()
        await server.start(port)
        one.trail.hear(refused("10.0.0.2"))
        await until(lambda: len(server.lines()) == 2)
        assert [b"10.0.0.1" in line for line in server.lines()] == [True, False]
        assert one.lost() == 0
    assert server.server is not None
    server.server.close()


async def test_records_go_to_a_log_server_over_tls_and_to_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", "logs")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.sign("server", "IP:127.0.0.1"))
    server = LogServer()
    port = await server.start(ssl=context)
    place = f"tls://127.0.0.1:{port}"
    async with running(tmp_path, syslog=place, syslog_ca=authority.certificate) as one:
        one.trail.hear(refused())
        await until(lambda: len(server.lines()) == 1)
        assert one.lost() == 0
    other = Authority(tmp_path / "elsewhere", "elsewhere")
    async with running(tmp_path, syslog=place, syslog_ca=other.certificate) as one:
        one.trail.hear(refused())
        await until(lambda: any(isinstance(event, AuditLost) for event in one.events))
        one.trail._forwarding._waiting.clear()  # type: ignore[union-attr]
    assert len(server.lines()) == 1
    assert server.server is not None
    server.server.close()


async def test_a_log_server_that_is_away_holds_nothing_up_and_what_is_dropped_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.audit.forwarding.QUEUE_LIMIT", 10)
    monkeypatch.setattr("daemon.audit.forwarding.SHORTEST_RETRY_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = LogServer()
    async with running(tmp_path, syslog=f"tcp://127.0.0.1:{port}") as one:
        for number in range(30):
            one.trail.hear(deed(str(number)))
        await until(lambda: len(notes(tmp_path)) == 30)
        await server.start(port)
        await until(lambda: len(server.lines()) == 10)
        assert one.lost() == 20
    assert server.server is not None
    server.server.close()


async def test_more_than_can_wait_is_counted(tmp_path: Path) -> None:
    one = Running(tmp_path)
    for number in range(1200):
        one.trail.hear(deed(str(number)))
    await one.trail.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.trail.serve)
        await until(lambda: one.lost() == 200)
        await one.trail.drain()
    assert len(notes(tmp_path)) == 1000
