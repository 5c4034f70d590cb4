"""Celery's settings, as JSON, to a router.

The forms are those of Celery's own settings; what JSON cannot say has a form of its own: a regular expression as key is
``{"regex": …, "flags": …}``, a router is ``{"kind": "map", "pairs": [[key, route], …]}`` or
``{"kind": "function", "path": …}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shim.errors import RequestInvalid
from shim.routing.declared import delivery_mode_of, mapping_of, number_of, parse_queue, text_of
from shim.routing.queues import QueueDefaults, QueueTable
from shim.routing.route import Route, RouteFunction, RouteMap, Routes, parse_route
from shim.routing.router import Router
from shim.routing.topic import DIRECT

_PAIR = 2


def routing_from_conf(conf: Mapping[str, Any], *, default_priority: int = 0) -> Router:
    """Make the router of an app from ``task_queues``, ``task_routes``, ``task_default_*`` and their like.

    A task nobody declared gets ``default_priority``. In Celery that is 0: ``task_default_priority`` belongs to tasks
    (``task_options``).

    Raises:
        RequestInvalid: a setting Celery could not work with; the message names it.
    """
    return Router(
        parse_routes(conf.get("task_routes")), default_priority=default_priority, queues=queue_table_from_conf(conf)
    )


def queue_table_from_conf(conf: Mapping[str, Any]) -> QueueTable:
    """Read ``task_queues`` and the defaults.

    Raises:
        RequestInvalid: as ``routing_from_conf``.
    """
    given = conf.get("task_queues") or ()
    if isinstance(given, Mapping):
        given = [{"name": name, **mapping_of(queue or {}, f"task_queues.{name}")} for name, queue in given.items()]
        for queue in given:  # in this form the routing key is the name (Queues.add_compat)
            queue["routing_key"] = queue.get("routing_key") or queue.get("binding_key") or queue["name"]
    defaults = QueueDefaults(
        queue=text_of(conf, "task_default_queue") or "celery",
        exchange=text_of(conf, "task_default_exchange"),
        exchange_type=text_of(conf, "task_default_exchange_type") or DIRECT,
        routing_key=text_of(conf, "task_default_routing_key"),
        delivery_mode=delivery_mode_of(conf, "task_default_delivery_mode") or 2,
        create_missing=conf.get("task_create_missing_queues") is not False,
        missing_exchange_type=text_of(conf, "task_create_missing_queue_exchange_type"),
        max_priority=number_of(conf, "task_queue_max_priority"),
    )
    return QueueTable([parse_queue(one, f"task_queues[{place}]") for place, one in enumerate(given)], defaults)


def parse_routes(given: object) -> Routes:
    """Read ``task_routes``: a mapping, or a list of mappings, of lists of pairs, and of function names.

    Raises:
        RequestInvalid: as it says.
    """
    if given is None:
        return ()
    routers = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    return tuple(_router(one, f"task_routes[{place}]") for place, one in enumerate(routers))


def _router(given: object, where: str) -> RouteMap | RouteFunction:
    if isinstance(given, str):
        return RouteFunction(given)
    if isinstance(given, Mapping):
        if given.keys() == {"kind", "path"} and given["kind"] == "function":
            return RouteFunction(str(given["path"]))
        pairs = given["pairs"] if given.keys() == {"kind", "pairs"} else list(given.items())
    else:
        pairs = given
    if not isinstance(pairs, Sequence) or isinstance(pairs, str):
        message = f"{where}: a mapping, a list of pairs or the path of a function is needed"
        raise RequestInvalid(message)
    return RouteMap([_pair(pair, where) for pair in pairs])


def _pair(given: object, where: str) -> tuple[str | re.Pattern[str], Route]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != _PAIR:
        message = f"{where}: each entry is a pair of task name and route"
        raise RequestInvalid(message, hint="a list of routes is written [[(name, route), …]]")
    key, route = given
    if isinstance(key, Mapping) and "regex" in key:
        try:
            key = re.compile(key["regex"], key.get("flags") or 0)
        except (re.error, TypeError, ValueError):
            message = f"{where}: {key['regex']!r} is no regular expression"
            raise RequestInvalid(message) from None
    if not isinstance(key, (str, re.Pattern)):
        message = f"{where}: a task name is text or a regular expression"
        raise RequestInvalid(message)
    label = f"{where}[{key if isinstance(key, str) else key.pattern!r}]"
    return key, parse_route(route, label)
