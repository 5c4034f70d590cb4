"""The carrier for an application's settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shim.client.amqp_extra import need_amqp
from shim.client.carrier import Carrier
from shim.client.conf import redis_broker
from shim.client.redis_carrier import RedisCarrier
from shim.routing import Router
from shim.sent_event import EVENT_EXCHANGE
from shim.transport import RedisTransport, transport_from_options


def redis_transport(conf: Mapping[str, Any]) -> RedisTransport:
    """Read the names of keys and channels, as the workers have them.

    Raises:
        BrokerUrlInvalid, RequestInvalid: a setting nobody could work with.
    """
    return transport_from_options(conf.get("broker_transport_options") or {}, db=redis_broker(conf).database)


def redis_carrier(
    conf: Mapping[str, Any],
    *,
    client_name: str,
    new_id: Callable[[], str],
    now: Callable[[], datetime],
) -> RedisCarrier:
    """Make the way to a Redis server; nothing is opened.

    Raises:
        BrokerUrlInvalid, RequestInvalid: a setting nobody could work with.
    """
    return RedisCarrier(
        redis_broker(conf),
        redis_transport(conf),
        client_name=client_name,
        origin=origin(),
        pid=os.getpid(),
        new_id=new_id,
        now=now,
        sent_events=bool(conf.get("task_send_sent_event")),
        event_exchange=conf.get("event_exchange") or EVENT_EXCHANGE,
    )


def amqp_carrier(
    conf: Mapping[str, Any],
    router: Router,
    *,
    client_name: str,
    new_id: Callable[[], str],
    now: Callable[[], datetime],
) -> Carrier:
    """Make the way to RabbitMQ; nothing is opened.

    Raises:
        BrokerUrlInvalid: the address cannot be spoken to, or the extra ``amqp`` is not installed.
        RequestInvalid: a setting nobody could work with.
    """
    need_amqp()
    from shim.client.amqp_carrier import make_amqp_carrier  # noqa: PLC0415 - it needs an extra that Redis does not

    return make_amqp_carrier(conf, router.queues, client_name=client_name, origin=origin(), new_id=new_id, now=now)


def origin() -> str:
    """Name this process as Celery's clients do: ``gen<pid>@<host>``."""
    return f"gen{os.getpid()}@{socket.gethostname()}"[:255]
