"""One entry as the desk knows it: its layers, what becomes of them, and what was noted of its runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daemon.clock import SECOND_US
from daemon.desks.schedule import Choice
from daemon.scheduler.evaluate import is_paused
from daemon.scheduler.history.present import is_spent
from daemon.scheduler.layers.added import Added
from daemon.scheduler.layers.compose import Composed, Definition
from daemon.scheduler.layers.layer import Layer
from daemon.scheduler.layers.override import PAUSE
from daemon.scheduler.model import Entry, Horizon
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.watch.missed import is_deliberate
from daemon.settings import Problem

LATE_US = 60 * SECOND_US
"""An occurrence that was enqueued later than this is late."""

STATES = ("on", "paused", "disabled", "wrong", "over", "stray")
TROUBLE = frozenset(("missed", "failed", "late", "waiting"))
_HEALTH = {
    RunState.ENQUEUED: "running",
    RunState.STARTED: "running",
    RunState.FAILED: "failed",
    RunState.LOST: "failed",
    RunState.REVOKED: "failed",
    RunState.UNKNOWN: "unknown",
}
_UNKNOWN = -1


@dataclass(slots=True, eq=False)
class Item:
    """An entry.

    Attributes:
        definition: ``None`` of one that is only in the table of overrides.
        override_text, added_text: what was read, to tell whether it has changed.
        entry: as it stands; ``None`` if it is disabled or cannot be.
        composed: where its fields come from, where that was worked out already.
        expires_us: when a field falls back.
        horizon: what the broker remembers, as far as this daemon knows.
        next_us: the next occurrence; -1 while that is not worked out.
        waits_us: the occurrence that is due and waits.
        last: the latest run.
        text: in what a search looks.
    """

    id: str
    definition: Definition | None
    added: Added | None = None
    override: Layer | None = None
    override_text: str | None = None
    added_text: str | None = field(default=None, repr=False)
    entry: Entry | None = None
    composed: Composed | None = field(default=None, repr=False)
    problems: tuple[Problem, ...] = ()
    expires_us: int | None = None
    horizon: Horizon | None = None
    next_us: int | None = _UNKNOWN
    waits_us: int | None = None
    last: Run | None = None
    text: str = ""

    def __post_init__(self) -> None:
        """Put together what a search looks in."""
        self.text = f"{self.id}\n{self.name}\n{self.task}\n{self.note}".casefold()

    @property
    def name(self) -> str:
        """Say what it is called."""
        return self.id if self.definition is None else str(self.definition.name)

    @property
    def task(self) -> str:
        """Say what it runs."""
        return "" if self.entry is None else str(self.entry.task)

    @property
    def source(self) -> str:
        """Name the topmost layer below what was changed."""
        return "" if self.definition is None else str(self.definition.source)

    @property
    def queue(self) -> str:
        """Name the queue it says; empty if routes decide."""
        return "" if self.entry is None or self.entry.queue is None else str(self.entry.queue)

    @property
    def is_changed(self) -> bool:
        """Say whether somebody changed more of it than that it is paused."""
        return self.override is not None and any(name != PAUSE for name in self.override.fields)

    @property
    def note(self) -> str:
        """Say why it is paused, was changed or added."""
        fields = {} if self.override is None else self.override.fields
        if PAUSE in fields:
            return fields[PAUSE].reason
        reasons = [one.reason for one in fields.values() if one.reason]
        return reasons[0] if reasons else self.added.reason if self.added is not None else ""

    def plan(self, now_us: int) -> None:
        """Work out the next occurrence, if what is known of it has passed."""
        if self.next_us is not None and self.next_us != _UNKNOWN and self.next_us > now_us:
            return
        if self.next_us is None or self.entry is None:
            self.next_us = None
            return
        self.next_us = next_us(self.entry, self.horizon, now_us)

    def state(self, now_us: int) -> str:
        """Say how it stands."""
        if self.definition is None:
            return "stray"
        if self.problems:
            return "wrong"
        if self.entry is None:
            return "disabled"
        if is_paused(self.entry, now_us):
            return "paused"
        return "over" if self.next_us is None and self.waits_us is None else "on"

    @property
    def health(self) -> str:
        """Say how its last run went."""
        if self.waits_us is not None:
            return "waiting"
        return health_of(self.last)

    def is_in_trouble(self, state: str) -> bool:
        """Say whether somebody should look at it."""
        return state == "wrong" or (state in ("on", "over") and self.health in TROUBLE)

    def fits(self, choice: Choice, state: str, now_us: int) -> bool:
        """Say whether it is among those that are meant."""
        if choice.states and state not in choice.states:
            is_meant = "trouble" in choice.states and self.is_in_trouble(state)
            if not is_meant and not ("waiting" in choice.states and self.waits_us is not None):
                return False
        if choice.sources and self.source not in choice.sources:
            return False
        if (choice.queue and self.queue != choice.queue) or (choice.task and self.task != choice.task):
            return False
        if choice.is_changed and not self.is_changed:
            return False
        if choice.within_s is not None and not self._is_due(now_us + round(choice.within_s * SECOND_US)):
            return False
        return not choice.text or choice.text.casefold() in self.text

    def _is_due(self, until_us: int) -> bool:
        return self.next_us is not None and self.next_us <= until_us


def next_us(entry: Entry, horizon: Horizon | None, now_us: int) -> int | None:
    """Give the next occurrence that is not passed over; ``None`` if there is none, or nobody knows when the pause ends."""
    if is_spent(entry, horizon):
        return None
    begins_us = horizon.since_us if horizon is not None else entry.begins_us or now_us
    after_us = now_us
    if entry.pause is not None and is_paused(entry, now_us):
        if entry.pause.until_us is None:
            return None
        after_us = max(now_us, entry.pause.until_us - 1)
    return entry.trigger.begun(begins_us).next_after(after_us)


def health_of(run: Run | None) -> str:
    """Say how a run went."""
    if run is None:
        return "unknown"
    if run.state is RunState.SKIPPED:
        return "ok" if is_deliberate(run) else "missed"
    if run.state is RunState.SUCCEEDED:
        return "late" if run.lateness_us > LATE_US else "ok"
    return _HEALTH[run.state]


def field_of(problem: Problem) -> str:
    """Name the field a problem concerns: what stands behind ``schedule.NAME``."""
    return ".".join(map(str, problem.path[2:]))


def tag_source(item: Item) -> tuple[Any, ...]:
    """Give all that somebody may change of an entry, for its tag."""
    below = () if item.definition is None else [
        (str(layer.source), sorted((name, one.value) for name, one in layer.fields.items()))
        for layer in item.definition.layers
    ]  # fmt: skip
    return (item.id, item.override_text or "", item.added_text or "", repr(below))
