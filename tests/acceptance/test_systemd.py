"""Under a service manager: units that systemd accepts, states that are told, sockets that are inherited."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.builders import ADT_FEED, adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import ROOT, DaemonProcess
from tests.support.systemd import InheritingDaemon, NotifySocket, bound
from tests.support.valkey import ValkeyServer, free_port

UNITS = ROOT / "config" / "systemd"
EXPOSURE_LIMIT = 20
"""systemd-analyze counts in tenths: 2.0 of 10."""

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that exists in place of the installed one."""
    stub = tmp_path / "carillon"
    stub.write_text("#!/bin/sh\n")
    stub.chmod(0o755)
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/carillon/venv/bin/carillon", str(stub))
        (tmp_path / unit.name).write_text(text)
    (tmp_path / "carillon-feed@adt.socket").write_text((tmp_path / "carillon-feed@.socket").read_text())
    return tmp_path


@needs_analyze
def test_systemd_accepts_every_unit_without_a_word(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "./carillon.service", "./carillon.socket", "./carillon-feed@adt.socket"],
        cwd=units,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
def test_the_service_is_hardened(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", "./carillon.service"],
        cwd=units,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_manager_is_told_ready_alive_and_stopping(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule='[schedule.a]\ntask="t"\nevery="1h"\n'))
    with NotifySocket(tmp_path) as manager:
        environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "200000"}
        with DaemonProcess(site, environment=environment) as daemon:
            manager.wait_for("READY=1")
            manager.wait_for("WATCHDOG=1", count=3)
            assert daemon.terminate() == 0
            manager.wait_for("STOPPING=1")
        words = [state.split("\n")[0] for state in manager.states]
    assert [word for word in words if word != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]


def test_a_manager_that_does_not_listen_stops_nobody(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule='[schedule.a]\ntask="t"\nevery="1h"\n'))
    with DaemonProcess(site, environment={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as daemon:
        assert daemon.ready().terminate() == 0


def test_inherited_sockets_are_used_by_their_names(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    with bound() as feed, bound() as api, InheritingDaemon(site, {"api": api, "feed-adt": feed}) as daemon:
        daemon.ready()
        line = daemon.wait_for("feed.listening", feed="adt")
        assert line["inherited"] is True
        assert line["address"] == f"127.0.0.1:{feed.getsockname()[1]}"
        assert daemon.wait_for("api.listening")["address"] == f"127.0.0.1:{api.getsockname()[1]}"
        with Peer(feed.getsockname()[1]) as sender:
            sender.send(framed(adt("M1")))
            assert sender.acks()[0].code == "AA"
        assert daemon.get("/healthz") == (200, "alive\n")
        assert daemon.terminate() == 0


def test_senders_that_connect_while_no_daemon_runs_are_answered_by_the_next_one(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    with bound() as feed:
        port = feed.getsockname()[1]
        with InheritingDaemon(site, {"feed-adt": feed}) as daemon:
            assert daemon.ready().terminate() == 0
        senders = [Peer(port) for _ in range(20)]
        for number, sender in enumerate(senders):
            sender.send(framed(adt(f"M{number}")))
        with InheritingDaemon(site, {"feed-adt": feed}) as daemon:
            daemon.ready()
            assert [sender.acks()[0].control_id for sender in senders] == [f"M{number}" for number in range(20)]
            for sender in senders:
                sender.socket.close()
            assert daemon.terminate() == 0


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate is not installed")
def test_systemd_socket_activate_hands_over_the_feed(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    port = free_port()
    command = [sys.executable, "-m", "daemon", "run", "-c", str(site), "--log-format", "json"]
    activator = subprocess.Popen(
        [
            *("systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=feed-adt"),
            *("-E", f"PYTHONPATH={ROOT}", "-E", "PATH", *command),
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        with _connected(port) as sender:
            sender.send(framed(adt("M1")))
            assert sender.acks()[0].code == "AA"
        activator.terminate()
        assert activator.stderr is not None
        lines = [json.loads(line) for line in activator.stderr if line.startswith("{")]
        assert activator.wait(30) == 0
    finally:
        activator.kill()
        activator.wait()
        assert activator.stderr is not None
        activator.stderr.close()
    [listening] = [line for line in lines if line["action"] == "feed.listening"]
    assert listening["inherited"] is True


def _connected(port: int) -> Peer:
    deadline = time.monotonic() + 30
    while True:
        try:
            return Peer(port)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_wrapper_in_between_does_not_pass_the_sockets_on(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "feed-adt"}
    with DaemonProcess(site, environment=environment) as daemon:
        assert daemon.ready().wait_for("feed.listening")["inherited"] is False
        assert daemon.terminate() == 0
