"""Feeds, routes and judged blocks, as the listener works with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.hl7listener.ack.answering import AckMode, Answering
from daemon.hl7listener.ack.writer import acknowledge, codes_due
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding, judge
from daemon.hl7listener.peers.peers import Peers
from daemon.hl7listener.routes.arguments import WHOLE, Arguments, Pick
from daemon.hl7listener.routes.condition import Condition
from daemon.hl7listener.routes.routing import Route, Routing
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.spool import Arrival
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.path import parse_path
from daemon.hl7listener.wire.framing import Framing, Limits
from daemon.public import Public
from daemon.settings.values import Address
from tests.support.clock import START_US

ADT = Public("adt")
TASK = Public("recording.message")
STAMP = b"20260921141320+0000"


def route(
    types: Sequence[str] | None = ("ADT",),
    events: Sequence[str] | None = None,
    *,
    kwargs: Mapping[str, str] | None = None,
    **values: Any,
) -> Route:
    """Make a route; its paths are given as text. ``values`` are of ``Route``; ``condition`` counts instead of types and events."""
    arguments = WHOLE
    if kwargs is not None:
        arguments = Arguments(kwargs={name: Pick(parse_path(text)) for name, text in kwargs.items()}, document_as="")
    values.setdefault("condition", Condition(words(types), words(events)))
    values.setdefault("task", TASK)
    values.setdefault("arguments", arguments)
    return Route(**values)


def feed(
    *routes: Route,
    name: Public = ADT,
    limits: Limits | None = None,
    ack: AckMode = AckMode.MSH,
    charset: str = "cp1252",
    parks_unrouted: bool = False,
    **concepts: Any,
) -> Feed:
    """Make a feed on a port of the system's choice; without routes, one for every ADT message.

    ``concepts`` are whole values of ``Feed`` (``answering``, ``framing`` …) and count instead of what is said apart.
    """
    concepts.setdefault("peers", Peers((Address("127.0.0.1", 0),)))
    concepts.setdefault("routing", Routing(routes or (route(),), parks_unrouted))
    concepts.setdefault("answering", Answering(ack))
    concepts.setdefault("framing", Framing(limits or Limits()))
    concepts.setdefault("content", Content(charset))
    return Feed(name, **concepts)


def control_ids() -> Any:
    """Give the control ids of acknowledgements: A1, A2 and so on."""
    numbers = iter(range(1, 1_000_000))
    return lambda: f"A{next(numbers)}"


def answer(finding: Finding, mode: AckMode = AckMode.MSH) -> bytes:
    """Write what the sender of a judged block gets."""
    return acknowledge(finding, codes_due(finding, mode), stamp=STAMP, new_control_id=control_ids())


def arrival(data: bytes, of: Feed | None = None, *, received_us: int = START_US) -> Arrival:
    """Judge a block and write its answer, as a connection does."""
    judged_by = of or feed()
    finding = judge(data, judged_by)
    return Arrival(judged_by.name, received_us, data, answer(finding, judged_by.answering.mode), finding)
