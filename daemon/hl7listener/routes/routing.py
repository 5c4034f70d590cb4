"""Which tasks a message becomes: the routes of a feed, tried in order. Pure.

Of the routes that match, the first counts; those marked ``goes_on`` count beside whatever comes after them. A route that
filters ends the search: what counted before it stands, and if nothing did, nothing is done with the message. A default
route counts if nothing else did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from daemon.hl7listener.routes.arguments import WHOLE, Arguments
from daemon.hl7listener.routes.condition import ALWAYS, Condition, Evidence
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.text.header import Header
from daemon.public import Public


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of the messages it matches: a task, a run of an entry, or nothing.

    Attributes:
        number: its place in the site file, from 0.
        task: ``None`` if it has none.
        lane_key: what messages have in common that must stay in order; ``None``: all of the feed.
        entry: the entry of the schedule that runs.
        entry_window_us: it runs once for all messages of so long, at the end of that; 0: once for each.
        goes_on: whether routes behind it count too.
        filters: whether nothing is done.
        is_default: whether it counts only if no other does.
    """

    condition: Condition = ALWAYS
    task: Public | None = None
    arguments: Arguments = field(default=WHOLE, repr=False)
    number: int = 0
    queue: Public | None = None
    priority: int | None = None
    expires_us: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    lane_key: LaneKey | None = None
    entry: Public | None = None
    entry_window_us: int = 0
    goes_on: bool = False
    filters: bool = False
    is_default: bool = False

    @property
    def queues(self) -> tuple[Public | None, ...]:
        """All queues it pushes to; ``None`` is the one that is the task's."""
        if self.task is None:
            return ()
        return (self.queue,) if self.lane_key is None else self.lane_key.queues


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes of a feed, and what becomes of messages none of them matches.

    Attributes:
        routes: in the order in which they are tried, default ones at the end.
        parks_unrouted: whether messages no route matches are accepted and kept, instead of rejected.
    """

    routes: tuple[Route, ...]
    parks_unrouted: bool = False


class Unrouted(Enum):
    """Why no route matched."""

    TYPE = "type-not-routed"
    EVENT = "event-not-routed"
    CONTENT = "content-not-routed"


def choose(routing: Routing, header: Header, text: str, data: bytes) -> tuple[Route, ...] | Unrouted:
    """Find the routes of a message, none if it is filtered, or say what no route knows.

    Args:
        routing: of its feed.
        header: the message's.
        text: the message, decoded.
        data: its bytes.
    """
    kind, event = header.message_type, header.trigger_event
    why = Unrouted.TYPE
    found: tuple[Route, ...] = ()
    evidence: Evidence | None = None
    for route in routing.routes:
        if found and route.is_default:
            break
        condition = route.condition
        if not condition.types.match(kind):
            continue
        if not condition.events.match(event):
            why = Unrouted.EVENT if why is Unrouted.TYPE else why
            continue
        if condition.tests or condition.below is not None:
            evidence = evidence or Evidence(header, text, data)
            if not condition.holds_inside(evidence):
                why = Unrouted.CONTENT
                continue
        if route.filters:
            return found
        if not route.goes_on:
            return (*found, route) if found else (route,)
        found = (*found, route)
    return found or why
