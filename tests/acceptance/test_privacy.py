"""No patient data leaves but to the task: everything the daemon writes is searched for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.builders import ADT_FEED, MARKER, adt, framed, site_text, write_site
from tests.support.lockstep import LockstepSender
from tests.support.peer import Peer
from tests.support.process import DaemonProcess, FaultyDaemon
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

FEED_WITH_PATHS = (
    ADT_FEED
    + """
kwargs = { name = "PID-5.1", street = "PID-11" }

[[feed.adt.route]]
type = "ORU"
task = "recording.message"
"""
)


def traffic() -> bytes:
    """Write messages of every fate: accepted, refused for each reason, resent, broken off."""
    good = adt("M1")
    return framed(
        good,
        good,
        adt("M2", patient=f"{MARKER}-MRN"),
        adt("").replace(b"M1", b""),
        adt("M3", version="3.0"),
        adt("M4").replace(b"ADT^A01", b"XXX^Y01"),
        adt("M5").replace(b"P|2.5||||", b"P|2.5||||||UNICODE UTF-8") + b"NTE|\xff" + MARKER.encode() + b"\r",
        f"{MARKER} is no message".encode(),
        b"MSH|AAAA|" + MARKER.encode(),
        b"",
        adt("M6").replace(b"PID|", b"\nPID|"),
        adt("M7").replace(b"ADT^A01^ADT_A01", b"ORU^R01^ORU_R01"),
        b"MSH|^~\\&|A|B|C|D|20260101||ACK^A01|M8|P|2.5\rMSA|AA|" + MARKER.encode() + b"\r",
    )


def test_logs_metrics_and_task_descriptions_hold_nothing_of_a_patient(tmp_path: Path, valkey: ValkeyServer) -> None:
    limits = 'listen = "127.0.0.1:0"\nframe_limit = "64KiB"'
    feeds = FEED_WITH_PATHS.replace('listen = "127.0.0.1:0"', limits)
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=feeds))
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        port = daemon.ready().port()
        with Peer(port) as sender:
            sender.send(traffic())
            codes = [ack.code for ack in sender.acks(12)]
            sender.send(framed(adt("BIG") + b"NTE|" + MARKER.encode() * 9_000))
            codes += [ack.code for ack in sender.acks(1)]
            sender.send(b"\x0bMSH|" + MARKER.encode())
            sender.reset()
        with Peer(port) as stray:
            stray.send(f"GET /{MARKER} HTTP/1.1\r\n\r\n".encode())
            assert stray.rest() == b""
        with Peer(port) as stray:
            stray.send(MARKER.encode() * 10_000)
            assert stray.rest() == b""
        daemon.wait_metric(4, "carillon_feed_enqueued_total", feed="adt")
        queued = [json.loads(one) for one in valkey.client.lrange("celery", 0, -1)]
        metrics = daemon.get("/metrics")[1] + daemon.get("/readyz")[1]
        with Worker(valkey.url) as worker:
            ran = wait_until_ran(valkey.client, 4)
        assert daemon.terminate() == 0
    assert codes == ["AA", "AA", "AA", "AE", "AR", "AR", "AE", "AR", "AR", "AR", "AA", "AA", "AR"]
    log = "\n".join(daemon.lines)
    assert MARKER not in log
    assert MARKER not in metrics
    assert not re.search(r"\bM[1-8]\b", log)
    for envelope in queued:
        assert MARKER not in json.dumps(envelope["headers"])
        assert MARKER in envelope["body"]
    assert MARKER not in "\n".join(worker.lines)
    assert ran[0]["kwargs"] == {"name": f"{MARKER}NAME", "street": f"{MARKER} STREET"}
    assert log.count("message.quarantined") == 8


def test_a_bug_met_by_a_message_is_reported_without_a_word_of_it_and_other_senders_go_on(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    with FaultyDaemon(site, "frame.complete", 1, then="raise") as daemon:
        port = daemon.ready().port()
        with Peer(port) as unlucky, Peer(port) as lucky:
            unlucky.send(framed(adt("M1")))
            assert unlucky.rest() == b""
            lucky.send(framed(adt("M2")))
            assert lucky.acks()[0].code == "AA"
        crash = daemon.wait_for("connection.crashed", feed="adt")
        assert daemon.terminate() == 0
    assert crash["error"] == "ValueError"
    assert "connection.py" in crash["frames"]
    assert MARKER not in "\n".join(daemon.lines)


@pytest.mark.parametrize("point", ["ack.before", "push.before", "commit.before", "claim.before"])
def test_a_bug_anywhere_else_ends_the_process_and_is_reported_without_a_word_of_a_message(
    tmp_path: Path, valkey: ValkeyServer, point: str
) -> None:
    schedule = '[schedule.a]\ntask = "recording.tick"\nevery = "200ms"\n'
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED, schedule=schedule))
    with FaultyDaemon(site, point, 1, then="raise") as daemon:
        port = daemon.ready().port()
        with LockstepSender(lambda: port, [adt(f"M{number}") for number in range(3)]):
            assert daemon.process is not None
            assert daemon.process.wait(60) == 70
    crash = daemon.wait_for("service.crashed")
    assert crash["error"] == "ValueError"
    assert "faulty_daemon.py" in crash["frames"]
    assert MARKER not in "\n".join(daemon.lines)
