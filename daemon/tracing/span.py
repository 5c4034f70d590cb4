"""A span as a value, and the names OpenTelemetry has for what is in it. Pure.

The conventions for messaging are not final; their names stand here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple, TypeAlias

from daemon.clock import instant
from daemon.keys import split_feed_ledger
from daemon.ports import Order, WorkItem
from daemon.tracing.context import TraceContext

Value: TypeAlias = str | int | float

ENTRY_HEADER = "periodic_task_name"
"""Beat's own header, with the name of the entry."""


class SpanKind(Enum):
    """What a span stands for; the numbers are those of the protocol."""

    INTERNAL = 1
    PRODUCER = 4
    CONSUMER = 5


class Span(NamedTuple):
    """One span, which is over.

    Attributes:
        parent_id: 0 for the first of a trace.
        link: another trace that this one repeats.
    """

    name: str
    kind: SpanKind
    context: TraceContext
    parent_id: int
    start_us: int
    end_us: int
    attributes: Mapping[str, Value]
    link: TraceContext | None = None


def origin_span(
    order: Order, item: WorkItem, context: TraceContext, link: TraceContext | None, began_us: int, now_us: int
) -> Span:
    """Tell of the message or the occurrence that an order is about: from its instant until it was handed on."""
    start_us = min(item.since_us or began_us, now_us)
    found = split_feed_ledger(order.ticket.ledger)
    attributes: dict[str, Value] = {}
    if found is not None:
        feed, epoch = found
        attributes = {"carillon.feed": feed, "carillon.spool_id": f"{epoch}:{order.ticket.advance_to}"}
        return Span(f"receive {feed}", SpanKind.CONSUMER, context, 0, start_us, now_us, attributes, link)
    entry = item.headers.get(ENTRY_HEADER)
    name = entry if isinstance(entry, str) else str(item.task)
    attributes["carillon.entry"] = name
    if item.since_us:
        attributes["carillon.scheduled_at"] = _written(instant(item.since_us))
        attributes["carillon.lateness_ms"] = round(max(now_us - item.since_us, 0) / 1000, 3)
    return Span(f"occurrence {name}", SpanKind.INTERNAL, context, 0, start_us, now_us, attributes, link)


def send_span(
    item: WorkItem, queue: str, count: int, root: TraceContext, context: TraceContext, began_us: int, now_us: int
) -> Span:
    """Tell of a task that was put into its queue."""
    attributes: dict[str, Value] = {
        "messaging.system": "celery",
        "messaging.destination.name": queue,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.message.id": item.task_id,
        "messaging.message.conversation_id": item.task_id,
        "celery.task_name": str(item.task),
    }
    if count > 1:
        attributes["messaging.batch.message_count"] = count
    return Span(f"send {queue}", SpanKind.PRODUCER, context, root.span_id, began_us, now_us, attributes)


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
