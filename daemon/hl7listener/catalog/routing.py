"""From a feed's keys to its routes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from daemon.clock import SECOND_US
from daemon.hl7listener.catalog.arguments import read_arguments, read_path
from daemon.hl7listener.routes.condition import SHARES, Condition, ValueTest
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.routes.routing import Route, Routing
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.text.path import parse_path
from daemon.public import Public
from daemon.settings import Problem
from daemon.settings.feed import FeedSection, RouteSection
from daemon.settings.problems import KeyPath

_DEFAULT_LANES = 8
_FEED = 1
"""Where the name of the feed stands in the path of a route."""

_HEADER_PATHS = {
    "structure": "MSH-9.3",
    "sending_application": "MSH-3.1",
    "sending_facility": "MSH-4.1",
    "receiving_application": "MSH-5.1",
    "receiving_facility": "MSH-6.1",
    "processing_id": "MSH-11.1",
    "version": "MSH-12.1",
}
_OF_A_TASK = ("once_per", "args", "kwargs", "message", "queue", "priority", "expires", "lane_by", "lanes")


def read_routing(path: KeyPath, section: FeedSection) -> tuple[Routing, list[Problem]]:
    """Read the routes of the feed at ``path``."""
    problems = []
    if not section.route and section.unrouted == "reject":
        text = "no route, so every message would be rejected"
        problems.append(Problem((*path, "route"), text, 'add [[feed.….route]] or unrouted = "park"'))
    routes = []
    for number, one in enumerate(section.route):
        route, found = _route((*path, "route", number), number, one, takes_all=section.match == "all")
        problems += found
        routes.append(route)
    ordered = sorted(routes, key=lambda route: route.is_default)
    return Routing(tuple(ordered), section.unrouted == "park"), problems


def _route(path: KeyPath, number: int, section: RouteSection, *, takes_all: bool) -> tuple[Route, list[Problem]]:
    problems = list(_contradictions(path, section))
    condition, in_condition = _condition(path, section)
    arguments, in_arguments = read_arguments(path, section)
    lane_key, in_lanes = _lane_key(path, section)
    route = Route(
        condition=condition,
        task=section.task,
        arguments=arguments,
        number=number,
        queue=section.queue,
        priority=section.priority,
        expires_us=None if section.expires is None else math.ceil(section.expires * SECOND_US),
        headers={str(name): text for name, text in section.headers.items()},
        lane_key=lane_key,
        entry=section.entry,
        entry_window_us=0 if section.once_per is None else math.ceil(section.once_per * SECOND_US),
        goes_on=(section.also or takes_all) and not section.filter,
        filters=section.filter,
        is_default=section.default,
    )
    return route, [*problems, *in_condition, *in_arguments, *in_lanes]


def _contradictions(path: KeyPath, section: RouteSection) -> Iterator[Problem]:
    """Find keys that do not go together."""
    targets = [key for key in ("task", "entry") if getattr(section, key) is not None]
    if section.filter and targets:
        yield Problem((*path, "filter"), f"does not go with {targets[0]}", "what is filtered becomes nothing")
    elif section.filter and section.also:
        yield Problem((*path, "also"), "does not go with filter", "a route that filters ends the search")
    elif not section.filter and not targets:
        yield Problem((*path, "task"), "is missing", "write task, entry or filter = true")
        return
    elif len(targets) > 1:
        yield Problem((*path, "entry"), "does not go with task", "write two routes, the first with also = true")
    for key in _OF_A_TASK:
        target = "entry" if key == "once_per" else "task"
        if getattr(section, key) is not None and getattr(section, target) is None:
            yield Problem((*path, key), f"goes with {target} only", "leave it out")


def _condition(path: KeyPath, section: RouteSection) -> tuple[Condition, list[Problem]]:
    tests: list[ValueTest] = []
    problems: list[Problem] = []
    for key, where in _HEADER_PATHS.items():
        if (wanted := getattr(section, key)) is not None:
            tests.append(ValueTest(parse_path(where), words(wanted)))
    for key, is_wanted in (("where", True), ("unless", False)):
        for text, wanted in getattr(section, key).items():
            found = read_path((*path, key, text), text, problems)
            if found is not None:
                tests.append(ValueTest(found, words(wanted), is_wanted))
    below = None if section.sample is None else round(section.sample * SHARES)
    return Condition(words(section.type), words(section.event), tuple(tests), below), problems


def _lane_key(path: KeyPath, section: RouteSection) -> tuple[LaneKey | None, list[Problem]]:
    problems: list[Problem] = []
    if section.lane_by is None:
        lonely = [key for key in ("lanes", "lane_on_park") if key in section.model_fields_set]
        return None, [
            Problem((*path, key), "goes with lane_by only", 'write lane_by = "PID-3.1" too') for key in lonely
        ]
    found = [read_path((*path, "lane_by"), text, problems) for text in section.lane_by]
    paths = tuple(one for one in found if one is not None)
    base = section.queue or Public(str(path[_FEED]))
    return LaneKey(base, paths, section.lanes or _DEFAULT_LANES, section.lane_on_park == "hold"), problems
