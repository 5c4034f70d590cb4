"""Workers that take their time, die, or are never heard of again, and whoever watches them, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from daemon.errors import BrokerDown
from tests.support.audit import Site
from tests.support.broker_model import BrokerModel, Link

NOTICED_S = 60.0
"""How long it takes until the death of a worker is noticed."""

AGAIN_S = 5.0


@dataclass(slots=True)
class RunsModel:
    """Runs what the broker has in its queues, and has places let go when a run is over.

    Attributes:
        mean_s: how long a run takes.
        deaths: how many of all runs end with their worker.
        silences: how many are never heard of again; nobody lets their places go.
        freed: told of the scopes where a place became free.
    """

    broker: BrokerModel
    link: Link
    site: Site
    tasks: TaskGroup
    chance: random.Random
    mean_s: float
    freed: Callable[[Iterable[str]], None]
    deaths: float = 0.0
    silences: float = 0.0
    ends: int = 0
    _seen: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Start whatever has a place and was not started yet."""
        for task_id in self.broker.gates.running:
            if task_id not in self._seen:
                self._seen.add(task_id)
                self.tasks.start_soon(self._run, task_id)

    async def _run(self, task_id: str) -> None:
        await anyio.sleep(self.chance.expovariate(1 / self.mean_s))
        dice = self.chance.random()
        if dice < self.silences:
            return
        if dice < self.silences + self.deaths:
            await anyio.sleep(NOTICED_S)
        else:
            self.broker.results.add(task_id)
        while True:
            self.site.end(task_id, self.broker.clock.now_us())
            try:
                self.freed(await self.link.release([task_id]))
            except BrokerDown:
                await anyio.sleep(AGAIN_S)
            else:
                self.ends += 1
                return
