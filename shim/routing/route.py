"""What ``task_routes`` says, as values (``MapRoute`` in ``celery/app/routes.py``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TypeAlias

from shim.errors import RequestInvalid
from shim.request import Json
from shim.routing.declared import delivery_mode_of, parse_queue, text_of
from shim.routing.queues import Queue
from shim.routing.target import check_priority

_OF_ROUTING = frozenset(("queue", "priority", "exchange", "routing_key", "exchange_type", "delivery_mode"))


@dataclass(frozen=True, slots=True)
class Route:
    """A destination, and options that travel with it; of a route or of a call.

    Attributes:
        queue: a name, or a queue declared on the spot.
        priority: 0…9.
        exchange, routing_key, exchange_type: of Celery's ``apply_async``.
        delivery_mode: 1 transient, 2 persistent.
        options: all others, as they were given; not part of the representation.
    """

    queue: str | Queue | None = None
    priority: int | None = None
    exchange: str | None = None
    routing_key: str | None = None
    exchange_type: str | None = None
    delivery_mode: int | None = None
    options: Mapping[str, Json] = field(default_factory=dict, repr=False, hash=False)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return self == Route()


@dataclass(frozen=True, slots=True)
class RouteFunction:
    """A router that only the app's own interpreter can ask; ``path`` tells which."""

    path: str


class RouteMap:
    """One dict of ``task_routes``: exact names first, then patterns in the order they were written.

    As with Celery, a name is a pattern if it holds a ``*``; only then are ``?`` and ``[…]`` special too. Compiled regular
    expressions are matched at the beginning of the name.
    """

    def __init__(self, routes: Iterable[tuple[str | re.Pattern[str], Route]]) -> None:
        """Compile the patterns; of equal keys the last route counts, at the place of the first."""
        self._exact: dict[str, Route] = {}
        self._patterns: dict[re.Pattern[str], Route] = {}
        for key, route in routes:
            if isinstance(key, re.Pattern):
                self._patterns[key] = route
            elif "*" in key:
                self._patterns[re.compile(translate(key))] = route
            else:
                self._exact[key] = route

    def match(self, task: str) -> Route | None:
        """Find the route of a task; one that says nothing is an answer too."""
        exact = self._exact.get(task)
        if exact is not None:
            return exact
        for pattern, route in self._patterns.items():
            if pattern.match(task):
                return route
        return None


Routes: TypeAlias = "tuple[RouteMap | RouteFunction, ...]"
"""``task_routes``, asked in turn until one answers."""


def parse_route(given: object, where: str) -> Route:
    """Read a route: a queue's name, or a mapping of options in Celery's names. Its queue may be declared on the spot.

    Raises:
        RequestInvalid: neither, or an option of the wrong kind; ``where`` says which.
    """
    if isinstance(given, str):
        return Route(given or None)
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        message = f"{where}: a queue's name or a mapping of options is needed"
        raise RequestInvalid(message)
    queue, priority = given.get("queue"), given.get("priority")
    if queue is not None and not isinstance(queue, (str, Queue)):
        queue = parse_queue(queue, f"{where}.queue")
    return Route(
        queue,
        None if priority is None else check_priority(priority),
        exchange=text_of(given, "exchange", where),
        routing_key=text_of(given, "routing_key", where),
        exchange_type=text_of(given, "exchange_type", where),
        delivery_mode=delivery_mode_of(given, "delivery_mode", where),
        options={name: value for name, value in given.items() if value is not None and name not in _OF_ROUTING},
    )
