"""From a feed's keys to its routes."""

from __future__ import annotations

import math

from daemon.clock import SECOND_US
from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.path import Hl7Path, parse_path
from daemon.hl7listener.routing import Route, Routing, words
from daemon.settings import Problem
from daemon.settings.feed import FeedSection, RouteSection
from daemon.settings.problems import KeyPath


def read_routing(path: KeyPath, section: FeedSection) -> tuple[Routing, list[Problem]]:
    """Read the routes of the feed at ``path``."""
    problems = []
    if not section.route and section.unrouted == "reject":
        text = "no route, so every message would be rejected"
        problems.append(Problem((*path, "route"), text, 'add [[feed.….route]] or unrouted = "park"'))
    routes = []
    for number, route in enumerate(section.route):
        arguments, found = _arguments((*path, "route", number), route)
        problems += found
        routes.append(_route(route, arguments))
    return Routing(tuple(routes), section.unrouted == "park"), problems


def _route(section: RouteSection, arguments: dict[str, Hl7Path] | None) -> Route:
    return Route(
        types=words(section.type),
        events=words(section.event),
        task=section.task,
        arguments=arguments,
        queue=section.queue,
        priority=section.priority,
        expires_us=None if section.expires is None else math.ceil(section.expires * SECOND_US),
    )


def _arguments(path: KeyPath, section: RouteSection) -> tuple[dict[str, Hl7Path] | None, list[Problem]]:
    if section.kwargs is None:
        return None, []
    arguments: dict[str, Hl7Path] = {}
    problems = []
    for name, text in section.kwargs.items():
        try:
            arguments[name] = parse_path(text)
        except PathInvalid as error:
            problems.append(Problem((*path, "kwargs", name), str(error), error.hint))
    return arguments, problems
