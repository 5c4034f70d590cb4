"""What the API needs of tasks: a protocol, and the values that pass through it.

Results and arguments stand in ``Outcome`` and ``Arguments`` alone, and in no representation; whoever shows them asks who looks first.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

PENDING, STARTED, SUCCESS, FAILURE = "PENDING", "STARTED", "SUCCESS", "FAILURE"
READY = frozenset((SUCCESS, FAILURE, "REVOKED"))
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed, is retried or was revoked.

    Attributes:
        error_type: name of the exception's class; empty if none is stored.
        module: where that is defined.
        message: its arguments.
        is_poisoned: the task itself stored something in place of its exception.
    """

    error_type: str
    module: str | None = None
    message: tuple[Any, ...] = field(default=(), repr=False)
    is_poisoned: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a result back-end holds of a task.

    Attributes:
        state: Celery's word, one of the task's own, or ``UNREADABLE``.
        result: as stored; of a failed task its exception.
        value: the same with dates and the like as Python objects.
        fraction, said: how far the task says it is, and in which words, in a state of its own.
        args, kwargs: where workers store them (``result_extended``); ``has_arguments`` says whether.
        reason: why it is unreadable, in our words; else empty.
    """

    state: str
    result: Any = field(default=None, repr=False)
    value: Any = field(default=None, repr=False)
    traceback: str | None = field(default=None, repr=False)
    done_at: datetime | None = None
    children: tuple[str, ...] = ()
    parent_id: str | None = None
    group_id: str | None = None
    name: str | None = None
    args: Any = field(default=None, repr=False)
    kwargs: Any = field(default=None, repr=False)
    has_arguments: bool = False
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None
    failure: Failure | None = None
    fraction: float | None = None
    said: str | None = field(default=None, repr=False)
    is_custom: bool = False
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Say whether the state is final."""
        return self.state in READY

    @property
    def is_over(self) -> bool:
        """Say whether nothing better is to come: a final state, or something nobody can read."""
        return self.is_ready or bool(self.reason)


@dataclass(frozen=True, slots=True)
class SentRecord:
    """That a task was sent through this API, by whom.

    Attributes:
        who: the caller, so that nobody else is named alike.
        by: the caller's name, to be shown.
        print: of the request, where it came under an idempotency key.
        is_sent: whether the broker has taken it.
    """

    who: str
    by: str
    task: str
    queues: tuple[str, ...]
    at: datetime
    print: str = ""
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the event stream has told of a task; instants are those of the senders' clocks.

    Attributes:
        number: of its last change; later changes have greater ones.
        args_text, kwargs_text, exception_text: as the sender wrote them, cut.
    """

    task_id: str
    number: int
    name: str | None
    state: str
    is_finished: bool
    queue: str | None
    worker: str | None
    client: str | None
    retries: int
    state_at: datetime | None
    sent_at: datetime | None
    received_at: datetime | None
    started_at: datetime | None
    retried_at: datetime | None
    ended_at: datetime | None
    eta_at: datetime | None
    expires_at: datetime | None
    runtime_s: float | None
    root_id: str | None
    parent_id: str | None
    is_terminated: bool
    is_expired: bool
    args_text: str | None = field(default=None, repr=False)
    kwargs_text: str | None = field(default=None, repr=False)
    exception_text: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a task came from.

    Attributes:
        kind: ``api``, ``entry``, ``feed``.
        name: of the caller, the entry or the feed.
        key: which run or message of it; empty if there are none.
    """

    kind: str
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known of one task at a moment; nothing at all if ``is_known`` is false."""

    task_id: str
    outcome: Outcome | None = None
    seen: Seen | None = None
    sent: SentRecord | None = None
    origin: Origin | None = None

    @property
    def is_known(self) -> bool:
        """Say whether anybody has told of it."""
        return self.outcome is not None or self.seen is not None or self.sent is not None or self.origin is not None

    @property
    def state(self) -> str:
        """Give its state: what is stored counts before what was heard."""
        if self.outcome is not None:
            return self.outcome.state
        return self.seen.state if self.seen is not None else PENDING

    @property
    def is_ready(self) -> bool:
        """Say whether its state is final."""
        if self.outcome is not None:
            return self.outcome.is_ready
        return self.seen is not None and self.seen.is_finished

    @property
    def name(self) -> str | None:
        """Give the task's name, if anybody told it."""
        told = self.sent.task if self.sent is not None else None
        heard = self.seen.name if self.seen is not None else None
        return heard or told or (self.outcome.name if self.outcome is not None else None)


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks a list shows; ``None`` and empty: any.

    Attributes:
        name: a glob.
        id_prefix: how the id begins.
        origin: ``api``, ``entry``, ``feed``, ``other``; or kind and name with a colon between.
    """

    state: str | None = None
    name: str | None = None
    queue: str | None = None
    worker: str | None = None
    since: datetime | None = None
    id_prefix: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Deaf:
    """A time in which events may have been missed."""

    began_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of tasks, the last changed first.

    Attributes:
        next: the number to ask on below; ``None`` at the end.
        is_complete: false if the search ended before the list did.
        total: of all that match, where that is known without counting.
        kept_since: from when on nothing was forgotten or missed; ``None`` while nothing is heard.
        forgotten: tasks dropped for want of room.
    """

    items: Sequence[tuple[Seen, Origin | None]]
    next: int | None
    is_complete: bool
    total: int | None
    kept_since: datetime | None
    is_listening: bool
    gaps: Sequence[Deaf]
    forgotten: int
    by_state: Mapping[str, int]
    failed_by_name: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """A task to be sent; arguments are no part of its representation.

    Attributes:
        task_id: of the task; ``None``: a new one.
        who, by, print: kept beside its id; see ``SentRecord``.
        options: in the names of Celery's ``apply_async``.
        is_served: refuse it unless a worker takes from its queue.
    """

    task: str
    who: str
    by: str
    args: Sequence[Any] = field(default=(), repr=False)
    kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    task_id: str | None = None
    print: str = ""
    is_served: bool = False


@dataclass(frozen=True, slots=True)
class KnownParameter:
    """A parameter of a task."""

    name: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task by its name: where it goes, and what it takes (``None``: nobody knows)."""

    name: str
    queues: tuple[str, ...]
    parameters: tuple[KnownParameter, ...] | None


class TaskDesk(Protocol):
    """Tasks of a site. Every method that waits may raise ``Unavailable``: broker or result back-end do not answer."""

    @property
    def remembered_s(self) -> float:
        """Say how long a result is kept, and with it the id."""
        ...

    @property
    def keeps_results(self) -> bool:
        """Say whether this site keeps results at all."""
        ...

    async def standing(self, task_id: str) -> Standing:
        """Say what is known of a task; what ``Standing.is_known`` denies, nobody has told of."""
        ...

    def heard(self, task_id: str) -> Seen | None:
        """Say what the event stream has told of a task."""
        ...

    def requested_id(self, who: str, key: str) -> str:
        """Give the id of a task that is sent under an idempotency key."""
        ...

    async def origin(self, task_id: str, near: datetime | None) -> Origin | None:
        """Look in the files of this daemon where a task came from; ``near`` is when it was about."""
        ...

    async def listing(self, wanted: TaskFilter, *, before: int | None, limit: int) -> Listing:
        """List what the event stream told, the last changed first; looks at a bounded number."""
        ...

    async def names(self) -> tuple[Sequence[NamedTask], bool]:
        """List the tasks that are known, and say whether those are all that can be sent."""
        ...

    async def check(self, order: TaskOrder) -> tuple[str, ...]:
        """Say to which queues a task would go.

        Raises:
            DeskRefused: no such task or queue, or no worker could take it.
            Unavailable: no worker takes from its queue, and one is asked for.
        """
        ...

    async def send(self, order: TaskOrder) -> tuple[str, tuple[str, ...]]:
        """Send a task; give its id and where it went. The same id again within ten minutes is one task.

        Raises:
            DeskRefused: as ``check``.
        """
        ...

    async def wait(self, task_id: str, within_s: float) -> Outcome | None:
        """Wait for the end of a task; ``None`` if it does not come in time.

        Raises:
            NotHere: this site keeps no results.
        """
        ...

    def updates(self, task_id: str) -> AsyncGenerator[Outcome, None]:
        """Give each change of what is stored, the final one last; whoever is slow misses what lay between."""
        ...

    async def revoke(self, task_id: str, *, terminate: bool, signal: str) -> None:
        """Have workers not run a task; with ``terminate`` also end it where it runs."""
        ...
