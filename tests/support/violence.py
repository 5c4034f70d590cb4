"""Daemons as processes around one Valkey, each behind a link of its own, and somebody who breaks all of it at random.

Clocks are off by up to five seconds, daemons are killed, stopped and cut off, replies are lost. Afterwards all is healed, and what is
in the queue is held against the schedule.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync

from daemon.clock import SECOND_US
from daemon.keys import occurrence_id
from tests.support.builders import site_text, write_site
from tests.support.cutting import CutLink
from tests.support.process import ROOT, DaemonProcess
from tests.support.proxy import _reset
from tests.support.valkey import ValkeyServer

SKEW_S = 5.0
LEDGER = "carillon:1:testsite:entries"
ENTRY = '[schedule.e-{}]\ntask = "app.tick"\nevery = "1s"\ncatch_up = "all"\n'
SETTLE_S = 8.0
"""All daemons run undisturbed for so long at the end; no clock is further off."""

LIMIT_S = 120.0


class RoughLink(CutLink):
    """A link that is cut, frozen and refused."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        try:
            await super()._serve(reader, writer)
        except OSError:  # the server is not there
            _reset(writer)

    async def _pass_forth(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, near: asyncio.StreamWriter
    ) -> None:
        del near
        await self._forth(reader, writer)
        writer.close()

    def freeze(self) -> None:
        """Hold back what comes from now on; what is held back already stays with it."""
        if self._open.is_set():
            super().freeze()

    def lead_to(self, port: int) -> None:
        """Lead to another server from now on."""
        self._target_port = port
        self.reset_all()


class SkewedDaemon(DaemonProcess):
    """A daemon whose clock is off by as much as it was told before it was started."""

    def __init__(self, site_file: Path) -> None:
        super().__init__(site_file)
        self._site_file = site_file
        self._environment["PYTHONPATH"] = str(ROOT)

    def skew(self, offset_us: int) -> None:
        script = ROOT / "tests" / "support" / "skewed_daemon.py"
        self._command = [sys.executable, str(script), str(self._site_file), str(offset_us)]

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@dataclass(slots=True)
class Sum:
    """What is there at the end.

    Attributes:
        due: how many occurrences there were since the entries were adopted.
        missing, doubled, strange: task ids that are in no queue, in one more than once, and of no occurrence.
    """

    due: int
    missing: list[str]
    doubled: list[str]
    strange: list[str]


@dataclass(slots=True)
class Cluster:
    """Daemons, their links, and the server they share."""

    server: ValkeyServer
    chance: random.Random
    skew_s: float
    daemons: list[SkewedDaemon] = field(default_factory=list)
    links: list[RoughLink] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    async def harm(self, seconds: float, every_s: float) -> None:
        """Do harm for so long, some each ``every_s``; several harms overlap."""
        harms: list[Callable[[int], Coroutine[Any, Any, None]]] = [
            self._kill,
            self._stop,
            self._cut_off,
            self._reset,
            self._lose,
        ]
        async with anyio.create_task_group() as tasks:
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at:
                await anyio.sleep(self.chance.expovariate(1 / every_s))
                harm = self.chance.choice(harms)
                self.done[harm.__name__.strip("_")] += 1
                tasks.start_soon(harm, self.chance.randrange(len(self.daemons)))

    async def settle(self) -> None:
        """Heal everything and wait until every entry is accounted for up to a later instant."""
        for link in self.links:
            link.thaw()
            link.accept()
        until_us = int((time.time() + SETTLE_S) * SECOND_US)  # noqa: TID251 - the server's clock
        with anyio.fail_after(LIMIT_S):
            while any(at_us < until_us for at_us, _ in (await run_sync(self.horizons)).values()):  # noqa: ASYNC110
                await anyio.sleep(0.2)

    def horizons(self) -> dict[str, tuple[int, int]]:
        """Give for each entry up to where it is accounted for, and since when."""
        found = self.server.client.hgetall(LEDGER)
        parts = {name.decode(): value.decode().split(":") for name, value in found.items()}
        return {name: (int(at_us), int(since_us)) for name, (_, at_us, since_us, _) in parts.items()}

    def sum_up(self) -> Sum:
        """Hold the queue against the schedule; nothing may be pushed meanwhile."""
        queued = self.queued()
        due = {
            occurrence_id("testsite", name, at_us)
            for name, (until_us, since_us) in self.horizons().items()
            for at_us in range((since_us // SECOND_US + 1) * SECOND_US, until_us + 1, SECOND_US)
        }
        missing = [one for one in due if one not in queued]
        doubled = [one for one, count in queued.items() if count > 1]
        return Sum(len(due), missing, doubled, [one for one in queued if one not in due])

    def queued(self, server: ValkeyServer | None = None) -> Counter[str]:
        """Count how often each task is in the queue."""
        client, found = (server or self.server).client, Counter[str]()
        for start in range(0, client.llen("celery"), 5000):
            found.update(json.loads(one)["headers"]["id"] for one in client.lrange("celery", start, start + 4999))
        return found

    async def end(self) -> None:
        """End all daemons."""
        for daemon in self.daemons:
            daemon.signal(signal.SIGCONT)
            await run_sync(daemon.kill)
        await anyio.sleep(0.2)

    def move(self, server: ValkeyServer) -> None:
        """Have all links lead to another server."""
        self.server = server
        for link in self.links:
            link.lead_to(server.port)

    async def fail_over(self, replica: ValkeyServer, lag_s: float) -> set[str]:
        """Promote a replica that has not seen what was written for so long; give the tasks that it does not know."""
        replica.client.replicaof("NO", "ONE")
        await anyio.sleep(lag_s)
        master = self.server
        await run_sync(master.kill)
        known = set(self.queued(replica))
        self.move(replica)
        await run_sync(master.start)  # alone, to be asked what it had
        lost = set(self.queued(master)) - known
        await run_sync(master.kill)
        return lost

    def repeated(self) -> set[str]:
        """Give the occurrences that daemons said to have pushed again."""
        found = set()
        for daemon in self.daemons:
            for line in daemon.lines:
                if line.startswith('{"action": "repeated"'):
                    told = json.loads(line)
                    found.add(occurrence_id("testsite", told["entry"], told["at_us"]))
        return found

    # -- harms ---------------------------------------------------------------------------------------------------------

    async def start(self, place: int) -> None:
        """Start a daemon, its clock off by some other amount than before."""
        self.daemons[place].skew(round(self.chance.uniform(-self.skew_s, self.skew_s) * SECOND_US))
        await run_sync(self.daemons[place].start)

    async def _kill(self, place: int) -> None:
        daemon = self.daemons[place]
        if daemon.process is not None and daemon.process.poll() is None:
            await run_sync(daemon.kill)
            await self.start(place)

    async def _stop(self, place: int) -> None:
        process = self.daemons[place].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        await anyio.sleep(self.chance.uniform(0.2, 4))
        process.send_signal(signal.SIGCONT)

    async def _cut_off(self, place: int) -> None:
        link = self.links[place]
        link.freeze()
        await anyio.sleep(self.chance.uniform(0.2, 4))
        link.refuse()
        link.reset_all()
        await anyio.sleep(self.chance.uniform(0.2, 2))
        link.thaw()
        link.accept()

    async def _reset(self, place: int) -> None:
        self.links[place].reset_all()

    async def _lose(self, place: int) -> None:
        self.links[place].back_left = self.chance.randrange(1, 2000)
        await anyio.sleep(0.5)
        self.links[place].heal()


def follow(replica: ValkeyServer, master: ValkeyServer) -> None:
    """Have a server copy another, and wait until it does."""
    replica.client.replicaof("127.0.0.1", str(master.port))
    deadline = time.monotonic() + LIMIT_S
    while replica.client.info("replication")["master_link_status"] != "up":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@asynccontextmanager
async def cluster(
    folder: Path, server: ValkeyServer, *, daemons: int, entries: int, seed: int, skew_s: float = SKEW_S
) -> AsyncIterator[Cluster]:
    """Start daemons and wait until all are ready."""
    made = Cluster(server, random.Random(seed), skew_s)
    schedule = "".join(map(ENTRY.format, range(entries)))
    async with AsyncExitStack() as stack:
        for place in range(daemons):
            link = await stack.enter_async_context(RoughLink(server.port))
            home = folder / f"daemon-{place}"
            home.mkdir()
            site = write_site(home, site_text(broker_url=f"redis://127.0.0.1:{link.port}/0", schedule=schedule))
            made.links.append(link)
            made.daemons.append(SkewedDaemon(site))
        try:
            for place in range(daemons):
                await made.start(place)
            for daemon in made.daemons:
                await run_sync(daemon.ready)
            yield made
        finally:
            with anyio.CancelScope(shield=True):
                await made.end()
