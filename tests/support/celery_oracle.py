"""Where a stock Celery would publish a task: its own router and sender, kombu's own exchanges, and no broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import kombu.common
import kombu.entity
from celery import Celery
from kombu.transport.virtual import exchange as stock_exchanges

# Stock classes, which have no types.
Broadcast: Any = kombu.common.Broadcast
Exchange: Any = kombu.entity.Exchange
Queue: Any = kombu.entity.Queue
TopicExchange: Any = stock_exchanges.TopicExchange
binding: Any = kombu.entity.binding
_EXCHANGE_TYPES: Mapping[str, Any] = stock_exchanges.STANDARD_EXCHANGE_TYPES


class _Connection:
    @contextmanager
    def _reraise_as_library_errors(self) -> Iterator[None]:
        yield


class _Producer:
    """Stands where kombu's producer does and keeps what it is given."""

    def __init__(self) -> None:
        self.connection = _Connection()
        self.published: list[dict[str, Any]] = []

    def publish(self, body: Any, **options: Any) -> None:
        self.published.append({**options, "body": body})


def make_app(**conf: Any) -> Celery:
    app = Celery("oracle", broker="memory://", set_as_current=False)
    app.conf.update(**conf)
    return app


def sent(app: Celery, task: str, **options: Any) -> dict[str, Any]:
    """Give what ``send_task`` hands to kombu's producer."""
    producer = _Producer()
    app.send_task(task, producer=producer, ignore_result=True, add_to_parent=False, **options)
    [published] = producer.published
    return published


def applied(app: Celery, task: str, **options: Any) -> dict[str, Any]:
    """Give what ``apply_async`` hands to kombu's producer."""
    producer = _Producer()
    app.tasks[task].apply_async(producer=producer, add_to_parent=False, **options)
    [published] = producer.published
    return published


def name_of(exchange: Any) -> str:
    return getattr(exchange, "name", exchange) or ""


def queues_reached(app: Celery, published: Mapping[str, Any]) -> set[str]:
    """Tell the queues kombu's exchange would put a message into, with every queue of the app declared."""
    exchange, key = name_of(published["exchange"]), published["routing_key"] or ""
    if not exchange:
        return {key}
    declared: dict[str, Any] = {queue.name: queue for queue in app.amqp.queues.values()}
    declared.update({queue.name: queue for queue in published["declare"] or ()})
    bound = []
    for queue in declared.values():
        own = [(queue.exchange, queue.routing_key)] if queue.exchange and queue.exchange.name else []
        bound += [(one, rkey, queue.name) for one, rkey in own if one.name == exchange]
        bound += [
            (one.exchange, one.routing_key, queue.name) for one in queue.bindings if one.exchange.name == exchange
        ]
    kind = _EXCHANGE_TYPES[bound[0][0].type if bound else "direct"](None)
    table = [kind.prepare_bind(name, exchange, rkey, None) for _, rkey, name in bound]
    return set(kind.lookup(table, exchange, key, None))
