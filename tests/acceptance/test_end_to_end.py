"""Cron and HL7 in, stock Celery workers out: the daemon as a process, with a private Valkey and real workers."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import redis

from tests.support.builders import ADT_FEED, adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.worker import SERIES, Worker, wait_until_ran

SCHEDULE = """
[schedule.every-second]
task = "recording.tick"
every = "1s"
args = [1, "two"]
kwargs = { three = 3 }
options = { queue = "bells", expires = "1h", priority = 3, headers = { colour = "red" } }
"""


@pytest.mark.parametrize("python", SERIES.values(), ids=[f"celery-{version}x" for version in SERIES])
def test_a_stock_worker_runs_what_feeds_and_entries_hand_it(tmp_path: Path, python: Path) -> None:
    site = write_site(tmp_path, site_text(schedule=SCHEDULE, feeds=ADT_FEED))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        url = (tmp_path / "state" / "broker-url").read_text().strip()
        with Worker(url, queues="celery,bells", python=python), Peer(daemon.port()) as sender:
            sender.send(framed(adt("M1"), adt("M2", event="A02")))
            assert [ack.code for ack in sender.acks(2)] == ["AA", "AA"]
            client = redis.Redis.from_url(url)
            found = wait_until_ran(client, 4)
    messages = [one for one in found if one["name"] == "recording.message"]
    assert [one["message"]["control_id"] for one in messages] == ["M1", "M2"]
    assert messages[0]["message"]["text"].encode() == adt("M1")
    assert messages[1]["message"]["event"] == "A02"
    ticks = [one for one in found if one["name"] == "recording.tick"]
    assert ticks
    assert ticks[0]["args"] == [1, "two"]
    assert ticks[0]["kwargs"] == {"three": 3}
    assert ticks[0]["queue"] == "bells"
    assert ticks[0]["headers"]["celery_beat_task"] is True
    assert ticks[0]["headers"]["periodic_task_name"] == "every-second"
    assert ticks[0]["headers"]["expires"] is not None
    assert len({one["id"] for one in found}) == len(found)


@pytest.mark.parametrize("python", [SERIES["5.3."], SERIES["5.7."]], ids=["celery-5.3.x", "celery-5.7.x"])
def test_a_stock_worker_gets_a_large_message_whole(tmp_path: Path, python: Path) -> None:
    segment = 'OBX|1|ED|||\\E\\"é"\\F\\'.encode()
    sent = [adt("SMALL"), adt("LARGE") + segment + b"x" * (3 * 1024 * 1024) + b"\r", adt("LAST")]
    site = write_site(tmp_path, site_text(feeds=ADT_FEED + 'expires = "1h"\n'))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        url = (tmp_path / "state" / "broker-url").read_text().strip()
        with Worker(url, python=python), Peer(daemon.port()) as sender:
            sender.send(framed(*sent))
            assert [ack.code for ack in sender.acks(3)] == ["AA"] * 3
            found = wait_until_ran(redis.Redis.from_url(url), 3)
    assert [base64.b64decode(one["message"]["raw_b64"]) for one in found] == sent
    assert [one["message"]["text"].encode() for one in found] == sent


def test_sigterm_drains_and_exits_with_zero(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=ADT_FEED))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        with Peer(daemon.port()) as sender:
            sender.send(framed(adt("M1")))
            assert sender.acks()[0].code == "AA"
            assert daemon.terminate() == 0
            assert sender.rest() == b""
        daemon.wait_for("daemon.stopped")
