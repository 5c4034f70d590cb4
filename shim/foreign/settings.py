"""What the installed celery is told of a broker and a back-end the shim does not speak itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from shim.errors import BrokerUrlInvalid, RequestInvalid

NO_BACKEND = "disabled://"
"""Celery's own word for having no result back-end; ``None`` would let ``CELERY_RESULT_BACKEND`` decide."""

NO_BROKER = "memory://"

TAKEN = frozenset(
    (
        "broker_read_url", "broker_transport", "broker_url", "broker_write_url", "imports", "include", "result_backend",
        "task_always_eager",
    )
)  # fmt: skip
"""Settings that are decided here: the addresses are given beside them, and no task is ever run in this process."""


BROKERS = frozenset(
    (
        "amqp", "amqps", "azureservicebus", "azurestoragequeues", "confluentkafka", "consul", "etcd", "filesystem",
        "gcpubsub", "kafka", "librabbitmq", "memory", "mongodb", "pgmq", "pyamqp", "pyro", "qpid", "redis", "rediss",
        "sentinel", "slmq", "sqla", "sqlalchemy", "sqs", "zookeeper",
    )
)  # fmt: skip
"""Transports of kombu 5.7 (``kombu/transport/__init__.py``); a dotted name is a class of somebody's own."""

BACKENDS = frozenset(
    (
        "arangodb", "azureblockblob", "cache", "cassandra", "consul", "cosmosdbsql", "couchbase", "couchdb", "database",
        "db", "disabled", "dynamodb", "elasticsearch", "file", "gs", "mongodb", "redis", "rediss", "riak", "rpc", "s3",
        "sentinel", "socket",
    )
)  # fmt: skip
"""Result back-ends of Celery 5.7 (``celery/app/backends.py``)."""


@dataclass(frozen=True, slots=True)
class ForeignSettings:
    """Addresses and settings by Celery's lower-case names; the representation shows schemes only.

    Attributes:
        broker_url: any that kombu takes (``sqs://``, ``filesystem://`` …); ``None`` where nothing is to be sent.
        result_backend: any that celery takes (``db+sqlite:///…``, ``rpc://``, ``cache+memory://`` …); ``None`` for none.
        conf: further settings of the app that workers share: ``broker_transport_options``, ``task_routes``,
            ``task_queues``, ``result_serializer``, ``security_key`` … None of ``TAKEN``.
    """

    broker_url: str | None = field(default=None, repr=False)
    result_backend: str | None = field(default=None, repr=False)
    conf: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            BrokerUrlInvalid: an address of a Redis Cluster, or none.
            RequestInvalid: a setting that is decided here.
        """
        for label, url in (("broker_url", self.broker_url), ("result_backend", self.result_backend)):
            if url is not None:
                check_foreign_url(url, label)
        for name in self.conf:
            if name in TAKEN:
                message = f"conf: {name!r} has no place here"
                raise RequestInvalid(message, hint="give addresses as broker_url and result_backend")

    def __repr__(self) -> str:
        """Show the schemes."""
        schemes = [None if url is None else scheme_of(url) for url in (self.broker_url, self.result_backend)]
        return f"ForeignSettings(broker={schemes[0]!r}, results={schemes[1]!r})"


def check_foreign_url(url: str, label: str) -> None:
    """Refuse an address that no kombu transport and no celery back-end can speak to.

    Raises:
        BrokerUrlInvalid: it has no scheme, or means a Redis Cluster.
    """
    if not scheme_of(url):
        message = f"{label}: no scheme"
        raise BrokerUrlInvalid(message, hint="write it as Celery wants it, such as sqs:// or db+sqlite:///results.db")
    for scheme in map(scheme_of, url.split(";")):
        if "redis" in scheme and "cluster" in scheme:
            message = (
                f"{label}: Redis Cluster is not spoken; Celery's workers cannot use one as a broker, because kombu takes "
                "messages from several keys in one command and they lie in several slots"
            )
            raise BrokerUrlInvalid(message, hint="use one Redis or Valkey server, or several behind Sentinel")


def check_scheme(url: str, label: str) -> None:
    """Refuse a scheme that neither kombu nor celery has; most likely it is mistyped.

    Raises:
        BrokerUrlInvalid: as it says, or as ``check_foreign_url``.
    """
    check_foreign_url(url, label)
    scheme = scheme_of(url)
    known = BROKERS if label == "broker_url" else BACKENDS
    name = scheme.partition("+")[0]
    if name not in known and "." not in name:
        near = get_close_matches(name, known, n=1)
        message = f"{label}: nobody speaks {scheme}://"
        raise BrokerUrlInvalid(
            message, hint=f"did you mean {near[0]}://?" if near else f"Celery knows {', '.join(sorted(known))}"
        )


def scheme_of(url: str) -> str:
    """Name the scheme of an address in lower case; empty if there is none."""
    return url.partition("://")[0].strip().lower() if "://" in url else ""
