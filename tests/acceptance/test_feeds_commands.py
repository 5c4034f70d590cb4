"""Feeds steered while they run: the commands as processes, beside a real daemon and real senders."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.api.local import SOCKET
from tests.support.builders import adt, framed, site_text, write_site
from tests.support.command_here import carillon_here as carillon
from tests.support.peer import Peer
from tests.support.process import DaemonProcess

FEEDS = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
type = "ADT"
task = "recording.message"

[feed.lab]
listen = "127.0.0.1:0"
unrouted = "park"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("feeds"), site_text(feeds=FEEDS))


@pytest.fixture(scope="module")
def daemon(site: Path) -> Iterator[DaemonProcess]:
    with DaemonProcess(site) as process:
        process.ready()
        yield process


def feeds(site: Path, *arguments: str) -> Any:
    """Run a command of feeds that must work, and read its JSON."""
    done = carillon("feeds", arguments[0], "-c", site, *arguments[1:])
    assert done.code == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done


def row(site: Path, name: str = "adt") -> dict[str, Any]:
    [found] = [one for one in feeds(site, "list", "--json") if one["name"] == name]
    return dict(found)


def answered(port: int, control_id: str) -> str:
    with Peer(port) as sender:
        sender.send(framed(adt(control_id)))
        return sender.acks()[0].code


def test_a_feed_is_listed_with_what_it_did(site: Path, daemon: DaemonProcess) -> None:
    before = row(site)
    port = daemon.port()
    with Peer(port) as sender:
        sender.send(framed(adt("L1"), adt("L1"), adt("L2").replace(b"ADT^A01", b"ORU^R01")))
        assert [ack.code for ack in sender.acks(3)] == ["AA", "AA", "AR"]
        after = row(site)
        detail = feeds(site, "show", "adt", "--json")
        assert after["connections"] == 1
        assert [one["messages"] for one in detail["connections"]] == [3]
    assert after["listen"] == [f"127.0.0.1:{port}"]
    assert after["codes"]["AA"] - before["codes"].get("AA", 0) == 2
    assert after["codes"]["AR"] - before["codes"].get("AR", 0) == 1
    assert after["resent"] - before["resent"] == 1
    assert after["last_hour"] - before["last_hour"] == 3
    assert 0 < after["p50_s"] <= after["p99_s"]
    assert detail["quarantined"]["type-not-routed"] >= 1
    assert sum(detail["minutes"]) == after["last_hour"]
    assert sum(detail["kinds"].values()) == after["last_hour"]
    [first] = detail["routes"]
    assert (first["name"], first["becomes"]) == ("1 recording.message", "recording.message")
    assert first["count"] == sum(after["codes"].values()) - after["resent"] - detail["unrouted"]
    assert detail["unrouted"] == detail["quarantined"]["type-not-routed"]
    assert f"    1 recording.message: {first['count']}\n" in feeds(site, "show", "adt").stdout
    daemon.wait_metric(detail["kinds"]["ADT"], "carillon_feed_messages_total", feed="adt", type="ADT")


def test_what_came_in_the_last_hour_is_known_after_a_restart(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=FEEDS))
    with DaemonProcess(site) as first:
        first.ready()
        assert [answered(first.port(), f"R{number}") for number in range(3)] == ["AA"] * 3
        assert row(site)["last_hour"] == 3
        assert first.terminate() == 0
    with DaemonProcess(site) as second:
        second.ready()
        assert row(site)["last_hour"] == sum(feeds(site, "show", "adt", "--json")["minutes"]) == 3


def test_a_paused_feed_leaves_its_senders_waiting_until_it_is_resumed(site: Path, daemon: DaemonProcess) -> None:
    with Peer(daemon.port()) as sender:
        sender.send(framed(adt("P1")))
        assert sender.acks()[0].code == "AA"
        said = feeds(site, "pause", "adt", "--note", "LIS upgrade", "--for", "2h").stderr
        assert "paused (withhold)" in said
        sender.send(framed(adt("P2")))
        found = row(site)
        assert (found["state"], found["pause"]["note"]) == ("paused", "LIS upgrade")
        listed = carillon("feeds", "list", "-c", site)
        assert "LIS upgrade" in listed.stderr
        sender.socket.settimeout(1.0)
        with pytest.raises(TimeoutError):
            sender.acks()
        sender.socket.settimeout(30.0)
        feeds(site, "resume", "adt")
        assert sender.acks()[0].control_id == "P2"
    assert row(site)["pause"] is None


def test_a_drained_feed_gives_its_port_free_and_the_others_go_on(site: Path, daemon: DaemonProcess) -> None:
    ports = {name: int(row(site, name)["listen"][0].rpartition(":")[2]) for name in ("adt", "lab")}
    feeds(site, "drain", "lab")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports["lab"]), timeout=5)
    assert answered(ports["adt"], "D1") == "AA"
    assert row(site, "lab")["state"] == "paused"
    feeds(site, "resume", "lab")
    assert row(site, "lab")["state"] in ("listening", "receiving")
    assert answered(int(row(site, "lab")["listen"][0].rpartition(":")[2]), "D2") == "AA"
    del daemon


def test_a_sender_is_sent_away_by_its_number(site: Path, daemon: DaemonProcess) -> None:
    with Peer(daemon.port()) as sender:
        sender.send(framed(adt("C1")))
        assert sender.acks()[0].code == "AA"
        [connection] = feeds(site, "show", "adt", "--json")["connections"]
        feeds(site, "disconnect", "adt", str(connection["number"]))
        assert sender.rest() == b""
    refused = carillon("feeds", "disconnect", "-c", site, "adt", str(connection["number"]))
    assert refused.code == 65
    assert "has no connection" in refused.stderr


def test_changes_are_on_record(site: Path, daemon: DaemonProcess) -> None:
    feeds(site, "pause", "lab", "--policy", "reject", "--note", "moved\nto host b")
    feeds(site, "resume", "lab")
    listed = carillon("audit", "list", "-c", site, "--json")
    kinds = [json.loads(line)["kind"] for line in listed.stdout.splitlines()]
    assert kinds[-2:] == ["feed-paused", "feed-resumed"]
    assert carillon("audit", "verify", "-c", site).code == 0
    del daemon


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nobody"), 65, "there is no feed nobody"),
        (("pause", "nobody"), 65, "there is no feed nobody"),
        (("show", "../etc"), 64, "is no name of a feed"),
        (("pause", "adt", "--for", "1h", "--until", "2027-01-01T00:00:00Z"), 64, "give one of them"),
        (("pause", "adt", "--for", "soon"), 64, "not a duration"),
        (("pause", "adt", "--until", "2020-01-01T00:00:00Z"), 64, "is over"),
    ],
)
def test_what_cannot_be_is_said(
    site: Path, daemon: DaemonProcess, arguments: tuple[str, ...], code: int, words: str
) -> None:
    del daemon
    done = carillon("feeds", arguments[0], "-c", site, *arguments[1:])
    assert (done.code, words in done.stderr) == (code, True), done.stderr


def test_the_socket_is_closed_to_others(site: Path, daemon: DaemonProcess) -> None:
    del daemon
    path = site.parent / "state" / SOCKET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if os.geteuid() != 0:
        pytest.skip("only root can be someone else")
    path.chmod(0o666)
    folder = path.parent
    pid = os.fork()
    if pid == 0:  # as nobody, over the opened folder: the mode of the socket is not what keeps others out
        try:
            descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
            os.setgid(65534)
            os.setuid(65534)
            asking = socket.socket(socket.AF_UNIX)
            asking.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
            asking.sendall(b"GET /feeds HTTP/1.1\r\nHost: x\r\n\r\n")
            os._exit(0 if b" 403 " in asking.recv(4096) else 1)
        except PermissionError:
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_without_a_daemon_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    lonely = write_site(tmp_path, site_text(feeds=FEEDS))
    done = carillon("feeds", "list", "-c", lonely)
    assert done.code == 69
    assert "no daemon of this site runs here" in done.stderr
    assert "carillon run" in done.stderr


def test_a_pause_outlives_the_daemon_and_ends_by_itself(tmp_path: Path) -> None:
    own = write_site(tmp_path, site_text(feeds=FEEDS))
    with DaemonProcess(own) as process:
        process.ready()
        feeds(own, "pause", "adt", "--policy", "close", "--for", "4s")
        feeds(own, "pause", "lab", "--note", "kept")
        process.kill()
    with DaemonProcess(own) as process:
        process.ready()
        assert row(own, "lab")["pause"]["note"] == "kept"
        process.wait_for("feed.listening", feed="adt")
        assert answered(process.port(), "E1") == "AA"
        assert row(own, "lab")["state"] == "paused"
