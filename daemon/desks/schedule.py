"""What the API and the commands need of the schedule: the values that pass through it. No argument of a task is in them.

The protocols are in ``daemon/desks/scheduling.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class SortBy(Enum):
    """By what a list of entries is put in order."""

    NAME = "name"
    NEXT = "next"
    LAST = "last"
    LATENESS = "lateness"
    FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which entries are meant; what is empty leaves out nothing."""

    text: str = ""
    states: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    queue: str = ""
    task: str = ""
    is_changed: bool = False
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of a list of entries; ``after`` is the key of the last item of the page before."""

    choice: Choice = Choice()
    sort: SortBy = SortBy.NAME
    descending: bool = False
    limit: int = 50
    after: tuple[str | int, str] | None = None


@dataclass(frozen=True, slots=True)
class TimingText:
    """When an entry is due, in words and as it is written."""

    words: str
    expression: str
    zone: str


@dataclass(frozen=True, slots=True)
class LastRun:
    """What became of the latest occurrence."""

    due_at: datetime
    outcome: str
    lateness_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """Who paused an entry, since when, until when and why."""

    by: str
    since_at: datetime | None
    until_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class HeldAll:
    """Who holds all schedules, since when, until when and why."""

    by: str
    since_at: datetime | None
    until_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry in a list.

    Attributes:
        state: on, paused, disabled, wrong, over, or stray: changed at run time, and there is no such entry.
        health: of its last run: ok, waiting, late, missed, failed, running, or unknown.
        recent: outcomes of the last runs, the oldest first.
        failures: in the last 24 hours, as ``lateness_p95_s``.
        waits_since_at: the occurrence that is due and waits for a place, a rate or the end of a hold.
        note: why it is paused, or was changed or added.
        problem: why it cannot be, or will never fire.
    """

    id: str
    name: str
    task: str
    state: str
    health: str
    schedule: TimingText
    next_at: datetime | None
    last: LastRun | None
    lateness_p95_s: float | None
    recent: Sequence[str]
    failures: int
    queue: str
    source: str
    is_changed: bool
    paused: Paused | None
    waits_since_at: datetime | None
    note: str
    problem: str
    allowed_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of entries, and what the whole site comes to.

    Attributes:
        after: the key of the last item, if there are more.
        counts: of all entries by state, and how many are in trouble or were changed.
        can_change: whether the broker can keep changes.
        is_complete: whether nothing that was added is missing.
    """

    items: Sequence[EntryRow]
    after: tuple[str | int, str] | None
    total: int
    counts: Mapping[str, int]
    held: HeldAll | None
    can_change: bool
    as_of_at: datetime
    is_complete: bool


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of an entry and where it comes from; arguments are hidden.

    Attributes:
        value: as in a site file.
        below: what a changed field would fall back to.
    """

    field: str
    value: Any
    is_hidden: bool
    source: str
    place: str
    by: str
    since_at: datetime | None
    until_at: datetime | None
    reason: str
    is_changed: bool
    below: Any


@dataclass(frozen=True, slots=True)
class FireRow:
    """A coming occurrence, its local time, and what is odd about it."""

    at: datetime
    local: str
    note: str


@dataclass(frozen=True, slots=True)
class WrongField:
    """What is wrong with a field of an entry."""

    field: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class ArgumentNames:
    """How many arguments a task is given by position, and the names of the others."""

    positional: int
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """An entry by itself."""

    row: EntryRow
    fields: Sequence[FieldRow]
    next: Sequence[FireRow]
    arguments: ArgumentNames
    problems: Sequence[WrongField]
    catch_up: str
    catch_up_window_s: float | None
    overlap: str
    priority: int | None
    expires_s: float | None
    start_deadline_s: float | None
    max_runs: int | None
    counted_from_at: datetime | None


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the tasks of an entry are given."""

    args: Sequence[Any] = field(repr=False)
    kwargs: Mapping[str, Any] = field(repr=False)
    canvas: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fires:
    """Coming occurrences; ``is_over``: there are no others."""

    fires: Sequence[FireRow]
    is_over: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What a change would make of an entry."""

    before: Sequence[FireRow]
    after: Sequence[FireRow]
    words: str
    problems: Sequence[WrongField]


@dataclass(frozen=True, slots=True)
class RunRow:
    """What became of an occurrence; of several passed over at once, of all of them."""

    due_at: datetime
    last_at: datetime | None
    count: int
    outcome: str
    how: str
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    lateness_s: float
    wait_s: float | None
    duration_s: float | None
    task_id: str
    task: str
    queue: str
    worker: str
    daemon: str
    reason: str
    reason_text: str
    entry: str
    name: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an occurrence ran, or did not."""

    at: datetime
    finding: str
    text: str
    run: RunRow | None
    before_at: datetime | None
    after_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """An occurrence in the picture of a day."""

    due_at: datetime
    outcome: str
    count: int
    lateness_s: float
    started_at: datetime | None
    ended_at: datetime | None
    task_id: str


@dataclass(frozen=True, slots=True)
class Cell:
    """The occurrences of a stretch, where there are too many for marks: the worst outcome; their number, if it was counted."""

    at: datetime
    outcome: str
    count: int | None


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """An entry in the picture of a day: marks, or cells if it is dense."""

    id: str
    name: str
    state: str
    health: str
    next_at: datetime | None
    is_dense: bool
    marks: Sequence[Mark]
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Past and coming occurrences on one axis; ``others`` entries have no row."""

    from_at: datetime
    to_at: datetime
    now_at: datetime
    cell_s: int
    others: int
    rows: Sequence[TimelineRow]


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that was asked for: its task, the entry it is, and how many daemons heard of it."""

    task_id: str
    run_id: str
    heard_by: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A set that was frozen, for one execution.

    Attributes:
        count: entries, or occurrences of a backfill.
    """

    token: str
    action: str
    count: int
    sample: Sequence[str]
    first_at: datetime | None
    last_at: datetime | None
    needs_role: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a plan: how much was done, and which entries are no more or were refused."""

    action: str
    done: int
    left_out: Sequence[str]
