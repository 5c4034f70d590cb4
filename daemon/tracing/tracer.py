"""Marks orders with the trace they belong to, and tells of those that were carried out. Pure but for what takes the spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daemon.ports import Order, Settled, Settlement, WorkItem
from daemon.tracing.context import HEADER, TraceContext, root_context, send_context, write_header
from daemon.tracing.span import Span, origin_span, send_span

_DONE = frozenset((Settled.ENQUEUED,))
"""An order that was carried out before was told of then."""


class Tracer:
    """Makes traces of orders."""

    def __init__(self, take: Callable[[Span], None], now_us: Callable[[], int], *, share: float = 1.0) -> None:
        """Keep the collaborators.

        Args:
            take: takes a span; never waits.
            now_us: the clock.
            share: part of all traces that is recorded.
        """
        self._take = take
        self._now_us = now_us
        self._share = share

    def now_us(self) -> int:
        """Give the instant at which orders begin to be carried out."""
        return self._now_us()

    def mark(self, order: Order) -> Order:
        """Give the order with the header of its trace on every task."""
        item = order.item
        if item is None:
            return order
        root = root_context(item.task_id, self._share)
        more = tuple(_marked(one, root) for one in order.more) if order.more else order.more
        return order._replace(item=_marked(item, root), more=more)

    def told(self, order: Order, settlement: Settlement, sent: Sequence[tuple[str, str]], began_us: int) -> None:
        """Tell of an order that was settled.

        Args:
            order: with its marks.
            settlement: what became of it.
            sent: task id and queue of its messages, in their order.
            began_us: when it began to be carried out.
        """
        item = order.item
        if item is None or settlement.outcome not in _DONE:
            return
        root = root_context(item.task_id, self._share)
        if not root.is_sampled:
            return
        now_us = self._now_us()
        link = root_context(item.repeats, self._share) if item.repeats else None
        self._take(origin_span(order, item, root, link, began_us, now_us))
        queues = dict(reversed(sent))
        first = sent[0][1] if sent else ""
        for one in (item, *order.more):
            queue = queues.get(
                one.task_id, first
            )  # of a workflow the first tasks are sent, which have ids of their own
            count = len(sent) if one.canvas is not None else 1
            self._take(send_span(one, queue, count, root, send_context(root, one.task_id), began_us, now_us))


def _marked(item: WorkItem, root: TraceContext) -> WorkItem:
    if HEADER in item.headers:
        return item  # the site file says otherwise
    header = write_header(send_context(root, item.task_id))
    return item._replace(headers={**item.headers, HEADER: header})
