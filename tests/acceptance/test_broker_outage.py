"""The broker fails; senders do not notice, and nothing is lost or done twice."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import redis

from daemon.keys import message_id, occurrence_id
from tests.support.builders import ADT_FEED, adt, site_text, write_site
from tests.support.lockstep import LockstepSender
from tests.support.process import DaemonProcess, occurrence_us
from tests.support.proxy import BadLink
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

FIVE_A_SECOND = """
[schedule.often]
task = "recording.tick"
every = "200ms"
catch_up = "all"
"""


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [adt(f"M{number:05d}") for number in range(start, start + count)]


def controls(found: list[dict[str, Any]]) -> list[str]:
    return [one["message"]["control_id"] for one in found if one["name"] == "recording.message"]


def test_broker_killed_and_restarted_no_sender_notices_and_all_runs_once_in_order(tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
        with DaemonProcess(site) as daemon:
            port = daemon.ready().port()
            with LockstepSender(lambda: port, numbered(300)) as sender:
                sender.wait_acked(50)
                valkey.kill()
                daemon.wait_for("broker.lost")
                sender.wait_acked(250)
                valkey.start()
                daemon.wait_until(
                    lambda record: record.get("action") == "broker.up" and record["down_s"] > 0, "broker up again"
                )
                sender.wait_done()
            assert sender.attempts == 300
            assert set(sender.codes) == {"AA"}
            with Worker(valkey.url):
                found = wait_until_ran(valkey.client, 300)
            assert daemon.terminate() == 0
        assert controls(found) == [f"M{number:05d}" for number in range(300)]
        assert valkey.client.llen("celery") == 0


def test_broker_down_from_the_start_feeds_accept_and_hand_on_later(tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED, schedule=FIVE_A_SECOND))
        valkey.kill()
        with DaemonProcess(site) as daemon:
            port = daemon.ready().port()
            assert daemon.get("/healthz")[0] == 200
            assert daemon.get("/readyz")[0] == 503
            with LockstepSender(lambda: port, numbered(20)) as sender:
                sender.wait_done()
            valkey.start()
            with Worker(valkey.url):
                wait_until_ran(valkey.client, 22)
                assert daemon.get("/readyz")[0] == 200
                assert daemon.terminate() == 0


def test_embedded_broker_killed_it_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=ADT_FEED))
    with DaemonProcess(site) as daemon:
        port = daemon.ready().port()
        pid = daemon.wait_for("embedded-broker.started")["pid"]
        with LockstepSender(lambda: port, numbered(200)) as sender:
            sender.wait_acked(50)
            os.kill(pid, signal.SIGKILL)
            daemon.wait_until(
                lambda record: record.get("action") == "embedded-broker.started" and record["pid"] != pid,
                "a new broker",
            )
            sender.wait_done()
        assert set(sender.codes) == {"AA"}
        client = redis.Redis.from_url((tmp_path / "state" / "broker-url").read_text().strip())
        with Worker((tmp_path / "state" / "broker-url").read_text().strip()):
            found = wait_until_ran(client, 200)
        assert controls(found) == [f"M{number:05d}" for number in range(200)]
        client.close()
        assert daemon.terminate() == 0


@pytest.mark.anyio
async def test_replies_lost_after_successful_pushes_everything_is_pushed_once(tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        async with BadLink(valkey.port) as link:
            url = f"redis://127.0.0.1:{link.port}/0"
            site = write_site(tmp_path, site_text(broker_url=url, feeds=ADT_FEED, schedule=FIVE_A_SECOND))
            with DaemonProcess(site, "--log-level", "debug") as daemon:
                await anyio.to_thread.run_sync(daemon.ready)
                port = await anyio.to_thread.run_sync(daemon.port)
                with LockstepSender(lambda: port, numbered(200)) as sender:
                    for step in range(1, 9):
                        await anyio.to_thread.run_sync(sender.wait_acked, step * 20)
                        link.lose_replies(1)
                        with anyio.fail_after(30):
                            await link.lost.wait()
                    await anyio.to_thread.run_sync(sender.wait_done)
                enqueued = partial(daemon.wait_metric, 200, "carillon_feed_enqueued_total", feed="adt")
                await anyio.to_thread.run_sync(enqueued)
                first = int(valkey.client.hget("carillon:1:testsite:entries", "often").split(b":")[1])
                await anyio.to_thread.run_sync(
                    lambda: daemon.wait_until(
                        lambda record: record.get("action") == "occurrence.enqueued" and occurrence_us(record) > first,
                        "another occurrence",
                    )
                )
                assert await anyio.to_thread.run_sync(daemon.terminate) == 0
        assert set(sender.codes) == {"AA"}
        last = int(valkey.client.hget("carillon:1:testsite:entries", "often").split(b":")[1])
        count = valkey.client.llen("celery")
        with Worker(valkey.url):
            found = wait_until_ran(valkey.client, count)
        assert controls(found) == [f"M{number:05d}" for number in range(200)]
        ticks = [one["id"] for one in found if one["name"] == "recording.tick"]
        planned = [occurrence_id("testsite", "often", at_us) for at_us in range(last - 120_000_000, last + 1, 200_000)]
        assert ticks == planned[-len(ticks) :]


@pytest.mark.anyio
async def test_a_push_that_arrives_after_the_daemon_gave_up_changes_nothing(tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        async with BadLink(valkey.port) as link:
            url = f"redis://127.0.0.1:{link.port}/0"
            site = write_site(tmp_path, site_text(broker_url=url, feeds=ADT_FEED))
            with DaemonProcess(site) as daemon:
                await anyio.to_thread.run_sync(daemon.ready)
                port = await anyio.to_thread.run_sync(daemon.port)
                with LockstepSender(lambda: port, numbered(5)) as sender:
                    await anyio.to_thread.run_sync(sender.wait_done)
                link.freeze()
                with LockstepSender(lambda: port, numbered(5, start=5)) as sender:
                    await anyio.to_thread.run_sync(sender.wait_done)
                with anyio.fail_after(30):
                    await link.held.wait()
                await anyio.to_thread.run_sync(daemon.wait_for, "broker.lost")
                link.thaw()
                await anyio.to_thread.run_sync(
                    lambda: daemon.wait_until(
                        lambda record: record.get("action") == "broker.up" and record["down_s"] > 0, "broker up again"
                    )
                )
                with LockstepSender(lambda: port, numbered(1, start=10)) as sender:
                    await anyio.to_thread.run_sync(sender.wait_done)
                with Worker(valkey.url):
                    found = await anyio.to_thread.run_sync(wait_until_ran, valkey.client, 11)
                assert await anyio.to_thread.run_sync(daemon.terminate) == 0
        assert controls(found) == [f"M{number:05d}" for number in range(11)]
        assert valkey.client.llen("celery") == 0


def test_broker_that_lost_its_last_writes_gets_them_again_under_the_same_ids(tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
        with DaemonProcess(site) as daemon:
            port = daemon.ready().port()
            with LockstepSender(lambda: port, numbered(10)) as sender:
                sender.wait_done()
            client = valkey.client
            _wait_length(valkey, 10)
            [key] = client.keys("carillon:1:testsite:feed:*")
            # What an append-only file cut short leaves: mark and messages of the tail are gone together.
            client.hset(key, "seq", 7)
            client.ltrim("celery", 3, -1)
            with LockstepSender(lambda: port, numbered(1, start=10)) as sender:
                sender.wait_done()
            assert daemon.wait_for("message.repeated")["pushed"] == 3
            with Worker(valkey.url):
                found = wait_until_ran(client, 11)
            assert daemon.terminate() == 0
        epoch = key.decode().rsplit(":", 1)[1]
        assert controls(found) == [f"M{number:05d}" for number in range(11)]
        assert [one["id"] for one in found] == [message_id("testsite", "adt", epoch, seq) for seq in range(1, 12)]


def _wait_length(valkey: ValkeyServer, count: int) -> None:
    deadline = time.monotonic() + 30
    while valkey.client.llen("celery") < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_broker_that_may_evict_is_told_until_it_no_longer_may(tmp_path: Path) -> None:
    with ValkeyServer("--maxmemory-policy", "allkeys-lru") as valkey:
        site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
        with DaemonProcess(site) as daemon:
            daemon.ready().wait_for("broker.evicting", policy="allkeys-lru")
            status, body = daemon.get("/readyz")
            assert status == 503
            assert "allkeys-lru" in body
            valkey.client.config_set("maxmemory-policy", "noeviction")
            daemon.wait_for("broker.keeping")
            daemon.wait_metric(0, "carillon_broker_evicting")
            assert daemon.get("/readyz")[0] == 200
