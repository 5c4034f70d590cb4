"""``task-sent`` events: what shows a task as sent in Flower and ``celery events`` before a worker has it.

Celery sends one for each task when ``task_send_sent_event`` is set (``celery/app/amqp.py``, ``send_task_message``), after
the task itself. Sent before it or with it, "received" does not come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from shim.encoding import as_json_text, dump
from shim.envelope import delivery_info
from shim.errors import RequestInvalid
from shim.message import Message
from shim.option import name, utc
from shim.value import Json

EVENT_EXCHANGE = "celeryev"
"""Celery's ``event_exchange`` unless the application sets another."""

EVENTS_LIMIT = 1000
"""Events in one message. Workers send at most 24; a receiver takes any number, but all of it at once."""

TRANSIENT = 1

Event: TypeAlias = dict[str, Json]


class EventMessage(NamedTuple):
    """Events ready for a broker: on AMQP as they are, on Redis as ``event_payload``.

    The body is left out of the representation: representations of arguments are in it.

    Attributes:
        exchange: a topic exchange on AMQP, a part of the channel on Redis.
        routing_key: ``task.sent`` for one event, ``task.multi`` for a list.
        headers, properties: as Celery writes them.
        body: JSON, an object or an array of them.
        content_type, content_encoding: of the body.
    """

    exchange: str
    routing_key: str
    headers: dict[str, Json]
    properties: dict[str, Json]
    body: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"

    def __repr__(self) -> str:
        """Show where it goes, and nothing it holds."""
        return f"EventMessage(exchange={self.exchange!r}, routing_key={self.routing_key!r})"


def build_sent_event(
    message: Message,
    *,
    at: datetime,
    hostname: str,
    pid: int,
    clock: int,
    utcoffset_h: float = 0,
    exchange: str | None = None,
    routing_key: str | None = None,
) -> Event:
    """Say that a task was sent; what is shown of its arguments are the representations in its headers.

    Args:
        message: the task.
        at: now, aware.
        hostname: node name of the sender, such as ``gen123@host``.
        pid: process id of the sender.
        clock: its logical clock, one more for each event.
        utcoffset_h: Celery's: hours from local time to UTC, so negative east of it; for display only.
        exchange: where it was published, if not where its target says.
        routing_key: the same.

    Raises:
        RequestInvalid: ``at`` without a time zone.
    """
    headers, place = message.headers, delivery_info(message.target)
    return {
        "hostname": hostname,
        "utcoffset": utcoffset_h,
        "pid": pid,
        "clock": clock,
        "uuid": message.task_id,
        "root_id": headers["root_id"],
        "parent_id": headers["parent_id"],
        "name": headers["task"],
        "args": headers["argsrepr"],
        "kwargs": headers["kwargsrepr"],
        "retries": headers["retries"],
        "eta": headers.get("eta"),
        "expires": headers.get("expires"),
        "queue": message.target.queue,
        "exchange": place["exchange"] if exchange is None else exchange,
        "routing_key": place["routing_key"] if routing_key is None else routing_key,
        "timestamp": utc(at, "at").timestamp(),
        "type": "task-sent",
    }


def build_event_message(events: Sequence[Event], *, hostname: str, exchange: str = EVENT_EXCHANGE) -> EventMessage:
    """Put events into one message: one alone as Celery's clients send it, several as its workers send theirs.

    Raises:
        RequestInvalid: no event or more than ``EVENTS_LIMIT``, or text that is not Unicode.
    """
    if not 0 < len(events) <= EVENTS_LIMIT:
        message = f"{len(events)} events: a message holds 1 to {EVENTS_LIMIT}"
        raise RequestInvalid(message, hint="send them in several messages")
    alone = len(events) == 1
    return EventMessage(
        exchange=name(exchange, "exchange"),
        routing_key="task.sent" if alone else "task.multi",
        headers={"hostname": hostname},
        properties={"delivery_mode": TRANSIENT, "priority": 0},
        body=dump(events[0] if alone else list(events), "events"),
    )


def event_channel(message: EventMessage, *, database: int, prefix: str = "") -> str:
    """Name the channel a message of events is published on in Redis (``prefix`` is ``global_keyprefix``)."""
    return f"{prefix}/{database}.{message.exchange}/{message.routing_key}"


def event_payload(message: EventMessage, *, delivery_tag: str) -> bytes:
    """Wrap a message of events for a channel in Redis.

    Raises:
        RequestInvalid: no proper tag.
    """
    around: dict[str, Json] = {
        "content-encoding": message.content_encoding,
        "content-type": message.content_type,
        "headers": message.headers,
        "properties": {
            **message.properties,
            "delivery_info": {"exchange": message.exchange, "routing_key": message.routing_key},
            "delivery_tag": name(delivery_tag, "delivery_tag"),
        },
    }
    return b"".join((b'{"body":"', as_json_text(message.body), b'",', dump(around, "headers")[1:]))
