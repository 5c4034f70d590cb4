"""From the site file's ``[feed.*]`` to feeds, naming every problem."""

from __future__ import annotations

import math

from daemon.clock import SECOND_US
from daemon.hl7listener.charset import is_known_codec
from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.feed import AckMode, Feed, Limits
from daemon.hl7listener.path import Hl7Path, parse_path
from daemon.hl7listener.routing import Route, words
from daemon.public import Public
from daemon.settings import Problem, Settings, Severity
from daemon.settings.sections import FeedSection, RouteSection
from daemon.settings.values import Address


def read_feeds(settings: Settings) -> tuple[tuple[Feed, ...], tuple[Problem, ...]]:
    """Turn the feeds of a site into what the listener works with."""
    feeds, problems = [], []
    for name, section in settings.feed.items():
        feed, found = _feed(name, section)
        feeds.append(feed)
        problems += found
    return tuple(feeds), (*problems, *_collisions(settings))


def _feed(name: Public, section: FeedSection) -> tuple[Feed, list[Problem]]:
    path = ("feed", str(name))
    problems = []
    if not is_known_codec(section.charset):
        text = f'"{section.charset}" is not a character set that keeps ASCII as it is'
        problems.append(Problem((*path, "charset"), text, 'write "cp1252", "iso8859-1" or "utf-8"'))
    if not section.route and section.unrouted == "reject":
        text = "no route, so every message would be rejected"
        problems.append(Problem((*path, "route"), text, 'add [[feed.….route]] or unrouted = "park"'))
    if not section.listen.is_loopback:
        text = f"{section.listen} takes patient data unencrypted from the network"
        hint = "put a TLS terminator in front, or keep the network closed"
        problems.append(Problem((*path, "listen"), text, hint, Severity.WARNING))
    routes = []
    for number, route in enumerate(section.route):
        arguments, found = _arguments((*path, "route", number), route)
        problems += found
        routes.append(_route(route, arguments))
    limits = Limits(
        frame_bytes=section.frame_limit,
        connections=section.connections,
        idle_s=section.idle_timeout,
        frame_s=section.frame_timeout,
        write_s=section.write_timeout,
    )
    feed = Feed(
        name=name,
        listen=section.listen,
        routes=tuple(routes),
        ack=AckMode(section.ack),
        parks_unrouted=section.unrouted == "park",
        charset=section.charset,
        limits=limits,
    )
    return feed, problems


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


def _arguments(path: tuple[str | int, ...], section: RouteSection) -> tuple[dict[str, Hl7Path] | None, list[Problem]]:
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


def _collisions(settings: Settings) -> list[Problem]:
    """Find addresses that cannot be listened on at once."""
    taken: list[tuple[tuple[str, ...], Address]] = [(("api", "listen"), settings.api.listen)]
    problems = []
    for name, section in settings.feed.items():
        path = ("feed", str(name), "listen")
        for other, address in taken:
            if section.listen.collides(address):
                text = f"{section.listen} is already taken by {'.'.join(other)}"
                problems.append(Problem(path, text, "give each feed a port of its own"))
        taken.append((path, section.listen))
    return problems
