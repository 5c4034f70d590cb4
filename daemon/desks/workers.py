"""What the API needs of the workers: a protocol, and the values that pass through it. Nothing here holds a task's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol


class NodeState(Enum):
    """How a worker stands."""

    ONLINE = "online"
    SILENT = "silent"
    """It neither answers nor was heard of in two heartbeats, and did not say goodbye."""
    OFFLINE = "offline"
    """It said goodbye, or has been silent for ten minutes."""


class WorkerAction(Enum):
    """What a worker can be told."""

    POOL_GROW = "pool-grow"
    POOL_SHRINK = "pool-shrink"
    AUTOSCALE = "autoscale"
    RATE_LIMIT = "rate-limit"
    TIME_LIMIT = "time-limit"
    ADD_CONSUMER = "add-consumer"
    CANCEL_CONSUMER = "cancel-consumer"
    POOL_RESTART = "pool-restart"
    SHUTDOWN = "shutdown"

    @property
    def method(self) -> str:
        """Give Celery's own word for it."""
        return self.value.replace("-", "_")


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A worker in one line. ``None`` is what nobody tells.

    Attributes:
        heard_at: when it last told anything; on our clock.
        pool: ``prefork``, ``threads``, ``gevent`` …
        slots: processes there are, or threads at most; Celery's own number leaves out what was added to the pool.
        processed: tasks it has taken since its start.
        failed: tasks that failed there, of those still remembered.
        load: of its host over 1, 5 and 15 minutes.
        peak_memory_bytes: the most its main process ever held.
        clock_offset_s: how far its clock is ahead of ours, the way here included.
        is_drifting: the clocks differ by more than Celery tolerates.
        prefetch: messages it holds at most; 0 is no limit.
        required_for: queues this site sends to that nobody else takes from.
        is_doubled: two workers bear this name.
    """

    name: str
    state: NodeState
    heard_at: datetime | None
    online_at: datetime | None
    offline_at: datetime | None
    queues: tuple[str, ...]
    pool: str | None
    slots: int | None
    active: int | None
    reserved: int | None
    scheduled: int | None
    processed: int | None
    failed: int
    load: tuple[float, ...]
    peak_memory_bytes: int | None
    celery: str | None
    pid: int | None
    uptime_s: int | None
    clock_offset_s: float | None
    is_drifting: bool
    prefetch: int | None
    required_for: tuple[str, ...] = ()
    is_doubled: bool = False
    allowed_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unserved:
    """A queue this site sends to that nobody takes from, and the command that starts a worker for it."""

    queue: str
    start: str


@dataclass(frozen=True, slots=True)
class Nodes:
    """All workers.

    Attributes:
        is_complete: whether all workers answered in time.
        events_since_at: since when no event was missed; ``None``: events are not followed at present.
    """

    rows: tuple[NodeRow, ...]
    unserved: tuple[Unserved, ...]
    asked_at: datetime
    is_complete: bool
    events_since_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldTaskRow:
    """A task a worker runs, or holds until it can."""

    task_id: str
    name: str
    queue: str | None
    priority: int | None
    started_at: datetime | None
    eta_at: datetime | None
    running_s: float | None
    pid: int | None
    is_acknowledged: bool | None
    is_redelivered: bool | None


@dataclass(frozen=True, slots=True)
class RegisteredTask:
    """A task a worker knows, and how often it starts it at most."""

    name: str
    rate_limit: str | None


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """Limits of a worker's pool."""

    soft_s: float | None
    hard_s: float | None
    max_tasks_per_child: int | None


@dataclass(frozen=True, slots=True)
class ConsumedQueue:
    """A queue a worker takes from."""

    name: str
    exchange: str | None
    exchange_type: str | None
    routing_key: str | None


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """All a worker tells.

    Attributes:
        revoked: how many revoked tasks it remembers.
        totals: tasks it has taken since its start, by name.
        cpu_user_s, cpu_system_s: of its main process.
    """

    node: NodeRow
    asked_at: datetime
    active: tuple[HeldTaskRow, ...]
    reserved: tuple[HeldTaskRow, ...]
    scheduled: tuple[HeldTaskRow, ...]
    revoked: int
    registered: tuple[RegisteredTask, ...]
    limits: NodeLimits
    consumes: tuple[ConsumedQueue, ...]
    totals: Mapping[str, int]
    processes: tuple[int, ...]
    cpu_user_s: float | None
    cpu_system_s: float | None
    broker: str | None


@dataclass(frozen=True, slots=True)
class Commanded:
    """What became of a command; ``what`` says it in words, ``answer`` is the worker's."""

    worker: str
    action: WorkerAction
    is_done: bool
    what: str
    answer: str | None = None
    warnings: tuple[str, ...] = ()


class WorkerDesk(Protocol):
    """The workers of a site, looked at as often as wanted and asked every few seconds at most.

    Each method raises ``DaemonError`` if the broker does not answer, ``NotHere`` if it is none whose workers can be asked.
    """

    async def nodes(self) -> Nodes:
        """Describe every worker in a line."""
        ...

    async def detail(self, name: str) -> NodeDetail:
        """Describe one worker.

        Raises:
            NotThere: there is none of that name.
        """
        ...

    async def plan(self, name: str, action: WorkerAction, arguments: Mapping[str, Any]) -> Commanded:
        """Say what a command would do, and check it, without doing it.

        Raises:
            NotThere: there is none of that name.
            DeskRefused: arguments no worker could take.
        """
        ...

    async def command(self, name: str, action: WorkerAction, arguments: Mapping[str, Any]) -> Commanded:
        """Tell a worker.

        Raises:
            NotThere: there is none of that name.
            NotNow: it says that it cannot, or says nothing.
            DeskRefused: arguments no worker could take.
        """
        ...

    async def consumers(self) -> Mapping[str, Sequence[str]]:
        """Name the workers that take from each queue."""
        ...
