"""One occurrence and what became of it: what the history keeps, and what is watched."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import orjson

from daemon.scheduler.model import How


class RunState(Enum):
    """How far an occurrence has come."""

    ENQUEUED = "enqueued"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVOKED = "revoked"
    LOST = "lost"
    """Its worker is gone, or nothing was heard of it for too long."""
    UNKNOWN = "unknown"
    """It is over, or may be; neither a result nor an event tells."""
    SKIPPED = "skipped"
    """It was passed over; the reason says why."""

    @property
    def is_over(self) -> bool:
        """Say whether nothing more can become of it."""
        return self not in (RunState.ENQUEUED, RunState.STARTED)


class Run(NamedTuple):
    """An occurrence.

    Attributes:
        entry: id of the entry; ``name`` is what it was called.
        occurrence_us: its instant. Of several passed over at once, the first.
        last_us, times: of several passed over at once, the last, and how many (up to 1000).
        by: daemon that settled it.
        settled_us: when, on the broker's clock: pushed, or passed over.
        reason: why not, or what went wrong (the name of an exception, never its text).
        holds: whether it holds slots, which others wait for.
    """

    entry: str
    name: str
    occurrence_us: int
    state: RunState
    how: How = How.CLOCK
    by: str = ""
    settled_us: int = 0
    task: str = ""
    queue: str = ""
    task_id: str = ""
    started_us: int | None = None
    finished_us: int | None = None
    worker: str = ""
    reason: str = ""
    last_us: int = 0
    times: int = 1
    holds: bool = False

    @property
    def key(self) -> str:
        """Tell it from all others: its task id, or else entry, instant and what brought it about."""
        return self.task_id or f"{self.entry}\n{self.occurrence_us}\n{self.how.value}"

    @property
    def lateness_us(self) -> int:
        """Say how long after its instant it was settled; 0 while that is not known."""
        return max(self.settled_us - self.occurrence_us, 0) if self.settled_us else 0


_NAMES = {
    "entry": "e", "name": "n", "occurrence_us": "o", "state": "s", "how": "h", "by": "b", "task": "t", "queue": "q",
    "task_id": "i", "reason": "r", "last_us": "l", "times": "c", "holds": "g",
}  # fmt: skip
"""What travels in a record; the instant is the stream's, the rest is learnt later."""

_NEEDED = frozenset(("entry", "name", "occurrence_us", "state"))
_KINDS: dict[str, type] = {"occurrence_us": int, "last_us": int, "times": int, "holds": bool}
_UNLIKE_ANY = object()
_WRITTEN = tuple(
    (short, Run._fields.index(name), _UNLIKE_ANY if name in _NEEDED else Run._field_defaults[name])
    for name, short in _NAMES.items()
)
"""Name in the record, place in the tuple, and the value that is left out."""

_READ = tuple((name, short, _KINDS.get(name, str), name in _NEEDED) for name, short in _NAMES.items())
_TEXT_LIMIT = 1000
_INSTANT_LIMIT_US = 2**62


def write_record(run: Run) -> str:
    """Write what an order takes along; it holds nothing of arguments or results."""
    if len(run.reason) > _TEXT_LIMIT:
        run = run._replace(reason=run.reason[:_TEXT_LIMIT])
    found = {short: value for short, place, usual in _WRITTEN if (value := run[place]) != usual}
    return orjson.dumps(found).decode()


def read_record(text: str | bytes, settled_us: int) -> Run | None:
    """Read a record; ``None`` if it is not one of ours. Anyone may have written there."""
    try:
        raw = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(raw, dict):
        return None
    given: dict[str, Any] = {}
    for name, short, kind, is_needed in _READ:
        if short in raw:
            value = given[name] = raw[short]
            if type(value) is not kind or not _is_bounded(value):
                return None
        elif is_needed:
            return None
    try:
        given["state"], given["how"] = RunState(given["state"]), How(given.get("how", "clock"))
    except ValueError:
        return None
    return Run(**given, settled_us=settled_us)


def _is_bounded(value: Any) -> bool:
    return len(value) <= _TEXT_LIMIT if isinstance(value, str) else abs(value) <= _INSTANT_LIMIT_US
