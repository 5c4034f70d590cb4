"""What history and runs need of the outside: protocols and the values that pass through them.

``daemon/dispatch`` stands behind them, as behind ``daemon/ports.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

_NOBODY: Mapping[str, str] = {}


class HistoryRecord(NamedTuple):
    """What an order wrote into the site's history: its place in the order of all, its text, and the broker's clock."""

    place: str
    text: bytes
    at_us: int


class HistoryPage(NamedTuple):
    """The next records; with ``is_gap`` some before them may be gone unread."""

    records: tuple[HistoryRecord, ...] = ()
    is_gap: bool = False


class HistorySource(Protocol):
    """The history all daemons of a site write together."""

    async def read(self, after: str, *, most: int, wait_s: float) -> HistoryPage:
        """Read the records that follow a place (empty: from the first), waiting so long for one to come.

        Raises:
            BrokerDown: the broker does not answer.
            HistoryFailed: it refuses.
        """
        ...

    async def close(self) -> None:
        """Give back what was opened."""
        ...


class Progress(Enum):
    """How far a task was seen to be."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVOKED = "revoked"


class Sighting(NamedTuple):
    """What was seen of a task, and nothing of what it was given or gave.

    Attributes:
        at_us: when it came so far, as its worker tells; ``None`` if nobody tells.
        reason: name of the exception's class.
    """

    task_id: str
    progress: Progress
    at_us: int | None = None
    started_us: int | None = None
    worker: str = ""
    reason: str = ""


class WorkerSign(NamedTuple):
    """When a worker was last heard.

    Attributes:
        silent_s: for how long nothing came of it; ``None`` if it was never heard.
        has_left: it said it goes, and was not heard since.
        beats_at_work: whether its heart beats while it runs a task; ``None`` while that is not known.
        pid: of its process; ``None`` if it does not tell.
    """

    silent_s: float | None = None
    has_left: bool = False
    beats_at_work: bool | None = None
    pid: int | None = None


class Wanted(NamedTuple):
    """A task that workers are asked about; ``queue`` is empty if its route decides."""

    task_id: str
    task: str = ""
    queue: str = ""


class Holders(NamedTuple):
    """Who holds the tasks that were asked about.

    Attributes:
        by_task: the worker of each that is held.
        running: those of them that run.
        answered: the workers that answered.
        is_complete: every worker that is connected has answered.
        unqueued: tasks nobody holds whose queues are empty.
    """

    by_task: Mapping[str, str] = _NOBODY
    running: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    is_complete: bool = False
    unqueued: frozenset[str] = frozenset()


class TaskWatch(Protocol):
    """What workers and the result back-end tell of tasks.

    Attributes:
        keeps_results: whether there is a result back-end to be asked.
    """

    keeps_results: bool

    async def run(self) -> None:
        """Listen until cancelled."""
        ...

    async def news(self) -> None:
        """Wait until something was heard."""
        ...

    def heard(self) -> list[Sighting]:
        """Give what was heard since the last call; it may be of any task."""
        ...

    def heard_of(self, task_id: str) -> Sighting | None:
        """Give what is remembered of one task."""
        ...

    def hears_tasks(self) -> bool:
        """Say whether workers tell of their tasks as they run them."""
        ...

    def will_tell(self, task: str) -> bool:
        """Say whether the end of a task is told: by its stored result, or by its worker."""
        ...

    def sign_of(self, worker: str) -> WorkerSign:
        """Say when a worker was last heard; of an empty name nothing."""
        ...

    def listen_for(self, task_id: str) -> None:
        """Have the result of a task heard as soon as it is stored; forgotten after a day."""
        ...

    async def stored(self, task_ids: Sequence[str]) -> dict[str, Sighting]:
        """Look up results.

        Raises:
            BrokerDown: the back-end does not answer.
        """
        ...

    async def held(self, wanted: Sequence[Wanted]) -> Holders:
        """Ask all workers which of the tasks they hold.

        Raises:
            BrokerDown: the broker does not answer.
        """
        ...
