"""Who sends to which queue: entries of the schedule, and routes of feeds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from daemon.hl7listener.feed import Feed
from daemon.scheduler.model import Entry
from shim.errors import RequestInvalid

NAMES_SHOWN = 20


class Feeder(NamedTuple):
    """Something that sends a task: an entry, or a route of a feed.

    Attributes:
        is_feed: whether ``name`` is a feed's.
        task: empty if the task does not matter, for the queue is named.
        queue: ``None`` for the task's own.
    """

    is_feed: bool
    name: str
    task: str
    queue: str | None


@dataclass(frozen=True, slots=True)
class Fed:
    """Who sends to one queue."""

    entries: int = 0
    entry_names: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()


NOBODY = Fed()
QueuesOf = Callable[[str, str | None], Iterable[str]]


def site_feeders(entries: Iterable[Entry], feeds: Iterable[Feed]) -> Iterator[Feeder]:
    """List who sends on a site."""
    for entry in entries:
        yield Feeder(is_feed=False, name=entry.name, task=entry.task, queue=entry.queue)
    for feed in feeds:
        for route in feed.routing.routes:
            for queue in route.queues:
                yield Feeder(is_feed=True, name=feed.name, task=route.task or "", queue=queue)


def fed_queues(feeders: Iterable[Feeder], queues_of: QueuesOf, declared: Iterable[str]) -> Mapping[str, Fed]:
    """Say of every queue the site knows who sends to it. What the application alone could route is left out."""
    entries: dict[str, list[str]] = {name: [] for name in declared}
    feeds: dict[str, set[str]] = {}
    routed: dict[tuple[str, str | None], tuple[str, ...]] = {}
    for feeder in feeders:
        key = (feeder.task, feeder.queue)
        if key not in routed:
            try:
                routed[key] = tuple(queues_of(feeder.task, feeder.queue))
            except RequestInvalid:
                routed[key] = ()
        for queue in routed[key]:
            found = entries.setdefault(queue, [])
            if feeder.is_feed:
                feeds.setdefault(queue, set()).add(feeder.name)
            else:
                found.append(feeder.name)
    return {
        queue: Fed(len(names), tuple(sorted(names)[:NAMES_SHOWN]), tuple(sorted(feeds.get(queue, ()))))
        for queue, names in entries.items()
    }
