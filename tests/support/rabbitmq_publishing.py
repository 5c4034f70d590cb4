"""Publishers to RabbitMQ as tests use them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from daemon.clock import SystemClock, instant
from shim.amqp.connector import AmqpConnector
from shim.amqp.outcome import AmqpOutcome, AmqpResult
from shim.amqp.publisher import AmqpPublisher
from shim.amqp.url import parse_amqp_urls
from shim.amqp.wire import AmqpMessage, build_amqp_message
from shim.message import build_message
from shim.request import TaskRequest
from shim.routing import Target

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
TASK = "rabbitmq_app.note"

_numbers = itertools.count()


def now() -> datetime:
    return instant(SystemClock().now_us())


def queue_name() -> str:
    """Make a name nobody has used; one node serves many tests."""
    return f"q{uuid.uuid4().hex[:12]}"


def amqp_message(
    task_id: str | None = None,
    *,
    queue: str,
    priority: int = 0,
    exchange: str = "",
    routing_key: str | None = None,
    **options: Any,
) -> AmqpMessage:
    task_id = task_id or f"id-{next(_numbers)}"
    request = TaskRequest(TASK, task_id, **options)
    message = build_message(request, Target(queue, priority), at=now(), origin="test")
    return build_amqp_message(message, message_id=f"m-{task_id}", exchange=exchange, routing_key=routing_key)


def amqp_messages(count: int, *, queue: str) -> list[AmqpMessage]:
    return [amqp_message(queue=queue) for _ in range(count)]


def make_connector(url: str, **options: Any) -> AmqpConnector:
    return AmqpConnector(parse_amqp_urls(url), client_name="test", **options)


def make_publisher(url: str, **options: Any) -> AmqpPublisher:
    return AmqpPublisher(make_connector(url), **options)


def outcomes(results: Sequence[AmqpResult]) -> list[AmqpOutcome]:
    return [result.outcome for result in results]
