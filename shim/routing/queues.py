"""The queues an app declares, and those that come into being by being named (``Queues`` in ``celery/app/amqp.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from shim.errors import RequestInvalid
from shim.request import Json
from shim.routing.target import check_name
from shim.routing.topic import DIRECT, EXCHANGE_TYPES, TOPIC, topic_pattern


class QueueUnknown(RequestInvalid):
    """A queue that is not declared, where undeclared ones are not made (``task_create_missing_queues`` is false)."""

    code = "queue-unknown"


@dataclass(frozen=True, slots=True)
class Binding:
    """One more exchange a queue is bound to."""

    exchange: str
    exchange_type: str = DIRECT
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A declared queue, in the terms of kombu's ``Queue``.

    Attributes:
        name: of the queue.
        exchange: name of its exchange; empty for the default exchange of the table.
        exchange_type: direct, topic or fanout; counts if ``exchange`` is given.
        routing_key: binding key; empty for the default routing key of the table.
        alias: a second name calls may use; a broadcast queue has only that to be called by.
        bindings: further bindings.
        arguments: ``queue_arguments``, such as ``x-expires`` in milliseconds.
        expires_s: goes before ``x-expires``; the queue is gone so long after its last use.
        max_priority: ``x-max-priority`` on RabbitMQ; Redis has no use for it.
        delivery_mode: of the exchange; ``None`` for the table's.
        durable, auto_delete: for brokers with declarations.
    """

    name: str
    exchange: str = ""
    exchange_type: str = DIRECT
    routing_key: str = ""
    alias: str | None = None
    bindings: tuple[Binding, ...] = ()
    arguments: Mapping[str, Json] = field(default_factory=dict, hash=False)
    expires_s: float | None = None
    max_priority: int | None = None
    delivery_mode: int | None = None
    durable: bool = True
    auto_delete: bool = False

    @property
    def expires_ms(self) -> int:
        """How long the queue outlives its last use in milliseconds; 0 for ever."""
        if self.expires_s is not None:
            return int(self.expires_s * 1000)
        given = self.arguments.get("x-expires")
        try:
            return 0 if given is None else int(given)  # type: ignore[arg-type]  # what it is not is met below
        except (TypeError, ValueError):
            return 0  # so kombu takes it (_get_queue_expire)


@dataclass(frozen=True, slots=True)
class QueueDefaults:
    """The ``task_default_*`` and ``task_create_missing_*`` settings, with Celery's defaults.

    ``exchange`` and ``routing_key`` fall back to the name of the queue. ``missing_exchange_type`` is
    ``task_create_missing_queue_exchange_type``; ``max_priority`` is ``task_queue_max_priority``.
    """

    queue: str = "celery"
    exchange: str | None = None
    exchange_type: str = DIRECT
    routing_key: str | None = None
    delivery_mode: int = 2
    create_missing: bool = True
    missing_exchange_type: str | None = None
    max_priority: int | None = None


class QueueTable:
    """Declared queues by name and alias, with every default filled in."""

    def __init__(self, queues: Iterable[Queue] = (), defaults: QueueDefaults | None = None) -> None:
        """Fill in defaults; without queues there is the default queue.

        Raises:
            RequestInvalid: a name, a type, an expiry or a binding key that cannot be; an exchange of two types.
        """
        self.defaults = defaults or QueueDefaults()
        self._default_exchange = self.defaults.exchange or self.defaults.queue
        self._default_key = self.defaults.routing_key or self.defaults.queue
        known = [self._complete(queue) for queue in queues] or [self._complete(Queue(self.defaults.queue))]
        self._by_name = {queue.name: queue for queue in known}
        self._by_alias = {queue.alias: queue for queue in known if queue.alias}
        self._exchange_types: dict[str, str] = {}
        for queue in known:
            for bound in bindings_of(queue):
                if self._exchange_types.setdefault(bound.exchange, bound.exchange_type) != bound.exchange_type:
                    message = f"exchange {bound.exchange!r}: declared with two types"
                    raise RequestInvalid(message, hint="an exchange has one type")

    def __iter__(self) -> Iterator[Queue]:
        """Go through the declared queues in their order."""
        return iter(self._by_name.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Every name a call may use, sorted."""
        return tuple(sorted({*self._by_name, *self._by_alias}))

    def find(self, name: str) -> Queue:
        """Find a queue by alias or name; one nobody declared is made up, if that is allowed.

        Raises:
            QueueUnknown: undeclared, and ``task_create_missing_queues`` is false.
            RequestInvalid: no name for a queue.
        """
        check_name(name)
        queue = self._by_alias.get(name) or self._by_name.get(name)
        if queue is not None:
            return queue
        if not self.defaults.create_missing:
            near = get_close_matches(name, self.names, n=3, cutoff=0.5) or self.names[:3]
            message = f"queue {name!r} is not in task_queues"
            hint = f"task_create_missing_queues is off; there are, among others: {', '.join(near)}"
            raise QueueUnknown(message, hint=hint)
        kind = self.defaults.missing_exchange_type or DIRECT
        return self._complete(Queue(name, exchange=name, exchange_type=kind, routing_key=name))

    def complete(self, queue: Queue) -> Queue:
        """Give a queue that was not declared but named whole in a route; Celery fills nothing into those.

        Raises:
            RequestInvalid: as the constructor.
        """
        return _checked(queue)

    def exchange_type(self, exchange: str) -> str | None:
        """Name the type of an exchange some queue is bound to."""
        return self._exchange_types.get(exchange)

    def bindings(self, exchange: str) -> Iterator[tuple[Queue, Binding]]:
        """Go through the bindings of an exchange, in the order of declaration."""
        for queue in self._by_name.values():
            for bound in bindings_of(queue):
                if bound.exchange == exchange:
                    yield queue, bound

    def _complete(self, queue: Queue) -> Queue:
        if not queue.exchange:
            queue = replace(queue, exchange=self._default_exchange, exchange_type=self.defaults.exchange_type)
        arguments = queue.arguments
        if self.defaults.max_priority is not None:
            arguments = {"x-max-priority": self.defaults.max_priority, **arguments}
        return _checked(replace(queue, routing_key=queue.routing_key or self._default_key, arguments=arguments))


def bindings_of(queue: Queue) -> Iterator[Binding]:
    """Go through all bindings of a completed queue, its own first; the anonymous exchange binds by itself."""
    if queue.exchange:
        yield Binding(queue.exchange, queue.exchange_type, queue.routing_key)
    yield from queue.bindings


def _checked(queue: Queue) -> Queue:
    check_name(queue.name)
    if queue.alias is not None:
        check_name(queue.alias)
    if queue.expires_s is not None and queue.expires_s <= 0:
        message = f"queue {queue.name!r}: expires must be above zero"
        raise RequestInvalid(message)
    if queue.exchange_type not in EXCHANGE_TYPES:
        raise _no_type(queue.name, queue.exchange_type)
    for bound in bindings_of(queue):
        check_name(bound.exchange, "exchange")
        if bound.exchange_type not in EXCHANGE_TYPES:
            raise _no_type(queue.name, bound.exchange_type)
        if bound.exchange_type == TOPIC:
            topic_pattern(bound.routing_key)
    return queue


def _no_type(queue: str, exchange_type: str) -> RequestInvalid:
    message = f"queue {queue!r}: exchange type {exchange_type!r} is not supported"
    return RequestInvalid(message, hint=f"the types are {', '.join(EXCHANGE_TYPES)}")
