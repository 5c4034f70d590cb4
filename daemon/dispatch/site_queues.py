"""The queues of a site and who sends to them, worked out once a minute, beside the loop: a site may have ten thousand entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import anyio
from anyio import to_thread

from daemon.clock import Clock
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.feeding import Fed, Feeder, fed_queues

FRESH_S = 60.0
QUEUES_LIMIT = 2000
"""Queues that are looked at; of more, the first by name."""


class SiteQueues:
    """Which queues there are."""

    def __init__(self, line: CeleryLine, clock: Clock, feeders: Callable[[], Iterable[Feeder]]) -> None:
        """Work out nothing yet; ``feeders`` lists who sends."""
        self._line = line
        self._clock = clock
        self._feeders = feeders
        self._lock = anyio.Lock()
        self._found: Mapping[str, Fed] = {}
        self._until_s = float("-inf")

    async def fed(self) -> Mapping[str, Fed]:
        """Say of every queue the site knows who sends to it.

        Raises:
            BrokerDown: the way to the broker is not open yet.
        """
        async with self._lock:
            if self._clock.monotonic_s() >= self._until_s:
                self._found = await to_thread.run_sync(self._work_out)
                self._until_s = self._clock.monotonic_s() + FRESH_S
            return self._found

    def _work_out(self) -> Mapping[str, Fed]:
        client = self._line.client
        declared = [queue.name for queue in client.router.queues]
        found = fed_queues(list(self._feeders()), client.queues_of, declared)
        return {name: found[name] for name in sorted(found)[:QUEUES_LIMIT]}
