"""The order that has a stored message enqueued. Pure."""

from __future__ import annotations

from daemon.hl7listener.document import task_arguments
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.finding import judge
from daemon.hl7listener.spool.rows import Row
from daemon.keys import MARK_TTL_S, SEQUENCE_FIELD, message_id
from daemon.ports import Order, Ticket, WorkItem
from daemon.public import Public

_SHOWN = "<an HL7 message, not shown>"


def work_item(row: Row, feed: Feed, site: Public, now_us: int) -> WorkItem | None:
    """Make the task of a message; ``None`` if it is no longer a message with a route, or its bytes are damaged."""
    if not row.is_whole:
        return None
    finding = row.finding or judge(row.data, feed)
    arguments = task_arguments(row.data, row.received_us, feed.name, finding)
    route = finding.route
    if arguments is None or route is None:
        return None
    return WorkItem(
        task=route.task,
        task_id=message_id(site, feed.name, row.epoch, row.seq),
        kwargs=arguments,
        queue=route.queue,
        priority=route.priority,
        expires_at_us=None if route.expires_us is None else now_us + route.expires_us,
        args_shown="()",
        kwargs_shown=_SHOWN,
    )


def order_after(mark: int | None, row: Row, item: WorkItem | None, ledger: Public) -> Order:
    """Have a message enqueued if the last one pushed is ``mark``; without an item the broker's mark only advances."""
    expect = None if mark is None else str(mark)
    return Order(Ticket(ledger, SEQUENCE_FIELD, expect, str(row.seq), ttl_s=MARK_TTL_S), item)
