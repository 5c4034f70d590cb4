"""What the API needs of the queues: a protocol, and the values that pass through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol


class QueueState(Enum):
    """How a queue stands."""

    OK = "ok"
    NO_CONSUMER = "no consumer"
    GROWING = "growing"
    """More came in than was taken out for fifteen minutes."""
    STUCK = "stuck"
    """It has consumers, something waits, and nothing was taken for five minutes."""
    HELD = "held"
    """Its consumers were told to stop."""
    BLOCKED = "blocked"
    """A key of it holds something that is no queue."""


@dataclass(frozen=True, slots=True)
class Band:
    """What waits in a priority step; the step served first comes first."""

    step: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Strip:
    """Values one after the other, ``every_s`` apart, the last at ``until_at``."""

    every_s: int
    until_at: datetime
    waiting: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Minutes:
    """The same by the minute, with how many tasks workers took in each; ``None`` where that is not known."""

    every_s: int
    until_at: datetime
    waiting: tuple[int, ...]
    taken: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue in one line. ``None`` is what nobody tells.

    Attributes:
        oldest_at: when the oldest message that tells it was sent.
        in_per_min, out_per_min: over the last five minutes.
        empties_in_s: how long until nothing waits at this rate; ``None`` also for never.
        consumers: workers that take from it; empty also where only their number is known.
        entries: how many entries of the schedule send to it.
        entry_names: of the first twenty.
        feeds: those whose routes send to it.
        parked: purges that can be undone.
    """

    name: str
    state: QueueState
    waiting: int
    oldest_at: datetime | None
    oldest_age_s: float | None
    unacked: int | None
    in_per_min: float | None
    out_per_min: float | None
    empties_in_s: float | None
    consumers: tuple[str, ...]
    consumer_count: int | None
    is_held: bool
    entries: int
    entry_names: tuple[str, ...]
    feeds: tuple[str, ...]
    bands: tuple[Band, ...]
    history: Strip
    parked: int
    allowed_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueLines:
    """All queues of a site.

    Attributes:
        is_complete: whether all workers have said which queues they take from.
        unacked_total: messages workers hold, of all queues of the database.
    """

    rows: tuple[QueueLine, ...]
    asked_at: datetime
    is_complete: bool
    unacked_total: int | None


@dataclass(frozen=True, slots=True)
class ParkedPurge:
    """A purge that can be undone."""

    token: str
    count: int
    parked_at: datetime
    kept_until_at: datetime


@dataclass(frozen=True, slots=True)
class QueueHold:
    """Who had the consumers stop, and which."""

    by: str
    since_at: datetime
    workers: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class QueueDetail:
    """All that is known of a queue."""

    queue: QueueLine
    minutes: Minutes
    parked: tuple[ParkedPurge, ...]
    held: QueueHold | None


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message that waits; nothing of its body."""

    task: str
    task_id: str
    priority: int | None
    sent_at: datetime | None
    age_s: float | None
    eta: str | None
    expires: str | None
    retries: int
    size_bytes: int
    is_redelivered: bool
    is_readable: bool


@dataclass(frozen=True, slots=True)
class WaitingBody:
    """A message that waits, opened; ``why`` says why it could not be."""

    queue: str
    task_id: str
    task: str
    args: Any = field(repr=False)
    kwargs: Any = field(repr=False)
    is_readable: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class QueuePurge:
    """What a purge took out, or would."""

    queue: str
    is_done: bool
    count: int
    token: str | None
    kept_until_at: datetime | None
    unacked: int | None
    what: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueRestored:
    """What was put back, or thrown away."""

    queue: str
    count: int
    token: str


@dataclass(frozen=True, slots=True)
class QueueMove:
    """What was moved; ``left`` could not be read and stays."""

    queue: str
    to: str
    is_done: bool
    count: int
    left: int
    what: str


@dataclass(frozen=True, slots=True)
class Consuming:
    """Which workers were told to stop or to go on, and what those said that would not."""

    queue: str
    is_done: bool
    workers: tuple[str, ...]
    refused: Mapping[str, str]
    what: str
    warnings: tuple[str, ...] = ()


class QueueDesk(Protocol):
    """The queues of a site.

    Each method raises ``DaemonError`` if the broker does not answer, and ``NotHere`` if it cannot do such a thing. Those that
    take a name raise ``NotThere`` if this site knows no such queue.
    """

    async def lines(self) -> QueueLines:
        """Describe every queue in a line."""
        ...

    async def detail(self, name: str) -> QueueDetail:
        """Describe one queue."""
        ...

    async def peek(self, name: str, limit: int) -> Sequence[WaitingMessage]:
        """Show the next messages in the order workers take them; nothing is taken."""
        ...

    async def open(self, name: str, task_id: str) -> WaitingBody:
        """Open one waiting message; the caller has recorded that it is looked at.

        Raises:
            NotThere: it is not among the next thousand.
        """
        ...

    async def purge(self, name: str, *, is_dry: bool) -> QueuePurge:
        """Set all waiting messages aside for a day.

        Raises:
            DeskRefused: too much to set aside.
        """
        ...

    async def parked(self, name: str) -> Sequence[ParkedPurge]:
        """List purges that can be undone, the latest first."""
        ...

    async def restore(self, name: str, token: str) -> QueueRestored:
        """Put the messages of a purge back in front.

        Raises:
            NotThere: nothing is kept under the token.
        """
        ...

    async def destroy(self, name: str, token: str) -> QueueRestored:
        """Throw the messages of a purge away.

        Raises:
            NotThere: nothing is kept under the token.
        """
        ...

    async def move(self, name: str, to: str, count: int | None, *, is_dry: bool) -> QueueMove:
        """Move the next messages, or all, to the end of another queue.

        Raises:
            DeskRefused: it cannot be moved there.
        """
        ...

    async def hold(self, name: str, by: str, reason: str, *, is_dry: bool) -> Consuming:
        """Have every worker that takes from the queue stop taking.

        Raises:
            NotNow: nobody takes from it.
        """
        ...

    async def resume(self, name: str, workers: Sequence[str] | None, *, is_dry: bool) -> Consuming:
        """Have workers take from the queue again: those that were held, unless named.

        Raises:
            NotNow: it is not known who was held.
        """
        ...
