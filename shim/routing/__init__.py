"""Where tasks go: routes, queues and exchanges as Celery's router sees them. Pure."""

from shim.routing.conf import parse_routes, queue_table_from_conf, routing_from_conf
from shim.routing.declared import parse_queue
from shim.routing.queues import Binding, Queue, QueueDefaults, QueueTable, QueueUnknown
from shim.routing.route import Route, RouteFunction, RouteMap, Routes, parse_route
from shim.routing.router import Answer, Routed, Router
from shim.routing.target import NAME_LIMIT, PRIORITY_MAX, PRIORITY_MIN, Target

__all__ = [
    "NAME_LIMIT",
    "PRIORITY_MAX",
    "PRIORITY_MIN",
    "Answer",
    "Binding",
    "Queue",
    "QueueDefaults",
    "QueueTable",
    "QueueUnknown",
    "Route",
    "RouteFunction",
    "RouteMap",
    "Routed",
    "Router",
    "Routes",
    "Target",
    "parse_queue",
    "parse_route",
    "parse_routes",
    "queue_table_from_conf",
    "routing_from_conf",
]
