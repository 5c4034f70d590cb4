"""What nodes answered, and whether that is all there is to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shim.control.audience import Audience
from shim.control.message import UNREADABLE, read_message
from shim.value import Json


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of a node.

    Attributes:
        ticket: of the command it answers.
        clock: logical clock of the node.
        values: by the name of the node, always one; empty if they could not be read. Not part of the representation.
    """

    ticket: str
    clock: int
    values: Mapping[str, Json] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back. That no worker answered is such a value too.

    What nodes said is left out of the representation: it holds arguments of tasks.

    Attributes:
        by_node: what each node said, as it said it: ``{"celery@host": {"ok": "pong"}}``.
        errors: what nodes said that could not do it, such as ``unknown task``.
        heard: listeners the server handed the command to; above the number of nodes if others listen too.
        expected: answers that were waited for.
        silent: nodes addressed by name that did not answer.
        duplicates: names that more than one node bears.
        unreadable: answers in another serializer than JSON (the worker's ``task_serializer``), or damaged.
        is_complete: whether everyone who would answer has. With no node at all there is nothing to wait for: true.
    """

    by_node: Mapping[str, Json] = field(default_factory=dict, repr=False)
    errors: Mapping[str, str] = field(default_factory=dict, repr=False)
    heard: int = 0
    expected: int = 0
    silent: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    unreadable: int = 0
    is_complete: bool = True

    @property
    def nodes(self) -> tuple[str, ...]:
        """Name all who answered, in order, those with an error included."""
        return tuple(sorted({*self.by_node, *self.errors}))


class Listeners(NamedTuple):
    """Who heard a fence, counted by the server in one instant.

    Attributes:
        heard: listeners it was handed to.
        beside: those of them that are no nodes: they listen by SUBSCRIBE, or to a wider pattern.
    """

    heard: int
    beside: int

    @property
    def nodes(self) -> int:
        """Give how many answers a fence must bring."""
        return max(self.heard - self.beside, 0)


def read_reply(element: bytes) -> Reply | None:
    """Read an element of the reply list; ``None`` if it is no answer. Never raises."""
    message = read_message(element)
    if message is None:
        return None
    ticket = message.headers.get("ticket")
    if not isinstance(ticket, str):
        return None
    body = message.body
    return Reply(ticket, message.clock, body if body is not UNREADABLE and isinstance(body, dict) else {})


def have_all_answered(replies: Sequence[Reply], audience: Audience, heard: int) -> bool:
    """Say whether nobody is left who could answer: every listener has, or every node that was named.

    Messages are counted, not names: two workers of one name answer twice.
    """
    if len(replies) >= heard:
        return True
    named = audience.destination
    return named is not None and len(replies) >= len(named) and not _missing(named, replies)


def gather(replies: Sequence[Reply], audience: Audience, *, heard: int, is_complete: bool) -> Answers:
    """Sum up what came back.

    Args:
        replies: in the order they came.
        audience: whom was asked.
        heard: listeners the server handed the command to.
        is_complete: whether it is known that no further answer will come.
    """
    by_node: dict[str, Json] = {}
    errors: dict[str, str] = {}
    for reply in replies:
        for node, value in reply.values.items():
            by_node.pop(node, None)
            errors.pop(node, None)
            error = _error(value)
            if error is None:
                by_node[node] = value
            else:
                errors[node] = error
    said = Counter(node for reply in replies for node in reply.values)
    silent = () if audience.destination is None else _missing(audience.destination, replies)
    expected = len(replies) if is_complete else heard
    if audience.destination is not None:
        expected = len(audience.destination)
    return Answers(
        by_node=by_node,
        errors=errors,
        heard=heard,
        expected=expected,
        silent=silent,
        duplicates=tuple(sorted(node for node, times in said.items() if times > 1)),
        unreadable=sum(not reply.values for reply in replies),
        is_complete=is_complete and not silent,
    )


def _missing(named: Iterable[str], replies: Sequence[Reply]) -> tuple[str, ...]:
    answered = {node for reply in replies for node in reply.values}
    return tuple(node for node in named if node not in answered)


def _error(value: Json) -> str | None:
    if isinstance(value, dict) and len(value) == 1 and "error" in value:
        return str(value["error"])
    return None
