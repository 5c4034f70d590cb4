"""Which queue a task goes to, as Celery's router decides it (``celery/app/routes.py``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate

from shim.errors import RequestInvalid

PRIORITY_MIN, PRIORITY_MAX = 0, 9
NAME_LIMIT = 255
CACHE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """What ``task_routes`` says of a pattern: a queue, a priority, or both."""

    queue: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes: queue name (without prefix) and priority 0…9."""

    queue: str
    priority: int


class Router:
    """Resolves task names to targets.

    An exact name wins over patterns; patterns are tried in the order they were written. As with Celery, a name is a
    pattern if it holds a ``*``; only then are ``?`` and ``[…]`` special too.
    Options of the call win over the route, and parts of the route the call does not give remain.
    """

    def __init__(
        self, routes: Mapping[str, Route], *, default_queue: str = "celery", default_priority: int = 0
    ) -> None:
        """Compile ``routes``, a mapping of task name or glob to route, in order."""
        self._exact = {name: route for name, route in routes.items() if not _is_pattern(name)}
        self._patterns = [(re.compile(translate(name)), route) for name, route in routes.items() if _is_pattern(name)]
        self._default = Target(default_queue, default_priority)
        self._resolved: dict[tuple[str, str | None, int | None], Target] = {}

    def resolve(self, task: str, *, queue: str | None = None, priority: int | None = None) -> Target:
        """Find the target of ``task``; ``queue`` and ``priority`` are those of the call, if any.

        Raises:
            RequestInvalid: an empty queue name or a priority outside 0…9.
        """
        asked = (task, queue, priority)
        known = self._resolved.get(asked)
        if known is not None:
            return known
        if len(self._resolved) >= CACHE_LIMIT:
            self._resolved.clear()
        target = self._resolved[asked] = self._resolve(task, queue, priority)
        return target

    def _resolve(self, task: str, queue: str | None, priority: int | None) -> Target:
        route = self._match(task)
        name = queue if queue is not None else (route.queue or self._default.queue)
        if not name or len(name) > NAME_LIMIT or not name.isprintable():
            message = f"queue {name!r}: a queue name is 1 to 255 printable characters"
            raise RequestInvalid(message)
        if priority is None:
            priority = self._default.priority if route.priority is None else route.priority
        if not PRIORITY_MIN <= priority <= PRIORITY_MAX:
            message = f"priority {priority}: Celery's Redis transport knows {PRIORITY_MIN} to {PRIORITY_MAX}"
            raise RequestInvalid(message, hint="0 is served first on Redis, 9 last")
        return Target(name, priority)

    def _match(self, task: str) -> Route:
        exact = self._exact.get(task)
        if exact is not None:
            return exact
        for pattern, route in self._patterns:
            if pattern.match(task):
                return route
        return Route()


def _is_pattern(name: str) -> bool:
    return "*" in name
