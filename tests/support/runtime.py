"""The runtime layer of a site on a real server: stores, layers, and schedules that note what they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import anyio

from daemon.clock import SECOND_US, Clock, SystemClock, instant
from daemon.dispatch import CelerySide, RedisRuntimeStore
from daemon.events import Warned
from daemon.public import Public
from daemon.scheduler import Entry
from daemon.scheduler.layers import SITE, Layer
from daemon.scheduler.layers.added import Added
from daemon.scheduler.layers.compose import Definition, compose
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.ports import RuntimeStore
from daemon.scheduler.layers.service import RuntimeLayer
from daemon.scheduler.model import How

LAB, UTC = Public("lab"), Public("UTC")
LIMIT_S = 20.0
LATER_US = 3600 * SECOND_US


def site_entry(name: str, **data: object) -> Definition:
    """Write an entry of a site file."""
    given = {"task": f"task.{name}", **({} if data.keys() & {"cron", "at"} else {"every": "1h"}), **data}
    return Definition(Public(name), (Layer.of(SITE, given),))


def added(name: str, at_us: int, **data: object) -> Added:
    """Write an entry that someone adds."""
    timing = {} if "at" in data else {"every": "1h"}
    return Added(name, name, {"task": f"task.{name}", **timing, **data}, "ada@desk", at_us, "to see")


def once(name: str, due_us: int, at_us: int, **data: object) -> Added:
    """Write a task that is held until ``due_us``."""
    given = {"task": "recording.tick", "at": instant(due_us).isoformat(timespec="microseconds"), **data}
    return Added(name, name, given, "ada@desk", at_us, begins_us=due_us - 1, how=How.HELD, is_once=True, task_id=name)


class NotedSchedule:
    """Stands where the scheduler would: holds entries, fires none."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.puts = 0
        self.changed = anyio.Event()

    def put(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries[str(entry.id)] = entry
            self.puts += 1
        self._tell()

    def drop(self, ids: Iterable[str]) -> None:
        for one in ids:
            self.entries.pop(one, None)
        self._tell()

    def shut(self, ids: Iterable[str]) -> None:
        self.drop(ids)

    def _tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, holds: Callable[[dict[str, Entry]], bool]) -> None:
        """Wait until the entries are as wanted."""
        with anyio.fail_after(LIMIT_S):
            while not holds(self.entries):
                with anyio.move_on_after(0.2):
                    await self.changed.wait()


def store_at(url: str, site: Public = LAB) -> RedisRuntimeStore:
    """Make a store."""
    return RedisRuntimeStore(CelerySide({"broker_url": url}), site)


@asynccontextmanager
async def storing(url: str) -> AsyncIterator[RedisRuntimeStore]:
    """Open a store for a test's own use."""
    store = store_at(url)
    try:
        yield store
    finally:
        await store.close()


class Side:
    """One daemon's runtime layer."""

    def __init__(self, url: str, definitions: Iterable[Definition] = (), *, clock: Clock | None = None) -> None:
        self.said: list[object] = []
        self.schedule = NotedSchedule()
        self.clock = clock or SystemClock()
        definitions = tuple(definitions)
        now_us = self.clock.now_us()
        entries = [one for each in definitions if (one := compose(each, None, UTC, now_us).entry) is not None]
        self.store: RuntimeStore = store_at(url)
        self.layer = RuntimeLayer(UTC, definitions, entries, self.store, self.schedule, self.clock, self.said.append)

    async def warned(self, count: int) -> None:
        """Wait until so many warnings were given."""
        with anyio.fail_after(LIMIT_S):
            while len(self.warnings) < count:  # noqa: ASYNC110 - it announces itself to nobody
                await anyio.sleep(0.01)

    @property
    def warnings(self) -> list[str]:
        return [str(one.code) for one in self.said if isinstance(one, Warned)]


@asynccontextmanager
async def running(*sides: Side) -> AsyncIterator[None]:
    """Run runtime layers."""
    async with anyio.create_task_group() as tasks:
        for side in sides:
            await side.layer.open()
            tasks.start_soon(side.layer.serve)
        yield
        for side in sides:
            await side.layer.drain()


def desk(store: RuntimeStore, *definitions: Definition) -> ScheduleDesk:
    """Make a desk at which the site's entries are changed."""
    return ScheduleDesk(definitions, store, UTC)
