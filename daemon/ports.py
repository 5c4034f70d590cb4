"""What the scheduler and the listener need of the rest: protocols and the values that pass through them.

Neither knows Celery, Redis or the other. ``daemon/dispatch`` stands behind ``Dispatcher``. What is made for each message
is a tuple: a frozen dataclass costs three times as much to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeAlias

from daemon.deeds import Deed
from daemon.public import Public

_NOTHING: Mapping[str, Any] = {}


class WorkItem(NamedTuple):
    """A task someone wants run. Arguments and headers are left out of the representation.

    Attributes:
        task_id: stable: the same occurrence or message always asks under the same id.
        expires_at_us: instant after which a worker must not run it any more.
        canvas: a chain, group or chord as data (``docs/schedules.md``) instead of the one task; its last result has ``task_id``.
        args_shown, kwargs_shown: what logs of workers and Flower may show of the arguments.
        since_us: the instant of the occurrence or message it comes of; 0 if there is none. For traces.
        repeats: the id of the task that is run once more by it. For traces.
    """

    task: Public
    task_id: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = _NOTHING
    queue: Public | None = None
    priority: int | None = None
    eta_us: int | None = None
    expires_at_us: int | None = None
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    headers: Mapping[str, Any] = _NOTHING
    args_shown: str | None = None
    kwargs_shown: str | None = None
    canvas: Mapping[str, Any] | None = None
    since_us: int = 0
    repeats: str | None = None

    def __repr__(self) -> str:
        """Show which task it is, and nothing it is given."""
        return f"WorkItem(task={self.task!r}, task_id={self.task_id!r})"


class Ticket(NamedTuple):
    """What must hold in the broker for an order to be carried out: a compare-and-set on one field of a ledger.

    Attributes:
        expect: the value the field must hold; ``None`` if it must be absent.
        advance_to: the value it holds afterwards.
        not_before_us: earliest instant on the broker's clock.
        ttl_s: seconds the ledger is kept after its last change; 0 for ever.
    """

    ledger: Public
    field: str
    expect: str | None
    advance_to: str
    not_before_us: int = 0
    ttl_s: int = 0


class Slot(NamedTuple):
    """One of a bounded number of places, which a task takes when it is enqueued and holds until it is let go.

    Attributes:
        scope: what is bounded (``overlap:ENTRY``, ``entry:ENTRY``, ``queue:QUEUE``).
        limit: how many places there are.
        stale_us: after so long on the broker's clock it is let go by itself.
        evict: task ids that make room.
    """

    scope: str
    limit: int
    stale_us: int
    evict: tuple[str, ...] = ()


class RateCap(NamedTuple):
    """At most ``most`` orders of one scope at once, and then one each ``per_us / most``.

    Over any span T these are at most ``most + T * most / per_us``; after a pause of ``per_us`` all of ``most`` may come at
    once again.
    """

    scope: str
    most: int
    per_us: int


class Gate(NamedTuple):
    """What else must allow an order, checked and taken in the same step as its ticket.

    Attributes:
        holder: the task id that takes the slots, the one whose end lets them go.
        heeds_hold: whether it waits while all schedules are held.
    """

    holder: str = ""
    slots: tuple[Slot, ...] = ()
    rates: tuple[RateCap, ...] = ()
    heeds_hold: bool = True


class Order(NamedTuple):
    """Enqueue ``item`` if ``ticket`` holds and ``gate`` allows; without an item only the ledger advances.

    Attributes:
        record: what is written into the site's history if it is carried out, one entry each line; JSON without
            anything secret.
        more: further items, enqueued in the same step as ``item``: all of them or none.
    """

    ticket: Ticket
    item: WorkItem | None
    gate: Gate | None = None
    record: str | None = None
    more: tuple[WorkItem, ...] = ()


class Settled(Enum):
    """What became of an order."""

    ENQUEUED = "enqueued"
    ALREADY = "already"
    """The ledger stands where this order would put it: it, or an equal one, was carried out before."""
    LOST = "lost"
    """The ledger holds something else; ``found`` tells what, ``None`` that nothing is there."""
    EARLY = "early"
    """The broker's clock is not there yet; ``broker_us`` tells where it is."""
    FULL = "full"
    """A slot is not to be had; ``found`` is its scope and, one each line, up to 100 of the task ids that hold it."""
    THROTTLED = "throttled"
    """A rate is used up; ``found`` is the instant (microseconds on the broker's clock) from which it is not."""
    HELD = "held"
    """All schedules are held; ``found`` says why."""
    NOT_SENT = "not-sent"
    """The broker was not reached; nothing was enqueued."""
    UNAVAILABLE = "unavailable"
    """The broker gave no answer, and may have carried it out; the same order again is safe."""
    BLOCKED = "blocked"
    """A key it needs holds something else; ``found`` names it. Others are not affected."""
    INVALID = "invalid"
    """No worker could take the item; nothing was enqueued and the ledger did not move. ``found`` says why."""


class Settlement(NamedTuple):
    """An outcome, what was found, and the broker's clock (0 if it did not answer)."""

    outcome: Settled
    found: str | None = None
    broker_us: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Fields read from a ledger; absent ones are missing from ``values``."""

    values: Mapping[str, str]
    broker_us: int


class RunningTask(NamedTuple):
    """A task that holds slots.

    Attributes:
        scopes: of the slots, in no order.
        stale_at_us: when the last of them is let go by itself, on the broker's clock; 0 if none is left.
    """

    task_id: str
    scopes: tuple[str, ...]
    stale_at_us: int


class Runs(Protocol):
    """Tasks that hold slots."""

    async def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Let go whatever the tasks hold, and name the scopes where a slot became free. Doing it again does nothing.

        Raises:
            BrokerDown: the broker does not answer; some of them may be let go.
        """
        ...

    async def running(self) -> list[RunningTask]:
        """List the tasks that hold slots, at most 10,000.

        Raises:
            BrokerDown: the broker does not answer.
        """
        ...


class Dispatcher(Protocol):
    """The way to the Celery queues."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        """Carry out orders in their order; one settlement each."""
        ...

    async def read(self, ledger: Public, fields: Sequence[str]) -> Ledger:
        """Read fields of a ledger.

        Raises:
            BrokerDown: the broker does not answer.
        """
        ...

    async def finished(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Say which of the tasks have a result stored, of those whose results are kept.

        Raises:
            BrokerDown: the result back-end does not answer.
        """
        ...

    async def revoke(self, task_ids: Sequence[str], *, terminate: bool) -> None:
        """Keep tasks from starting; with ``terminate`` also stop those that have started. Workers that are away do not hear.

        Raises:
            BrokerDown: the broker does not answer.
        """
        ...


class AuditTrail(Protocol):
    """Where deeds are kept that somebody may ask about later."""

    async def record(self, deed: Deed) -> None:
        """Keep a deed on disk. What it tells of is done afterwards, or not at all.

        Raises:
            AuditFailed: it is not on disk.
        """
        ...


class Ring(NamedTuple):
    """A run of an entry that a message of a feed asks for.

    Attributes:
        request: equal ones for the same instant are one run.
        at_us: the instant it is for; it runs then, or now if that has passed.
    """

    feed: Public
    entry: Public
    request: str
    at_us: int


class Bell(Protocol):
    """The way from a message to a run of an entry of the schedule."""

    async def ring(self, rings: Sequence[Ring]) -> None:
        """Have entries run; once this returns it is durable. The same again does nothing.

        Raises:
            BrokerDown: the broker does not answer; some may be asked for.
        """
        ...


class TaskOutcomes(Protocol):
    """Tells how tasks end."""

    async def succeeded(self, task_id: str, within_s: float) -> bool | None:
        """Wait for the end of a task and say whether it succeeded; ``None`` if that is not known in time."""
        ...


class Seen(NamedTuple):
    """A message of a shared feed, as the broker remembers it.

    Attributes:
        identity: equal messages of one feed have the same.
        owner: names the stored message that is enqueued for all of them.
        ack: what its sender was answered; empty if that is not known.
    """

    identity: str
    owner: str
    ack: bytes = b""

    def __repr__(self) -> str:
        """Show nothing of the answer."""
        return f"Seen(owner={self.owner!r})"


class SharedMessages(Protocol):
    """What the daemons of a site tell each other of the messages of a feed they share."""

    async def see(self, feed: Public, seen: Sequence[Seen]) -> list[Seen]:
        """Claim messages for their owners; give for each who has it: the one asked for, or who was first.

        Raises:
            BrokerDown: the broker does not answer; some may be claimed.
        """
        ...


Emit: TypeAlias = Callable[[object], None]
"""Takes a domain event (``daemon/events.py``); never fails, never waits."""

FaultPoint: TypeAlias = Callable[[str], None]
"""Called at named points; does nothing in production, and whatever a test wants in a test."""

FAULT_POINTS = (
    "frame.complete",
    "commit.before",
    "commit.synced",
    "ack.before",
    "ack.after",
    "push.before",
    "push.after",
    "mark.after",
    "claim.before",
    "claim.after",
    "prune.chunk",
    "checkpoint.before",
    "start.bound",
    "stop.drain",
)


def no_fault(point: str) -> None:
    """Pass a named point."""
    del point
