"""What must be declared before a message can arrive: queues, exchanges and bindings, as Celery declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from shim.errors import RequestInvalid

Arguments: TypeAlias = Mapping[str, Any]
"""Arguments of a declaration: text, integers, booleans."""

QUEUE_TYPES = ("classic", "quorum")

_NOTHING: Arguments = {}
_MILLISECONDS = {"expires": "x-expires", "message_ttl": "x-message-ttl"}
_COUNTS = {"max_length": "x-max-length", "max_length_bytes": "x-max-length-bytes", "max_priority": "x-max-priority"}


class DeclareExchange(NamedTuple):
    """One ``exchange.declare``."""

    name: str
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False


class DeclareQueue(NamedTuple):
    """One ``queue.declare``."""

    name: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: Arguments = _NOTHING


class BindQueue(NamedTuple):
    """One ``queue.bind``."""

    queue: str
    exchange: str
    routing_key: str


class BindExchange(NamedTuple):
    """One ``exchange.bind``: what reaches ``source`` with the key goes on to ``destination``."""

    destination: str
    source: str
    routing_key: str


Step: TypeAlias = DeclareExchange | DeclareQueue | BindQueue | BindExchange


@dataclass(frozen=True, slots=True)
class QueueDeclaration:
    """A queue of the application with the exchange it is bound to (``kombu.Queue``).

    Attributes:
        name: of the queue.
        exchange: the exchange it is bound to; ``None`` for the default exchange alone.
        routing_key: of the binding.
        arguments: as RabbitMQ names them, such as ``x-max-priority`` and ``x-queue-type``; workers must give the same.
    """

    name: str
    exchange: DeclareExchange | None = None
    routing_key: str = ""
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: Arguments = field(default_factory=dict)

    @property
    def is_quorum(self) -> bool:
        """Say whether it is declared as a quorum queue."""
        return self.arguments.get("x-queue-type") == "quorum"

    def steps(self) -> tuple[Step, ...]:
        """Give what to declare, in kombu's order: exchange, queue, binding."""
        queue = DeclareQueue(self.name, self.durable, self.exclusive, self.auto_delete, self.arguments)
        if self.exchange is None or not self.exchange.name:
            return (queue,)
        return (self.exchange, queue, BindQueue(self.name, self.exchange.name, self.routing_key))


def missing_queue(
    name: str, *, queue_type: str | None = None, exchange_type: str = "direct", max_priority: int | None = None
) -> QueueDeclaration:
    """Declare a queue the application does not name, as ``task_create_missing_queues`` has it: all by its own name.

    Raises:
        RequestInvalid: a queue type other than classic and quorum.
    """
    if queue_type not in (None, *QUEUE_TYPES):
        message = f"queue type {queue_type!r}: classic and quorum are known"
        raise RequestInvalid(message)
    arguments: dict[str, Any] = {}
    if queue_type == "quorum":
        arguments["x-queue-type"] = queue_type
    if max_priority is not None:
        arguments["x-max-priority"] = max_priority
    return QueueDeclaration(name, DeclareExchange(name, exchange_type), name, arguments=arguments)


def read_queue(row: Mapping[str, Any]) -> QueueDeclaration:
    """Read a queue as ``kombu.Queue.as_dict()`` writes it, which is also what ``inspect active_queues`` answers.

    Options in seconds become arguments in milliseconds as kombu's transport has them; they win over ``queue_arguments``.
    """
    arguments: dict[str, Any] = dict(row.get("queue_arguments") or {})
    for option, name in _MILLISECONDS.items():
        if row.get(option) is not None:
            arguments[name] = int(float(row[option]) * 1000)
    for option, name in _COUNTS.items():
        if row.get(option) is not None:
            arguments[name] = int(row[option])
    given = row.get("exchange") or {}
    exchange = None
    if given.get("name"):
        exchange = DeclareExchange(
            given["name"],
            given.get("type") or "direct",
            _flag(given, "durable", default=True),
            _flag(given, "auto_delete", default=False),
        )
    return QueueDeclaration(
        row["name"],
        exchange,
        row.get("routing_key") or "",
        _flag(row, "durable", default=True),
        _flag(row, "exclusive", default=False),
        _flag(row, "auto_delete", default=False),
        arguments,
    )


def _flag(row: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = row.get(name)
    return default if value is None else bool(value)
