"""Routes of a feed: several tasks of a message, messages that are filtered, and entries that messages ring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.command import carillon
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.site_files import problem_lines
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

SCHEDULE = """
[schedule.sync]
task = "recording.tick"
cron = "0 0 1 1 *"
args = ["rung"]
overlap = "skip"
options = { queue = "bells" }
"""
FEED = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
event = "A09"
filter = true
[[feed.adt.route]]
entry = "sync"
where = { "PV1-3.1" = "ICU" }
also = true
[[feed.adt.route]]
task = "recording.message"
also = true
[[feed.adt.route]]
task = "recording.tick"
args = ["MSH-10", "=x", { path = "PID-3.4", all = true }]
kwargs = { born = { path = "PID-7", as = "date" } }
headers = { colour = "red" }
"""


def test_a_message_becomes_all_of_its_tasks_and_rings_its_entry_once(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule=SCHEDULE, feeds=FEED))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        url = (tmp_path / "state" / "broker-url").read_text().strip()
        first = adt("M1")
        with Peer(daemon.port()) as sender:
            sender.send(framed(first, adt("M2", event="A09"), adt("M3", ward="W1"), first))
            assert [ack.code for ack in sender.acks(4)] == ["AA"] * 4
        with Worker(url, queues="celery,bells"), redis.Redis.from_url(url) as client:
            wait_until_ran(client, 5)
            daemon.kill()
            daemon.start()
            daemon.ready()
            with Peer(daemon.port()) as sender:
                sender.send(framed(first, adt("M4", ward="W1")))
                assert [ack.code for ack in sender.acks(2)] == ["AA"] * 2
            found = wait_until_ran(client, 7)
    documents = [one for one in found if one["name"] == "recording.message"]
    assert [one["message"]["control_id"] for one in documents] == ["M1", "M3", "M4"]
    ticks = [one for one in found if one["name"] == "recording.tick" and one["queue"] == "celery"]
    hospital = ["ZZPATIENTHOSP"]
    assert [one["args"] for one in ticks] == [[name, "x", hospital] for name in ("M1", "M3", "M4")]
    assert {json.dumps(one["kwargs"]) for one in ticks} == {'{"born": "1970-01-01"}'}
    assert {one["custom"]["colour"] for one in ticks} == {"red"}
    [rung] = [one for one in found if one["queue"] == "bells"]
    assert rung["args"] == ["rung"]
    assert len({one["id"] for one in found}) == len(found) == 7


def problems(folder: Path, **site: Any) -> list[str]:
    return [line for line in problem_lines(folder, site_text(**site)) if "feed.adt" in line]


def test_an_entry_that_is_not_there_is_found_by_check(tmp_path: Path) -> None:
    [line] = problems(tmp_path, schedule=SCHEDULE, feeds=FEED.replace('"sync"', '"snyc"'))
    assert "feed.adt.route[1].entry" in line
    assert 'did you mean "sync"?' in line


def test_rabbitmq_is_refused_what_it_cannot_do(tmp_path: Path) -> None:
    schedule = SCHEDULE.replace('overlap = "skip"\n', "")
    lines = problems(tmp_path, broker_url="amqp://localhost//", schedule=schedule, feeds=FEED)
    keys = [line.partition("feed.adt.")[2].partition(":")[0] for line in lines if "needs Redis or Valkey" in line]
    assert keys == ["route[1].entry", "route[1].also", "route[2].also"]


def test_a_header_that_workers_read_cannot_be_set(tmp_path: Path) -> None:
    [line] = problems(tmp_path, schedule=SCHEDULE, feeds=FEED.replace("colour", "retries"))
    assert "feed.adt.route[3]" in line


LANED = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
task = "t"
lane_by = "PID-3.1"
lanes = 2
"""


@pytest.mark.parametrize(("queues", "wrong"), [(["adt.lane-0", "adt.lane-1"], 0), (["adt.lane-0"], 1), (["other"], 1)])
def test_lanes_need_queues_that_there_may_be(tmp_path: Path, queues: list[str], wrong: int) -> None:
    named = ", ".join(f'"{name}" = {{}}' for name in queues)
    celery = f"task_create_missing_queues = false\ntask_queues = {{ {named} }}\ntask_default_queue = '{queues[0]}'"
    assert len(problems(tmp_path, feeds=LANED, celery=celery)) == wrong


def test_the_queues_of_all_lanes_are_listed(tmp_path: Path) -> None:
    with ValkeyServer() as server:
        site = write_site(tmp_path, site_text(broker_url=server.url, feeds=LANED))
        listed = json.loads(carillon("queues", "list", "--json", "-c", site).stdout)
    assert {row["name"] for row in listed["queues"]} >= {"adt.lane-0", "adt.lane-1"}
