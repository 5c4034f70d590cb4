"""How an application declares its queues on RabbitMQ, read from its settings (``Queues`` in ``celery/app/amqp.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from shim.amqp.topology import QUEUE_TYPES, QueueDeclaration, missing_queue, read_queue
from shim.errors import RequestInvalid
from shim.routing import QueueTable

QUORUM = "quorum"


def queue_declarations(conf: Mapping[str, Any], queues: QueueTable) -> dict[str, QueueDeclaration]:
    """Say how the application declares its queues, by name: those of ``task_queues``, or else the default queue.

    Raises:
        RequestInvalid: a ``task_default_queue_type`` other than classic and quorum.
    """
    kind = _queue_type(conf, "task_default_queue_type")
    default = {"x-queue-type": QUORUM} if kind == QUORUM and not conf.get("task_queues") else {}
    return {
        queue.name: read_queue(
            {
                "name": queue.name,
                "exchange": {"name": queue.exchange, "type": queue.exchange_type},
                "routing_key": queue.routing_key,
                "queue_arguments": {**default, **queue.arguments},
                "expires": queue.expires_s,
                "max_priority": queue.max_priority,
                "durable": queue.durable,
                "auto_delete": queue.auto_delete,
            }
        )
        for queue in queues
    }


def missing_declaration(conf: Mapping[str, Any], queues: QueueTable) -> Callable[[str], QueueDeclaration] | None:
    """Say how a queue is declared that the application does not name; ``None`` if none may be made.

    Raises:
        RequestInvalid: a ``task_create_missing_queue_type`` other than classic and quorum.
    """
    defaults = queues.defaults
    kind = _queue_type(conf, "task_create_missing_queue_type")
    if not defaults.create_missing:
        return None
    return partial(
        missing_queue,
        queue_type=kind,
        exchange_type=defaults.missing_exchange_type or "direct",
        max_priority=defaults.max_priority,
    )


def ladder_type(conf: Mapping[str, Any]) -> str:
    """Give the type of the delay queues (``broker_native_delayed_delivery_queue_type``).

    Raises:
        RequestInvalid: neither classic nor quorum.
    """
    return _queue_type(conf, "broker_native_delayed_delivery_queue_type") or QUORUM


def _queue_type(conf: Mapping[str, Any], name: str) -> str | None:
    kind = conf.get(name)
    if kind is not None and kind not in QUEUE_TYPES:
        message = f"{name}: {kind!r} is no type of queue"
        raise RequestInvalid(message, hint="classic or quorum")
    return kind
