"""An application's settings, in Celery's lower-case names, to what the client is made of."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from shim.broker_url import CLUSTER_HINT, NO_CLUSTER, BrokerUrl, parse_broker_url
from shim.errors import BrokerUrlInvalid
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
    backend = conf.get("result_backend")
    options = conf.get("result_backend_transport_options") or {}
    if isinstance(backend, str) and backend.startswith("sentinel://"):
        place = result_place({**conf, "result_backend": "redis://stands-for-the-master/0"})
        url = parse_broker_url(backend, use_ssl=conf.get("redis_backend_use_ssl"), transport_options=options)
        return None if place is None else (url, place)
    place = result_place(conf)
    if place is None or not place.is_redis:
        return None
    return parse_broker_url(place.address), place


def foreign_results(conf: Mapping[str, Any]) -> str | None:
    """Find a result back-end that only celery can read; ``None`` if there is none.

    Raises:
        BrokerUrlInvalid: an address that is none, or that Celery does not know.
    """
    backend = conf.get("result_backend")
    if not isinstance(backend, str) or backend.startswith("sentinel://"):
        return None
    place = result_place(conf)
    if place is None or place.is_redis:
        return None
    check_scheme(place.address, "result_backend")
    return place.address
