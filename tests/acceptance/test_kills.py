"""``kill -9`` under load: what was acknowledged runs once, in order, in a real worker."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from daemon.keys import occurrence_id
from daemon.ports import FAULT_POINTS
from tests.support.builders import ADT_FEED, adt, site_text, write_site
from tests.support.lockstep import LockstepSender
from tests.support.process import ROOT, UNDER_LOAD, DaemonProcess, FaultyDaemon, occurrence_us
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker, wait_until_ran

KILLS = 18
MESSAGES = 600
SEVERAL = 400
"""Enough for more pushes than ten, although messages gather for a moment before each."""


def feed_site(folder: Path, broker_url: str, port: int, **parts: str) -> Path:
    feed = ADT_FEED.replace("127.0.0.1:0", f"127.0.0.1:{port}")
    return write_site(folder, site_text(broker_url=broker_url, feeds=feed, **parts))


def test_killed_at_random_moments_every_acknowledged_message_runs_once_and_in_order(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed={seed}")
    chance = random.Random(seed)
    port = free_port()
    site = feed_site(tmp_path, valkey.url, port)
    messages = [adt(f"M{number:05d}") for number in range(MESSAGES)]
    with (
        Worker(valkey.url),
        DaemonProcess(site) as daemon,
        LockstepSender(lambda: port, messages) as sender,
    ):
        for kill in range(KILLS):
            daemon.ready()
            sender.wait_acked(min((kill + 1) * MESSAGES // (KILLS + 2), MESSAGES))
            time.sleep(chance.uniform(0, 0.05))  # where in the work it is struck is meant to be random
            daemon.kill()
            daemon.start()
        sender.wait_done()
        found = wait_until_ran(valkey.client, MESSAGES)
        assert set(sender.codes) == {"AA"}
        assert [one["message"]["control_id"] for one in found] == [f"M{number:05d}" for number in range(MESSAGES)]
        assert daemon.terminate() == 0
        assert valkey.client.llen("celery") == 0


@pytest.mark.parametrize("point", UNDER_LOAD)
def test_killed_at_a_named_point_every_acknowledged_message_runs_once_and_in_order(
    tmp_path: Path, valkey: ValkeyServer, point: str
) -> None:
    port = free_port()
    site = feed_site(tmp_path, valkey.url, port)
    messages = [adt(f"M{number:05d}") for number in range(SEVERAL)]
    faulty = FaultyDaemon(site, point, 10)
    with faulty, LockstepSender(lambda: port, messages) as sender:
        faulty.ready()
        assert faulty.process is not None
        assert faulty.process.wait(60) == -9
        with DaemonProcess(site) as daemon:
            daemon.ready()
            sender.wait_done()
            with Worker(valkey.url):
                found = wait_until_ran(valkey.client, len(messages))
            assert daemon.terminate() == 0
    assert [one["message"]["control_id"] for one in found] == [f"M{number:05d}" for number in range(SEVERAL)]
    assert valkey.client.llen("celery") == 0


@pytest.mark.parametrize("point", ["claim.before", "claim.after"])
def test_killed_around_a_claim_each_occurrence_runs_once(tmp_path: Path, valkey: ValkeyServer, point: str) -> None:
    schedule = """
[schedule.often]
task = "recording.tick"
every = "200ms"
catch_up = "all"
"""
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=schedule))
    faulty = FaultyDaemon(site, point, 6)
    with faulty:
        assert faulty.process is not None
        assert faulty.process.wait(60) == -9
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        first = occurrence_us(daemon.wait_for("occurrence.enqueued"))
        daemon.wait_until(
            lambda record: record.get("action") == "occurrence.enqueued" and occurrence_us(record) > first + 1_000_000,
            "a second of occurrences",
        )
        assert daemon.terminate() == 0
        last = max(occurrence_us(one) for one in daemon.records if one.get("action") == "occurrence.enqueued")
    count = valkey.client.llen("celery")
    with Worker(valkey.url):
        ran = [one["id"] for one in wait_until_ran(valkey.client, count)]
    planned = [occurrence_id("testsite", "often", at_us) for at_us in range(last - 60_000_000, last + 1, 200_000)]
    assert ran == planned[-len(ran) :]


def test_every_named_point_is_part_of_the_code() -> None:
    source = "".join(path.read_text() for path in (ROOT / "daemon").rglob("*.py") if path.name != "ports.py")
    assert [point for point in FAULT_POINTS if f'"{point}"' not in source] == []


@pytest.mark.parametrize("point", ["start.bound", "stop.drain", "checkpoint.before"])
def test_killed_while_starting_or_stopping_nothing_acknowledged_is_lost(
    tmp_path: Path, valkey: ValkeyServer, point: str
) -> None:
    port = free_port()
    site = feed_site(tmp_path, valkey.url, port)
    messages = [adt(f"M{number:05d}") for number in range(10)]
    faulty = FaultyDaemon(site, point, 1)
    with faulty, LockstepSender(lambda: port, messages) as sender:
        assert faulty.process is not None
        if point != "start.bound":
            sender.wait_acked(5)
            faulty.process.terminate()
        assert faulty.process.wait(60) == -9
        with DaemonProcess(site) as daemon:
            daemon.ready()
            sender.wait_done()
            with Worker(valkey.url):
                found = wait_until_ran(valkey.client, len(messages))
            assert daemon.terminate() == 0
    assert [one["message"]["control_id"] for one in found] == [f"M{number:05d}" for number in range(10)]
