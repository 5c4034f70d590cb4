"""Stored messages found, shown, replayed and exported: the commands beside a real daemon, and without one."""

from __future__ import annotations

import base64
import json
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from daemon.sender.files import messages_in
from tests.support.builders import MARKER, adt, framed, site_text, write_site
from tests.support.command import carillon
from tests.support.command_here import Done, carillon_here
from tests.support.peer import Peer
from tests.support.process import LIMIT_S, DaemonProcess

FEEDS = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
type = "ADT"
event = ["A01", "A02"]
task = "recording.message"
queue = "real"

[feed.test]
listen = "127.0.0.1:0"
[[feed.test.route]]
task = "recording.test"
queue = "tests"
"""
SENT = 6


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("messages"), site_text(feeds=FEEDS))


@pytest.fixture(scope="module")
def daemon(site: Path) -> Iterator[DaemonProcess]:
    """Run a daemon that has stored four messages that became tasks, one that was refused, and one without a header."""
    with DaemonProcess(site) as process:
        process.ready()
        with Peer(process.port()) as sender:
            sender.send(framed(*(adt(f"M{number}", patient=f"PAT{number}") for number in range(1, 5))))
            sender.send(framed(adt("M5", event="A08"), b"no header at all\r"))
            assert [ack.code for ack in sender.acks(SENT)] == ["AA"] * 4 + ["AR"] * 2
        process.wait_metric(4, "carillon_feed_enqueued_total", feed="adt")
        yield process


def hl7(site: Path, command: str, *arguments: str) -> Done:
    return carillon_here("hl7", command, "-c", site, *arguments)


def listed(site: Path, *arguments: str) -> list[dict[str, Any]]:
    done = hl7(site, "list", *arguments, "--json")
    assert done.stdout, done.stderr
    return list(json.loads(done.stdout)["messages"])


def queued(site: Path, queue: str) -> list[dict[str, Any]]:
    """Read the messages in a queue, the oldest first."""
    url = (site.parent / "state" / "broker-url").read_text().strip()
    with redis.Redis.from_url(url) as client:
        found = [orjson.loads(one) for one in client.lrange(queue, 0, -1)]
    return [orjson.loads(one["body"])[1]["message"] for one in reversed(found)]


def wait_for(look: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Look until there is something."""
    ends_s = time.monotonic() + LIMIT_S
    while not (found := look()):
        assert time.monotonic() < ends_s
        time.sleep(0.05)
    return found


def deeds(site: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in carillon_here("audit", "list", "-c", site, "--json").stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ["", "M5", "M4", "M3", "M2", "M1"]),
        (("--feed", "adt", "-n", "2"), ["", "M5"]),
        (("--state", "enqueued"), ["M4", "M3", "M2", "M1"]),
        (("--state", "quarantined"), ["", "M5"]),
        (("--type", "ADT^A08"), ["M5"]),
        (("--type", "ADT"), ["M5", "M4", "M3", "M2", "M1"]),
        (("--control-id", "M3"), ["M3"]),
        (("--ack", "ar"), ["", "M5"]),
        (("--sender", "SENDAPP/SENDFAC"), ["M5", "M4", "M3", "M2", "M1"]),
        (("--sender", "OTHER"), []),
        (("--patient", "PAT2"), ["M2"]),
        (("--peer", "127.0.0.1", "--since", "1h", "--before", "3"), ["M2", "M1"]),
        (("--until", "1h"), []),
        (("--feed", "nobody"), []),
    ],
)
def test_messages_are_found_by_what_is_known_of_them(
    site: Path, daemon: DaemonProcess, arguments: tuple[str, ...], expected: list[str]
) -> None:
    del daemon
    found = [one["control_id"] for one in listed(site, *arguments) if one["seq"] <= SENT]
    assert found == expected


def test_a_search_for_a_patient_is_on_record_without_the_patient(site: Path, daemon: DaemonProcess) -> None:
    del daemon
    before = len(deeds(site))
    assert hl7(site, "list", "--patient", "PAT3").code == 0
    [deed] = deeds(site)[before:]
    assert deed["kind"] == "messages-searched"
    assert "PAT3" not in json.dumps(deed)


def test_nothing_of_a_patient_is_shown_unless_it_is_asked_for(site: Path, daemon: DaemonProcess) -> None:
    del daemon
    shown = hl7(site, "list").stdout + hl7(site, "show", "1").stdout + hl7(site, "quarantine").stdout
    assert MARKER not in shown
    assert "PAT1" not in shown
    before = len(deeds(site))
    revealed = hl7(site, "show", "1", "--reveal", "--reason", "call from the ward")
    assert f"{MARKER}NAME" in revealed.stdout
    [deed] = deeds(site)[before:]
    assert (deed["kind"], deed["about"], deed["note"]) == ("message-revealed", "message 1", "call from the ward")


def test_what_cannot_be_put_on_record_is_not_shown(
    site: Path, daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    del daemon
    from daemon.audit import TrailFile  # noqa: PLC0415
    from daemon.errors import AuditFailed  # noqa: PLC0415

    def fail(*_: object) -> None:
        message = "no room"
        raise AuditFailed(message)

    monkeypatch.setattr(TrailFile, "append", fail)
    for arguments in (("show", "1", "--reveal"), ("show", "1", "--raw"), ("list", "--patient", "PAT1")):
        done = hl7(site, *arguments)
        assert (done.code, done.stdout) == (74, "")


def test_a_message_tells_its_story(site: Path, daemon: DaemonProcess) -> None:
    del daemon
    story = hl7(site, "show", "2").stdout
    assert "message 2  enqueued  feed adt" in story
    assert "answered     AA" in story
    assert "task " in story
    refused = json.loads(hl7(site, "show", "5", "--json").stdout)
    assert (refused["state"], refused["reason"], refused["code"]) == ("quarantined", "event-not-routed", "AR")
    missing = hl7(site, "show", "999999")
    assert (missing.code, "there is no message 999999" in missing.stderr) == (1, True)


def test_a_replay_makes_new_tasks_of_old_messages(site: Path, daemon: DaemonProcess) -> None:
    before = len(queued(site, "real"))
    done = hl7(site, "replay", "2", "1", "--yes", "--reason", "worker bug", "--json")
    assert done.code == 0, done.stderr
    stored = json.loads(done.stdout)["stored"]
    assert list(stored) == ["1", "2"]
    daemon.wait_metric(before + 2, "carillon_feed_enqueued_total", feed="adt")
    assert [one["control_id"] for one in queued(site, "real")[before:]] == ["M1", "M2"]
    # How far a feed has been handed on is noted on the disk a moment later.
    again = wait_for(lambda: [one for one in listed(site, "--state", "enqueued") if one["seq"] == stored["2"]])
    assert [(one["flags"], one["origin_seq"]) for one in again] == [(["replay"], 2)]
    assert f"replayed as  {stored['2']}" in hl7(site, "show", "2").stdout


def test_a_replay_says_what_it_leaves_out(site: Path, daemon: DaemonProcess) -> None:
    del daemon
    done = hl7(site, "replay", "5", "6", "--reason", "try")
    assert done.code == 1
    assert "0 messages handed on once more, 2 left out" in done.stderr
    assert "it is refused still: event-not-routed" in done.stderr
    assert "it is refused still: no-msh" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 64, "which messages?"),
        (("1",), 64, "--yes is needed"),
        (("1", "--deidentify", "--yes"), 64, "--deidentify needs --to-feed"),
        (("1", "--to-feed", "nobody", "--yes"), 65, "there is no feed nobody"),
        (("77777", "--yes"), 64, "there is no message 77777"),
        (("--control-id", "nothing", "--yes"), 1, "no message is like that"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(
    site: Path, daemon: DaemonProcess, arguments: tuple[str, ...], code: int, words: str
) -> None:
    del daemon
    done = hl7(site, "replay", *arguments)
    assert (done.code, words in done.stderr) == (code, True), done.stderr


def test_a_dry_run_changes_nothing(site: Path, daemon: DaemonProcess) -> None:
    del daemon
    before = listed(site)
    done = hl7(site, "replay", "--state", "enqueued", "--until", "0.001s", "--dry-run")
    assert "would be replayed" in done.stderr
    assert listed(site) == before


def test_messages_go_into_a_test_feed_without_their_patients(site: Path, daemon: DaemonProcess) -> None:
    done = hl7(site, "replay", "1", "2", "--to-feed", "test", "--deidentify", "--yes")
    assert done.code == 0, done.stderr
    daemon.wait_metric(2, "carillon_feed_enqueued_total", feed="test")
    found = queued(site, "tests")
    assert [(one["feed"], one["type"], one["processing_id"]) for one in found] == [("test", "ADT", "T")] * 2
    for one in found:
        assert MARKER not in json.dumps(one).replace(f"{MARKER}HOSP", "")
        assert "PAT" not in one["text"]


def test_an_export_is_a_new_file_for_its_owner_alone(site: Path, daemon: DaemonProcess, tmp_path: Path) -> None:
    del daemon
    out = tmp_path / "adt.mllp"
    assert hl7(site, "export", "1", "2", "--out", str(out)).code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert messages_in(out.read_bytes(), as_it_is=True) == [adt("M1", patient="PAT1"), adt("M2", patient="PAT2")]
    again = hl7(site, "export", "1", "--out", str(out))
    assert (again.code, "never overwrites" in again.stderr) == (64, True)
    lines = tmp_path / "adt.jsonl"
    assert hl7(site, "export", "1", "--out", str(lines), "--format", "jsonl").code == 0
    assert base64.b64decode(json.loads(lines.read_text())["raw_b64"]) == adt("M1", patient="PAT1")
    clean = tmp_path / "clean.hl7"
    assert hl7(site, "export", "1", "2", "--out", str(clean), "--format", "plain", "--deidentify").code == 0
    assert b"PAT" not in clean.read_bytes()
    assert [deed["count"] for deed in deeds(site)[-3:]] == [2, 1, 2]


def test_messages_are_found_without_a_daemon(tmp_path: Path) -> None:
    own = write_site(tmp_path, site_text(feeds=FEEDS))
    nothing = hl7(own, "list")
    assert (nothing.code, "no message has been stored yet" in nothing.stderr) == (74, True)
    with DaemonProcess(own) as process:
        process.ready()
        with Peer(process.port()) as sender:
            sender.send(framed(adt("N1"), adt("N2")))
            sender.acks(2)
        process.kill()
    assert [one["control_id"] for one in listed(own)] == ["N2", "N1"]
    assert carillon("hl7", "show", "-c", own, "1", "--raw").stdout.encode() == adt("N1").replace(b"\r", b"\n")
    lonely = hl7(own, "replay", "1", "--yes")
    assert (lonely.code, "no daemon of this site runs here" in lonely.stderr) == (69, True)


def test_a_damaged_message_is_said_to_be_damaged_and_never_handed_on(tmp_path: Path) -> None:
    own = write_site(tmp_path, site_text(feeds=FEEDS))
    with DaemonProcess(own) as process:
        process.ready()
        with Peer(process.port()) as sender:
            sender.send(framed(adt("B1"), adt("B2")))
            sender.acks(2)
        process.wait_metric(2, "carillon_feed_enqueued_total", feed="adt")
        process.terminate()
        with closing(sqlite3.connect(own.parent / "state" / "spool.sqlite")) as db, db:
            db.execute(
                "UPDATE message SET data = CAST(replace(CAST(data AS TEXT), 'ICU', 'ICV') AS BLOB) WHERE seq = 1"
            )
        process.start()
        process.ready()
        assert "DAMAGED" in hl7(own, "show", "1").stdout
        done = hl7(own, "replay", "1", "2", "--yes")
        assert (done.code, "its bytes are not what was stored" in done.stderr) == (1, True)
        assert "1 message handed on once more" in done.stderr


def test_a_released_message_is_handed_on_once(tmp_path: Path) -> None:
    text = site_text(
        feeds=FEEDS.replace('event = ["A01", "A02"]', 'event = ["A01"]')
        + '[feed.late]\nlisten = "127.0.0.1:0"\nunrouted = "park"\n'
    )
    own = write_site(tmp_path, text)
    with DaemonProcess(own) as process:
        process.ready()
        with Peer(process.port("late")) as sender:
            sender.send(framed(adt("R1"), adt("R2")))
            assert [ack.code for ack in sender.acks(2)] == ["AA", "AA"]
        nothing = hl7(own, "release", "--feed", "late")
        assert (nothing.code, "no route of the feed makes a task of it" in nothing.stderr) == (1, True)
        process.terminate()
        own.write_text(text + '[[feed.late.route]]\ntask = "recording.message"\nqueue = "late"\n')
        process.start()
        process.ready()
        released = hl7(own, "release", "--feed", "late", "--json")
        assert released.code == 0, released.stderr
        process.wait_metric(2, "carillon_feed_enqueued_total", feed="late")
        assert [one["control_id"] for one in queued(own, "late")] == ["R1", "R2"]
        again = hl7(own, "release", "1", "2")
        assert (again.code, "2: it is not parked" in again.stderr) == (1, True)
