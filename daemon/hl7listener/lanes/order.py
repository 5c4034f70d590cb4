"""What is to be done with a stored message: its tasks, the entries it rings, and the order that has them enqueued. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding, judge
from daemon.hl7listener.routes.arguments import task_arguments
from daemon.hl7listener.routes.routing import Route
from daemon.hl7listener.spool.rows import Row
from daemon.hl7listener.text.header import Header
from daemon.hl7listener.text.message import Message
from daemon.keys import MARK_TTL_S, SEQUENCE_FIELD, message_id, message_part_id
from daemon.ports import Order, Ring, Ticket, WorkItem
from daemon.public import Public

_SHOWN = "<an HL7 message, not shown>"


class Work(NamedTuple):
    """What becomes of a message.

    Attributes:
        items: its tasks, which are enqueued together or not at all.
        rings: the entries that run because of it.
        keys: the keys of the lanes it goes through that keep what comes later waiting; by route and key.
    """

    items: tuple[WorkItem, ...]
    rings: tuple[Ring, ...] = ()
    keys: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Work({len(self.items)} tasks, {len(self.rings)} rings)"


def work_of(row: Row, feed: Feed, site: Public, now_us: int) -> Work | None:
    """Say what is to be done with a message; ``None`` if it is no longer one with a route, or its bytes are damaged."""
    if not row.is_whole:
        return None
    finding = row.finding or judge(row.data, feed)
    routes, header = finding.routes, finding.header
    if not routes or header is None:
        return None
    first_id = message_id(site, feed.name, row.epoch, row.seq)
    if len(routes) == 1 and routes[0].lane_key is None and routes[0].task is not None:  # nearly all there are
        return Work((_item(row, feed, finding, routes[0], first_id, routes[0].queue, now_us, site),))
    items: list[WorkItem] = []
    rings: list[Ring] = []
    keys: list[tuple[int, int]] = []
    message: Message | None = None
    for route, task_id in zip(routes, _task_ids(first_id, routes), strict=True):
        if route.entry is not None:
            rings.append(_ring(row, route, first_id))
            continue
        queue = route.queue
        if route.lane_key is not None:
            message = message or _message(finding, header)
            key = route.lane_key.of(message)
            queue = route.lane_key.queue(key)
            if key is not None and route.lane_key.holds:
                keys.append((route.number, key))
        items.append(_item(row, feed, finding, route, task_id, queue, now_us, site))
    return Work(tuple(items), tuple(rings), tuple(keys))


class Destination(NamedTuple):
    """A route that takes a message, and the id of the task it becomes by it."""

    route: Route
    task_id: str


def destinations(row: Row, feed: Feed, site: Public) -> list[Destination]:
    """Say which routes take a message, in their order."""
    finding = row.finding or judge(row.data, feed)
    first_id = message_id(site, feed.name, row.epoch, row.seq)
    return [Destination(*one) for one in zip(finding.routes, _task_ids(first_id, finding.routes), strict=True)]


def task_ids(row: Row, feed: Feed, site: Public) -> tuple[str, ...]:
    """Give the ids of a message's tasks, those of its routes in their order."""
    return tuple(one.task_id for one in destinations(row, feed, site) if one.route.task is not None)


def order_after(mark: int | None, row: Row, work: Work, ledger: Public, ran: Collection[str] = ()) -> Order:
    """Have a message's tasks enqueued, but those that ran, if the last message pushed is ``mark``.

    If none is left, the broker's mark only advances.
    """
    expect = None if mark is None else str(mark)
    ticket = Ticket(ledger, SEQUENCE_FIELD, expect, str(row.seq), ttl_s=MARK_TTL_S)
    items = [item for item in work.items if item.task_id not in ran] if ran else work.items
    return Order(ticket, items[0] if items else None, more=tuple(items[1:]))


def _task_ids(first_id: str, routes: tuple[Route, ...]) -> list[str]:
    """Give each route an id: the message's to the first, and to any other one of its own."""
    return [first_id, *(message_part_id(first_id, route.number) for route in routes[1:])]


def _item(
    row: Row, feed: Feed, finding: Finding, route: Route, task_id: str, queue: Public | None, now_us: int, site: Public
) -> WorkItem:
    assert finding.header is not None  # a finding with routes has both
    assert finding.decoded is not None
    assert route.task is not None  # a route that counts has a task or an entry
    args, kwargs = task_arguments(
        route.arguments, row.data, row.received_us, row.feed, finding.header, finding.decoded, feed.content
    )
    return WorkItem(
        task=route.task,
        task_id=task_id,
        args=args,
        kwargs=kwargs,
        queue=queue,
        priority=route.priority,
        expires_at_us=None if route.expires_us is None else now_us + route.expires_us,
        headers=route.headers,
        args_shown=_SHOWN if args else "()",
        kwargs_shown=_SHOWN,
        since_us=row.received_us,
        repeats=message_id(site, feed.name, row.epoch, row.origin_seq) if row.origin_seq else None,
    )


def _ring(row: Row, route: Route, first_id: str) -> Ring:
    assert route.entry is not None  # asked for by the caller
    window_us = route.entry_window_us
    if not window_us:
        return Ring(row.feed, route.entry, first_id, row.received_us)
    end_us = (row.received_us // window_us + 1) * window_us
    return Ring(row.feed, route.entry, f"{row.feed}.{route.number}", end_us)


def _message(finding: Finding, header: Header) -> Message:
    assert finding.decoded is not None  # a finding with routes has it
    return Message(finding.decoded.text, header.delimiters, finding.decoded.codec)
