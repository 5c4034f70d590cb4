"""Where the results of a site are read: in Redis by the shim itself, elsewhere through celery in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shim.canvas import StoreWrite, store_writes
from shim.client.conf import foreign_results, redis_results
from shim.foreign import ForeignResults, ForeignSettings, foreign_thread
from shim.foreign.thread import ForeignThread
from shim.link import Link
from shim.results import ResultFormat, Results, TaskMeta

REPLIES = ("rpc", "amqp")
"""Back-ends that send a result to whoever sent the task, and to nobody else."""

_NOT_OF_RESULTS = ("task_", "broker_", "worker_", "beat_", "event_", "control_")


class KeptResults:
    """Results by task id; empty where nobody keeps any."""

    def __init__(self, conf: Mapping[str, Any]) -> None:
        """Read the address; nothing is opened.

        Raises:
            BrokerUrlInvalid: an address that cannot be spoken to.
        """
        self._thread: ForeignThread[Any] | None = None
        self._results: Results | ForeignResults | None = None
        self._link: Link | None = None
        redis, foreign = redis_results(conf), foreign_results(conf)
        if redis is not None:
            url, place = redis
            self._link = Link(url, client_name="carillon-results")
            self._results = Results(self._link, key_prefix=place.key_prefix, form=ResultFormat(place.serializer))
        elif foreign is not None and foreign.partition("://")[0] not in REPLIES:
            kept = {
                name: value
                for name, value in conf.items()
                if not name.startswith(_NOT_OF_RESULTS) and name != "result_backend"
            }
            self._thread = foreign_thread(ForeignSettings(None, foreign, kept))
            self._results = ForeignResults(self._thread)

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
        """Read stored results.

        Raises:
            ShimError: the back-end does not answer.
        """
        return {} if self._results is None else await self._results.fetch(task_ids)

    async def prepare(self, writes: Sequence[StoreWrite]) -> None:
        """Store what workflows count by, before their messages are pushed; again is safe.

        Raises:
            ShimError: the back-end does not answer.
        """
        await store_writes(self._link, writes)

    async def close(self) -> None:
        """Close what was opened."""
        if self._link is not None:
            await self._link.close()
        if self._thread is not None:
            await self._thread.close()
