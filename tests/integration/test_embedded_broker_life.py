"""The private Valkey comes back with everything it held, and never outlives its use."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import anyio
import pytest
import redis

from daemon import embedded_broker
from daemon.clock import SystemClock
from daemon.embedded_broker import Place, ask
from daemon.events import ServiceFailed
from daemon.lifecycle import Service
from daemon.public import Public
from daemon.supervisor import Supervisor
from tests.support.builders import site_text, write_site
from tests.support.embedded_broker import LIMIT_S, Kept, is_running, running, until
from tests.support.process import DaemonProcess
from tests.support.systemd import bound

pytestmark = pytest.mark.anyio


# -- that it comes back ------------------------------------------------------------------------------------------------


async def test_what_was_written_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with kept.client as client:
            client.rpush("celery", *range(1000))
    assert not is_running(kept.pids[0])
    async with running(tmp_path) as kept:
        with kept.client as client:
            assert client.lrange("celery", 0, -1) == [str(number) for number in range(1000)]


async def test_killed_it_is_started_again_by_the_supervisor_with_what_it_held(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    supervisor = Supervisor([kept.broker], SystemClock(), kept.said.append, drain_timeout_s=LIMIT_S)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run, lambda: None)
        await until(lambda: len(kept.pids) == 1)
        with kept.client as client:
            client.rpush("celery", "one", "two")
            await until(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
        os.kill(kept.pids[0], signal.SIGKILL)
        await until(lambda: len(kept.pids) == 2)
        with kept.client as client:
            assert client.lrange("celery", 0, -1) == ["one", "two"]
        supervisor.stop()
    [failed] = [event for event in kept.said if isinstance(event, ServiceFailed)]
    assert failed.code == "embedded-broker-failed"
    assert failed.reason == f"embedded broker ended by itself (status -9); see {tmp_path}/valkey/valkey.log"
    assert not any(is_running(pid) for pid in kept.pids)


async def test_killed_in_the_middle_of_a_write_it_starts_without_the_half_written_end(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with kept.client as client:
            client.rpush("celery", "one", "two")
    [log] = sorted((tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof"))
    with log.open("ab") as file:
        file.write(b"*3\r\n$5\r\nRPUSH\r\n$6\r\ncele")
    async with running(tmp_path) as kept:
        with kept.client as client:
            assert client.lrange("celery", 0, -1) == ["one", "two"]


async def test_a_server_that_a_killed_daemon_left_behind_is_ended_before_the_next_one_starts(tmp_path: Path) -> None:
    async with running(tmp_path) as left:  # its daemon is gone in all but name: nobody watches it
        with left.client as client:
            client.rpush("celery", "one")
        async with running(tmp_path) as kept:
            await until(lambda: not is_running(left.pids[0]))
            with kept.client as client:
                assert client.lrange("celery", 0, -1) == ["one"]


async def test_a_leftover_server_on_another_port_of_the_same_folder_is_ended_too(tmp_path: Path) -> None:
    with bound() as free:
        wanted = free.getsockname()[1]
    async with running(tmp_path) as left, running(tmp_path, port=wanted) as kept:
        assert not is_running(left.pids[0])
        with kept.client as client:
            assert client.ping()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_killed_with_its_daemon_it_does_not_stay_behind_and_the_next_daemon_finds_everything(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule='[schedule.a]\ntask = "t"\nevery = "1h"\n'))
    with DaemonProcess(site) as daemon:
        pid = daemon.ready().wait_for("embedded-broker.started")["pid"]
        url = (tmp_path / "state" / "broker-url").read_text().strip()
        with redis.Redis.from_url(url, decode_responses=True) as client:
            client.rpush("celery", "one")
        daemon.kill()
        deadline = time.monotonic() + LIMIT_S
        while is_running(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        daemon.start()
        daemon.ready()
        with redis.Redis.from_url(url, decode_responses=True) as client:
            assert client.lrange("celery", 0, -1) == ["one"]
        assert daemon.terminate() == 0


# -- its end -----------------------------------------------------------------------------------------------------------


async def test_a_drain_ends_the_server_and_takes_its_socket_away(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    await kept.broker.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.broker.serve)
        await kept.broker.drain()
    assert not is_running(kept.pids[0])
    assert not (tmp_path / "valkey" / "valkey.sock").exists()
    await kept.broker.drain()
    await kept.broker.serve()


async def test_it_is_stopped_after_everything_that_may_still_write_to_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    seen: list[bool] = []

    class Writer:
        """Stands in for all that pushes while it drains."""

        name = Public("writer")

        def __init__(self) -> None:
            self.stop = anyio.Event()

        async def open(self) -> None:
            pass

        async def serve(self) -> None:
            await self.stop.wait()

        async def drain(self) -> None:
            seen.append(await ask(kept.place, "RPUSH celery last") == ":1")
            self.stop.set()

    services: list[Service] = [kept.broker, Writer()]
    supervisor = Supervisor(services, SystemClock(), kept.said.append, drain_timeout_s=LIMIT_S)
    assert await supervisor.run(supervisor.stop) == 0
    assert seen == [True]
    assert not is_running(kept.pids[0])
    async with running(tmp_path) as again:
        with again.client as client:
            assert client.lrange("celery", 0, -1) == ["last"]


def test_a_daemon_opens_it_first_so_that_it_is_stopped_last(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule='[schedule.a]\ntask = "t"\nevery = "1h"\n'))
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        pid = daemon.ready().wait_for("embedded-broker.started")["pid"]
        opened = [one["service"] for one in daemon.records if one["action"] == "service.opened"]
        assert daemon.terminate() == 0
    assert opened[0] == "embedded-broker"
    assert not is_running(pid)
    assert [one for one in daemon.records if one["action"] in ("broker.lost", "service.failed")] == []


async def test_a_server_that_does_not_end_when_asked_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_broker, "STOP_LIMIT_S", 0.2)
    kept = Kept(tmp_path)
    await kept.broker.open()
    os.kill(kept.pids[0], signal.SIGSTOP)
    await kept.broker.drain()
    assert not is_running(kept.pids[0])


async def test_a_stop_that_comes_while_it_starts_again_is_neither_a_bug_nor_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path)
    starting = anyio.Event()
    really_ask = ask

    async def slow_to_answer(place: Place, command: str) -> str | None:
        if kept.pids and (tmp_path / "valkey" / "valkey.pid").exists():
            starting.set()
            return None
        return await really_ask(place, command)

    supervisor = Supervisor([kept.broker], SystemClock(), kept.said.append, drain_timeout_s=LIMIT_S)
    codes: list[int] = []

    async def run() -> None:
        codes.append(await supervisor.run(lambda: None))

    with anyio.fail_after(LIMIT_S / 2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await until(lambda: bool(kept.pids))
            monkeypatch.setattr(embedded_broker, "ask", slow_to_answer)
            (tmp_path / "valkey" / "valkey.pid").unlink()
            os.kill(kept.pids[0], signal.SIGKILL)
            await starting.wait()
            supervisor.stop()
    assert codes == [0]
