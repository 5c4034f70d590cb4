"""Entries that messages ring, on a real server: asked for once, and run once by a daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis

from daemon.clock import SECOND_US
from daemon.errors import BrokerDown
from daemon.events import Warned
from daemon.ports import Ring
from daemon.public import Public
from daemon.scheduler.layers import Setting
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.override import PAUSE
from daemon.scheduler.layers.ports import Table
from daemon.scheduler.layers.ringing import Ringing
from daemon.scheduler.model import How
from daemon.site import Site, check_site
from daemon.timetable import make_ringing
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.runtime import LAB, UTC, site_entry, store_at
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker, wait_until_ran

pytestmark = pytest.mark.anyio

AT_US = 1_790_000_000 * SECOND_US
ADT, SYNC = Public("adt"), Public("sync")
ENTRY = site_entry(
    "sync", cron="0 0 1 1 *", args=[1], overlap="skip", limit={"concurrency": 2}, options={"queue": "bells"}
)


@asynccontextmanager
async def ringing(url: str) -> AsyncIterator[tuple[Ringing, ScheduleDesk, list[Any]]]:
    said: list[Any] = []
    store = store_at(url)
    desk = ScheduleDesk([ENTRY], store, UTC)
    bell = Ringing(LAB, desk, said.append)
    await bell.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bell.serve)
        yield bell, desk, said
        await bell.drain()


async def asked_for(desk: ScheduleDesk) -> list[Any]:
    return [known.added async for known in desk.each(added_only=True)]


async def test_a_ring_asks_for_a_run_with_all_its_entry_has(valkey: ValkeyServer) -> None:
    async with ringing(valkey.url) as (bell, desk, said):
        await bell.ring([Ring(ADT, SYNC, "m1", AT_US), Ring(ADT, SYNC, "m2", AT_US)])
        await bell.ring([Ring(ADT, SYNC, "m2", AT_US), Ring(ADT, SYNC, "m1", AT_US + 1)])
        found = await asked_for(desk)
    assert len(found) == len({one.id for one in found}) == len({one.task_id for one in found}) == 3
    one = found[0]
    assert (one.kin, one.name, one.how, one.is_once, one.author) == ("sync", "sync", How.MESSAGE, True, "feed adt")
    assert {key: one.data[key] for key in ("task", "args", "overlap", "limit", "options")} == {
        "task": "task.sync", "args": [1], "overlap": "skip", "limit": {"concurrency": 2}, "options": {"queue": "bells"}
    }  # fmt: skip
    assert said == []


async def test_an_entry_that_is_paused_or_not_there_is_not_rung_and_that_is_said_once(valkey: ValkeyServer) -> None:
    async with ringing(valkey.url) as (bell, desk, said):
        await desk.change(await desk.find_all(["sync"]), {PAUSE: Setting(value=True, author="ada", at_us=AT_US)})
        for request in ("m1", "m2"):
            await bell.ring([Ring(ADT, SYNC, request, AT_US), Ring(ADT, Public("gone"), request, AT_US)])
        assert await desk.store.read(Table.ADDED, ["sync"]) == {}
        assert await asked_for(desk) == []
    assert [(event.code, event.about) for event in said if isinstance(event, Warned)] == [
        ("entry-not-rung", "sync"),
        ("entry-not-rung", "gone"),
    ]


async def test_without_a_broker_a_ring_is_not_taken() -> None:
    async with ringing(f"redis://127.0.0.1:{free_port()}/0") as (bell, _, __):
        with pytest.raises(BrokerDown):
            await bell.ring([Ring(ADT, SYNC, "m1", AT_US)])


FEEDS = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
entry = "sync"
"""
SCHEDULE = """
[schedule.sync]
task = "recording.tick"
cron = "0 0 1 1 *"
"""


def site_at(path: Path) -> Site:
    site = check_site(path, {}).site
    assert site is not None
    return site


def test_a_ring_that_comes_again_after_its_run_makes_no_other(tmp_path: Path, valkey: ValkeyServer) -> None:
    text = site_text(broker_url=valkey.url, schedule=SCHEDULE, feeds=FEEDS)
    path = write_site(tmp_path, text)
    site = site_at(path)
    with (
        DaemonProcess(path) as daemon,
        Worker(valkey.url),
        redis.Redis.from_url(valkey.url) as client,
    ):
        daemon.ready()

        def ring(request: str) -> None:
            async def once() -> None:
                bell = make_ringing(site, site.celery, lambda _: None)
                assert bell is not None
                async with anyio.create_task_group() as tasks:
                    await bell.open()
                    tasks.start_soon(bell.serve)
                    await bell.ring([Ring(ADT, SYNC, request, AT_US)])
                    await bell.drain()

            anyio.run(once)

        ring("m1")
        wait_until_ran(client, 1)
        ring("m1")
        ring("m2")
        found = wait_until_ran(client, 2)
        ring("m1")
        ring("m3")
        found = wait_until_ran(client, 3)
    assert len({one["id"] for one in found}) == len(found) == 3


def test_a_site_without_routes_that_ring_has_no_bell(tmp_path: Path) -> None:
    site = site_at(write_site(tmp_path, site_text(feeds=FEEDS.replace('entry = "sync"', 'task = "t"'))))
    assert make_ringing(site, site.celery.beside("redis://127.0.0.1/0"), lambda _: None) is None
