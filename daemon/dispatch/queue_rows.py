"""Queues as a list shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shim.client import Client
from shim.control import methods
from shim.errors import RequestInvalid
from shim.queues import Backlog, consumers_by_queue

OK, NO_CONSUMER, BLOCKED = "ok", "no consumer", "blocked"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue.

    Attributes:
        state: ``ok``, ``no consumer``, or ``blocked`` if a key of it holds something that is no queue.
        consumers: workers that take from it.
        oldest_age_s: of the oldest message that tells when it was sent.
    """

    name: str
    state: str
    waiting: int
    by_step: tuple[int, ...]
    unacked: int | None
    consumers: tuple[str, ...]
    oldest_age_s: float | None

    @property
    def is_ok(self) -> bool:
        """Say whether it can be used and somebody takes from it."""
        return self.state == OK

    @property
    def is_unserved(self) -> bool:
        """Say whether nobody takes from it."""
        return self.state == NO_CONSUMER


async def list_queues(
    client: Client, wanted: Iterable[str], *, now: datetime, timeout_s: float
) -> tuple[list[QueueRow], bool]:
    """Look at the queues of a site, those its workers take from included, and say whether all workers have answered.

    Args:
        client: of the site.
        wanted: names the site knows of.
        now: the clock, aware.
        timeout_s: patience with the workers.

    Raises:
        ShimError: the broker does not answer.
    """
    answers = await client.control.call(methods.active_queues(), timeout_s=timeout_s)
    consumers = consumers_by_queue(answers.by_node)
    names = sorted({*wanted, *consumers})
    backlogs = await client.queues.backlogs(names)
    return [_row(backlogs.by_queue[name], consumers.get(name, ()), now) for name in names], answers.is_complete


def site_queues(client: Client, items: Iterable[tuple[str, str | None]]) -> set[str]:
    """Name the queues a site knows of: those declared, the default, and where its ``items`` (task, queue) go."""
    names = {queue.name for queue in client.router.queues}
    for task, queue in items:
        try:
            names.update(client.queues_of(task, queue))
        except RequestInvalid:
            if not client.router.asks_app(task):
                raise
    return names


def _row(backlog: Backlog, consumers: tuple[str, ...], now: datetime) -> QueueRow:
    age = backlog.oldest_age(now)
    state = BLOCKED if backlog.blocked_keys else OK if consumers else NO_CONSUMER
    return QueueRow(
        backlog.queue,
        state,
        backlog.waiting,
        backlog.by_step,
        backlog.unacked,
        consumers,
        None if age is None else age.total_seconds(),
    )
