"""What Flower's REST interface needs of the Celery side, in Flower's own terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class FlowerTask(NamedTuple):
    """A task as Flower lists it; instants are seconds since the epoch. What it was called with is not part of the representation."""

    uuid: str
    name: str | None
    state: str
    worker: str | None
    args: str | None
    kwargs: str | None
    exception: str | None
    retries: int | None
    eta: str | None
    expires: str | None
    runtime: float | None
    timestamp: float | None
    sent: float | None
    received: float | None
    started: float | None
    succeeded: float | None
    failed: float | None
    retried: float | None
    revoked: float | None
    rejected: float | None
    client: str | None
    exchange: str | None
    routing_key: str | None
    root_id: str | None
    parent_id: str | None
    clock: int
    children: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show which task it is, and nothing it holds."""
        return f"FlowerTask({self.uuid!r}, {self.name!r}, {self.state!r})"


@dataclass(frozen=True, slots=True)
class TaskWanted:
    """Which tasks are wanted, how many, and in what order.

    Attributes:
        name, worker, state: in lower case; empty for any.
        matches: whether a task is found by what was searched for; ``None``: anything is.
        sort_by: ``name``, ``state``, ``received``, ``started``; empty: the last changed first.
    """

    name: str = ""
    worker: str = ""
    state: str = ""
    received_from_s: float | None = None
    received_to_s: float | None = None
    matches: Callable[[FlowerTask], bool] | None = None
    sort_by: str = ""
    is_descending: bool = False
    offset: int = 0
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class FlowerResult:
    """A stored result; ``is_ready`` says whether ``result`` is final."""

    task_id: str
    state: str
    is_ready: bool
    name: str | None = None
    result: Any = field(default=None, repr=False)
    traceback: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FlowerSending:
    """A task to be sent, with options of Celery's ``apply_async``."""

    task: str
    args: Sequence[Any] = field(repr=False)
    kwargs: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)


class FlowerDesk(Protocol):
    """What Flower knows and does. Each method raises ``DaemonError`` if the broker does not answer."""

    async def tasks(self, wanted: TaskWanted) -> Sequence[FlowerTask]:
        """List tasks of the event stream."""
        ...

    async def task(self, task_id: str) -> FlowerTask | None:
        """Give one task, if the event stream told of it."""
        ...

    def task_types(self) -> Sequence[str]:
        """Name the tasks the event stream told of."""
        ...

    async def stored(self, task_ids: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Give results and tracebacks as texts, by task, of the first few hundred."""
        ...

    async def workers(self, name: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Give what workers answer, by worker and method; of one, its tasks too."""
        ...

    async def alive(self) -> Mapping[str, bool]:
        """Say which workers are alive."""
        ...

    async def knows_task(self, task: str) -> bool:
        """Say whether the application or a worker knows a task of this name."""
        ...

    async def tell(self, worker: str, method: str, arguments: Mapping[str, Any]) -> tuple[bool, str]:
        """Tell a worker something; says whether it did it, and its words.

        Raises:
            BadRequest: arguments no worker could take.
        """
        ...

    async def send(self, sending: FlowerSending) -> str:
        """Send a task and give its id.

        Raises:
            DeskRefused: no worker could take it.
        """
        ...

    @property
    def keeps_results(self) -> bool:
        """Say whether the application keeps results."""
        ...

    async def result(self, task_id: str, *, within_s: float = 0.0) -> FlowerResult:
        """Give what is stored of a task; wait for its end so long first."""
        ...

    async def abort(self, task_id: str) -> None:
        """Mark a task as aborted, for those that look.

        Raises:
            NotHere: results are not kept where that can be written.
        """
        ...

    async def revoke(self, task_id: str, *, terminate: bool, signal: str) -> None:
        """Have a task not run.

        Raises:
            BadRequest: not a signal.
        """
        ...

    async def queue_lengths(self) -> Sequence[tuple[str, int]]:
        """Count what waits in the queues workers take from; where none answers, in those that are declared."""
        ...
