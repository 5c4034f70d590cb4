"""Which queues a task goes to, as Celery's router and sender decide it (``celery/app/routes.py``, ``celery/app/amqp.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shim.errors import RequestInvalid
from shim.request import Json
from shim.routing.queues import Binding, Queue, QueueDefaults, QueueTable, bindings_of
from shim.routing.route import Route, RouteFunction, RouteMap, parse_route
from shim.routing.target import Target, check_name, check_priority
from shim.routing.topic import DIRECT, FANOUT, reaches

CACHE_LIMIT = 10_000

_NOTHING: Mapping[str, Json] = {}
_NOWHERE = Route()
_REMEMBERED = frozenset(("queue", "priority", "exchange", "routing_key"))


class Routed(NamedTuple):
    """Where a task goes and what the route adds to it.

    Attributes:
        targets: one for each copy of the message, at least one.
        options: those of route and call that say nothing of the destination, the call's before the route's.
        queue, exchange, routing_key: as Celery publishes it, and says in a ``task-sent`` event. For a direct queue the
            exchange is empty and the routing key is the queue's name.
        delivery_mode: 1 transient, 2 persistent; Redis has no use for it.
        declared: the queue by which it was found, complete, for brokers that want it declared.
    """

    targets: tuple[Target, ...]
    options: Mapping[str, Json]
    queue: str
    exchange: str
    routing_key: str
    delivery_mode: int
    declared: Queue | None

    def __repr__(self) -> str:
        """Show where it goes; options may hold what must not reach a log."""
        return f"Routed(targets={self.targets!r}, exchange={self.exchange!r}, routing_key={self.routing_key!r})"


class Answer(NamedTuple):
    """What the app's own router said of a task; ``None`` if it had nothing to say."""

    route: Route | None


class Router:
    """Resolves task names to targets.

    Options of the call win over the route, and parts of the route the call does not give remain.
    """

    def __init__(
        self,
        routes: Mapping[str, Route] | Sequence[RouteMap | RouteFunction] = (),
        *,
        default_queue: str = "celery",
        default_priority: int = 0,
        queues: QueueTable | None = None,
    ) -> None:
        """Compile ``routes``: a mapping of task name or glob to route, or several routers asked in turn.

        ``queues`` names what is declared; without it there is ``default_queue``, and every other queue is direct and made
        when it is named. ``default_priority`` counts if neither call nor route gives one.
        """
        self._routes = (RouteMap(routes.items()),) if isinstance(routes, Mapping) else tuple(routes)
        self._queues = queues
        self._default_queue = default_queue
        self._default_priority = default_priority
        self._resolved: dict[tuple[str, str | None, int | None], Target] = {}
        self._routed: dict[tuple[object, ...], Routed] = {}

    @property
    def queues(self) -> QueueTable:
        """What is declared.

        Raises:
            RequestInvalid: the default queue has an impossible name.
        """
        if self._queues is None:
            self._queues = QueueTable((), QueueDefaults(check_name(self._default_queue)))
        return self._queues

    def asks_app(self, task: str) -> bool:
        """Tell whether a router function comes before any pattern that matches ``task``."""
        for routes in self._routes:
            if isinstance(routes, RouteFunction):
                return True
            if routes.match(task) is not None:
                return False
        return False

    def resolve(self, task: str, *, queue: str | None = None, priority: int | None = None) -> Target:
        """Find the one target of ``task``; ``queue`` and ``priority`` are those of the call, if any.

        Raises:
            RequestInvalid: as ``route``; or the task goes to more than one queue.
        """
        asked = (task, queue, priority)
        known = self._resolved.get(asked)
        if known is not None:
            return known
        if len(self._resolved) >= CACHE_LIMIT:
            self._resolved.clear()
        targets = self.route(task, {"queue": queue, "priority": priority}).targets
        if len(targets) > 1:
            message = f"task {task!r} goes to {len(targets)} queues"
            raise RequestInvalid(message, hint="take Router.route, and send a message to each")
        self._resolved[asked] = targets[0]
        return targets[0]

    def route(self, task: str, options: Mapping[str, Json] = _NOTHING, *, answer: Answer | None = None) -> Routed:
        """Find every target of ``task`` and merge the options of its route with those of the call.

        Args:
            task: name.
            options: of the call, in the names of ``apply_async``; ``None`` means not given, as in Celery.
            answer: what the app's router said, if it was asked.

        Raises:
            QueueUnknown: an undeclared queue where none are made.
            RequestInvalid: a name or a priority that cannot be; nothing is bound for the routing key, so that the message
                would be dropped; router functions decide and there is no answer.
        """
        if answer is not None or not options.keys() <= _REMEMBERED:
            return self._route(task, options, answer)
        get = options.get
        asked = (task, get("queue"), get("priority"), get("exchange"), get("routing_key"))
        known = self._routed.get(asked)
        if known is not None:
            return known
        if len(self._routed) >= CACHE_LIMIT:
            self._routed.clear()
        routed = self._routed[asked] = self._route(task, options, None)
        return routed

    def _route(self, task: str, options: Mapping[str, Json], answer: Answer | None) -> Routed:
        call = parse_route(options, "options")
        route = (answer.route if answer is not None else self._match(task)) or _NOWHERE
        queue = self._queue(call, route)
        exchange, key = self._destination(call, route, queue)
        priority = call.priority if call.priority is not None else route.priority
        priority = check_priority(self._default_priority if priority is None else priority)
        mode = call.delivery_mode or route.delivery_mode or (queue.delivery_mode if queue is not None else None)
        return Routed(
            self._targets(exchange, key, queue, priority),
            {**route.options, **call.options},
            "" if queue is None else queue.name,
            exchange,
            key,
            mode or self.queues.defaults.delivery_mode,
            queue,
        )

    def _match(self, task: str) -> Route | None:
        for routes in self._routes:
            if isinstance(routes, RouteFunction):
                message = f"task {task!r}: the router function {routes.path} decides where it goes"
                raise RequestInvalid(message, hint="ask the app first (AppRouter)")
            route = routes.match(task)
            if route is not None:
                return route
        return None

    def _queue(self, call: Route, route: Route) -> Queue | None:
        """Find the queue by which a message goes; none if the route names an exchange instead (``Router.route``)."""
        named = call.queue if call.queue is not None else route.queue
        if named is not route.queue and isinstance(route.queue, str):
            self.queues.find(route.queue)  # the call goes before it, but Celery refuses an unknown one all the same
        if isinstance(named, Queue):
            return self.queues.complete(named)
        if named is not None:
            return self.queues.find(named)
        exchange = call.exchange if call.exchange is not None else route.exchange
        if not route.is_empty and exchange is not None:
            return None
        return self.queues.find(self.queues.defaults.queue)

    def _destination(self, call: Route, route: Route, queue: Queue | None) -> tuple[str, str]:
        """Name exchange and routing key, as ``send_task_message`` does; no exchange means the queue named by the key."""
        exchange = call.exchange if call.exchange is not None else route.exchange
        key = call.routing_key if call.routing_key is not None else route.routing_key
        kind = call.exchange_type or route.exchange_type or (DIRECT if queue is None else queue.exchange_type)
        if kind == DIRECT and not (exchange and key):
            if queue is None:
                message = f"exchange {exchange!r} without a queue needs a routing key"
                raise RequestInvalid(message, hint="name a queue, or exchange and routing_key")
            return "", queue.name
        if exchange is None and queue is not None:
            defaults = self.queues.defaults
            exchange = queue.exchange or defaults.exchange or defaults.queue
            key = key or queue.routing_key or defaults.routing_key or defaults.queue
        return exchange or "", key or ""

    def _targets(self, exchange: str, key: str, queue: Queue | None, priority: int) -> tuple[Target, ...]:
        if not exchange:
            name = check_name(key)
            return (
                Target(name, priority, "", "", queue.expires_ms if queue is not None and queue.name == name else 0),
            )
        bound = list(self.queues.bindings(exchange))
        if queue is not None:
            bound += [(queue, one) for one in bindings_of(queue) if one.exchange == exchange]
        kind = bound[0][1].exchange_type if bound else DIRECT
        found = {one.name: one for one, binding in bound if reaches(kind, binding.routing_key, key)}
        if not found:
            raise _unbound(exchange, key, [binding for _, binding in bound])
        if kind == FANOUT:
            name = queue.name if queue is not None else ""
            return (Target(name, priority, check_name(exchange, "exchange"), key),)
        return tuple(Target(one.name, priority, "", "", one.expires_ms) for one in found.values())


def _unbound(exchange: str, key: str, bindings: Sequence[Binding]) -> RequestInvalid:
    message = (
        f"exchange {exchange!r}, routing key {key!r}: no queue of task_queues is bound so; the message would be lost"
    )
    keys = sorted({binding.routing_key for binding in bindings})[:5]
    hint = f"bound are: {', '.join(map(repr, keys))}" if keys else "no queue of task_queues has that exchange"
    return RequestInvalid(message, hint=hint)
