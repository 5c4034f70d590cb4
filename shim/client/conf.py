"""An application's settings, in Celery's lower-case names, to what the client is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from shim.broker_url import CLUSTER_HINT, NO_CLUSTER, BrokerUrl, parse_broker_url
from shim.errors import BrokerUrlInvalid, RequestInvalid
from shim.foreign.settings import check_scheme
from shim.results.place import ResultPlace, result_place


class BrokerKind(Enum):
    """How a broker is spoken to."""

    REDIS = "redis"
    """Redis or Valkey, by the shim itself."""
    AMQP = "amqp"
    """RabbitMQ, by the shim itself."""
    FOREIGN = "foreign"
    """Anything else, by celery in a thread."""


_REDIS = ("redis", "rediss", "redis+socket", "unix", "sentinel")
_AMQP = ("amqp", "amqps", "pyamqp")


def broker_address(conf: Mapping[str, Any]) -> str:
    """Find the address to publish at: ``broker_write_url`` before ``broker_url``.

    Raises:
        BrokerUrlInvalid: none is set.
    """
    address = conf.get("broker_write_url") or conf.get("broker_url")
    if isinstance(address, (list, tuple)):
        address = ";".join(map(str, address))
    if not isinstance(address, str) or not address:
        message = "broker_url is not set"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0")
    return address


def broker_kind(address: str) -> BrokerKind:
    """Say how the broker at ``address`` is spoken to.

    Raises:
        BrokerUrlInvalid: no scheme or one that Celery does not know, or a Redis Cluster, which Celery has no transport for.
    """
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    if not scheme:
        message = "no scheme"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0 or amqp://user:password@host//")
    if "redis" in scheme and "cluster" in scheme:
        raise BrokerUrlInvalid(NO_CLUSTER, hint=CLUSTER_HINT)
    if scheme in _REDIS:
        return BrokerKind.REDIS
    if scheme in _AMQP:
        return BrokerKind.AMQP
    check_scheme(address, "broker_url")
    return BrokerKind.FOREIGN


def redis_broker(conf: Mapping[str, Any]) -> BrokerUrl:
    """Read the address of a Redis broker with its TLS and Sentinel options.

    Raises:
        BrokerUrlInvalid: it cannot be spoken to.
    """
    options = conf.get("broker_transport_options") or {}
    return parse_broker_url(broker_address(conf), use_ssl=conf.get("broker_use_ssl"), transport_options=options)


def redis_results(conf: Mapping[str, Any]) -> tuple[BrokerUrl, ResultPlace] | None:
    """Read the address of a Redis result back-end; ``None`` if results are kept elsewhere or nowhere.

    Raises:
        BrokerUrlInvalid: it cannot be spoken to.
    """
    place = result_place(conf)
    return None if place is None or place.url is None else (place.url, place)


def foreign_results(conf: Mapping[str, Any]) -> str | None:
    """Find a result back-end that only celery can read; ``None`` if there is none.

    Raises:
        BrokerUrlInvalid: an address that is none, or that Celery does not know.
    """
    place = result_place(conf)
    if place is None or place.is_redis:
        return None
    check_scheme(place.address, "result_backend")
    return place.address


_FOREIGN_TAKEN = frozenset(
    (
        "broker_url",
        "broker_write_url",
        "broker_read_url",
        "result_backend",
        "task_routes",
        "task_queues",
        "beat_schedule",
    )
)


def foreign_conf(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings celery is told in its thread: all but addresses, with routes and queues in forms celery reads.

    Raises:
        RequestInvalid: a router function, which only the application itself can ask.
    """
    found = {name: value for name, value in conf.items() if name not in _FOREIGN_TAKEN}
    routes = conf.get("task_routes")
    if routes:
        found["task_routes"] = [_pairs(one) for one in (routes if isinstance(routes, (list, tuple)) else [routes])]
    queues = conf.get("task_queues")
    if queues:
        rows = queues.items() if isinstance(queues, Mapping) else [(_name(one), one) for one in queues]
        found["task_queues"] = {name: _queue(name, row) for name, row in rows}
    return found


def _pairs(router: Any) -> list[tuple[Any, Any]]:
    if isinstance(router, str) or (isinstance(router, Mapping) and router.get("kind") == "function"):
        message = "task_routes: a function of the application decides, and celery in a thread cannot ask it"
        raise RequestInvalid(message, hint="name the queue of each task")
    if isinstance(router, Mapping):
        router = router["pairs"] if router.keys() == {"kind", "pairs"} else router.items()
    return [(_pattern(key), route) for key, route in router]


def _pattern(key: Any) -> Any:
    return re.compile(key["regex"], key.get("flags", 0)) if isinstance(key, Mapping) else key


def _name(queue: Any) -> str:
    return str(queue["name"]) if isinstance(queue, Mapping) else str(queue)


def _queue(name: str, row: Any) -> dict[str, Any]:
    given = dict(row) if isinstance(row, Mapping) else {}
    given.pop("name", None)
    return {"exchange": name, "routing_key": name, **{key: value for key, value in given.items() if value is not None}}
