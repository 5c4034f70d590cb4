"""Ordered lanes: the daemon as a process, and one stock worker with one process for each lane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.worker import Worker, wait_until_ran

LANES = 4
FEED = f"""
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
type = "ADT"
task = "lanes.step"
kwargs = {{ patient = "PID-3.1", number = "MSH-10" }}
lane_by = "PID-3.1"
lanes = {LANES}
"""


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[tuple[DaemonProcess, Any]]:
    """Run a daemon and a worker for each of its lanes."""
    with DaemonProcess(write_site(folder, site_text(feeds=FEED))) as daemon, ExitStack() as stack:
        daemon.ready()
        url = (folder / "state" / "broker-url").read_text().strip()
        workers = [
            Worker(url, queues=f"adt.lane-{number}", app="lanes_app", environment=environment)
            for number in range(LANES)
        ]
        with ThreadPoolExecutor() as pool:
            list(pool.map(stack.enter_context, workers))
        client = stack.enter_context(redis.Redis.from_url(url))
        yield daemon, client


def send(daemon: DaemonProcess, count: int, patients: int) -> dict[str, list[str]]:
    """Send messages of so many patients in turn, and give what was sent for each."""
    sent: dict[str, list[str]] = defaultdict(list)
    messages = []
    for number in range(count):
        patient, control_id = f"P{number * 7 % patients}", f"M{number}"
        sent[patient].append(control_id)
        messages.append(adt(control_id, patient=patient))
    with Peer(daemon.port()) as sender:
        for start in range(0, count, 100):
            some = messages[start : start + 100]
            sender.send(framed(*some))
            assert {ack.code for ack in sender.acks(len(some))} == {"AA"}
    return sent


def by_patient(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    numbers: dict[str, list[str]] = defaultdict(list)
    for one in sorted(found, key=lambda one: one["begun_us"]):
        numbers[one["patient"]].append(one["number"])
    return numbers


def test_each_patient_is_served_in_order_and_lanes_run_beside_each_other(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, client):
        sent = send(daemon, 2000, 50)
        found = wait_until_ran(client, 2000)
    assert by_patient(found) == sent
    queues: dict[str, set[str]] = defaultdict(set)
    for one in found:
        queues[one["patient"]].add(one["queue"])
    assert all(len(its) == 1 for its in queues.values())
    assert len(set().union(*queues.values())) == LANES
    spans = sorted((one["begun_us"], one["ended_us"], one["queue"]) for one in found)
    beside = sum(later[0] < earlier[1] and later[2] != earlier[2] for earlier, later in pairwise(spans))
    assert beside > 0  # on a machine with one core as well: they wait a moment each
    for lane in {span[2] for span in spans}:
        its = [span for span in spans if span[2] == lane]
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(its))


@pytest.mark.parametrize("acks_late", ["", "1"])
def test_a_killed_worker_process_costs_its_message_and_not_the_order_of_the_others(
    tmp_path: Path, acks_late: str
) -> None:
    with running(tmp_path, ACKS_LATE=acks_late) as (daemon, client):
        client.sadd("kill", "M60", "M130")
        sent = send(daemon, 300, 10)
        found = wait_until_ran(client, 298)
        assert sorted(client.lrange("killed", 0, -1)) == [b"M130", b"M60"]
    expected = {patient: [one for one in its if one not in ("M60", "M130")] for patient, its in sent.items()}
    assert by_patient(found) == expected
