"""A stretch of time as a picture: past and coming occurrences of entries, as marks or, where these would melt, as cells. Pure."""

from __future__ import annotations

from daemon.clock import SECOND_US, instant
from daemon.desks.schedule import Cell, Mark, TimelineRow
from daemon.scheduler.desk.item import LATE_US, Item
from daemon.scheduler.desk.told import Stretch
from daemon.scheduler.model import Entry, Horizon
from daemon.scheduler.run import Run, RunState

MARKS = 150
"""Marks of one entry; of more, cells are drawn."""

CELLS = 144
PLANNED = "planned"
_WORST = (
    PLANNED, "skipped", "succeeded", "unknown", "enqueued", "started", "late", "revoked", "failed", "lost",
)  # fmt: skip
"""Outcomes, the worst last."""

_RANKS = {word: rank for rank, word in enumerate(_WORST)}
_SHOWN = ("on", "wrong")


def cell_us_of(from_us: int, to_us: int) -> int:
    """Say how long a cell is: whole seconds."""
    return max(-(-(to_us - from_us) // CELLS // SECOND_US), 1) * SECOND_US


def rank(item: Item, state: str) -> tuple[bool, bool, int, str] | None:
    """Give the place of an entry: those in trouble come first, then by the next occurrence; ``None``: it has nothing to draw."""
    if item.next_us is None and item.last is None and state not in _SHOWN:
        return None
    return (not item.is_in_trouble(state), item.next_us is None, item.next_us or 0, item.id)


def draw(item: Item, state: str, past: Stretch, from_us: int, to_us: int, now_us: int, cell_us: int) -> TimelineRow:
    """Draw an entry: past and coming occurrences as marks or, where these are too many, as cells."""
    planned: list[int] | None = []
    if item.entry is not None and state == "on":
        planned = _planned(item.entry, item.horizon, max(from_us, now_us), to_us, MARKS - min(len(past.runs), MARKS))
    is_dense = planned is None or bool(past.cells)
    marks: list[Mark] = []
    cells: list[Cell] = []
    if is_dense:
        found: dict[int, tuple[str, int | None]] = {}
        for number, word, count in (*past.cells, *((_cell(run, from_us, cell_us)) for run in past.runs)):
            _lay(found, number, word, count)
        if item.entry is not None and state == "on":
            for number in _planned_cells(item.entry, item.horizon, max(from_us, now_us), to_us, from_us, cell_us):
                _lay(found, number, PLANNED, None)
        cells = [Cell(instant(from_us + number * cell_us), *found[number]) for number in sorted(found)]
    else:
        marks = [_mark(run) for run in past.runs]
        marks += [Mark(instant(at_us), PLANNED, 1, 0.0, None, None, "") for at_us in planned or ()]
    next_at = None if item.next_us is None else instant(item.next_us)
    return TimelineRow(item.id, item.name, state, item.health, next_at, is_dense, marks, cells)


def _mark(run: Run) -> Mark:
    ends = [None if one is None else instant(one) for one in (run.started_us, run.finished_us)]
    late_s = 0.0 if run.state is RunState.SKIPPED else run.lateness_us / SECOND_US
    return Mark(instant(run.occurrence_us), _word(run), run.times, late_s, ends[0], ends[1], run.task_id)


def _word(run: Run) -> str:
    is_late = run.state in (RunState.SUCCEEDED, RunState.ENQUEUED, RunState.STARTED) and run.lateness_us > LATE_US
    return "late" if is_late else run.state.value


def _cell(run: Run, from_us: int, cell_us: int) -> tuple[int, str, int]:
    return (run.occurrence_us - from_us) // cell_us, _word(run), run.times


def _lay(cells: dict[int, tuple[str, int | None]], number: int, word: str, count: int | None) -> None:
    known = cells.get(number)
    if known is None:
        cells[number] = (word, count)
        return
    worst = max(known[0], word, key=lambda one: _RANKS.get(one, 0))
    total = None if known[1] is None and count is None else (known[1] or 0) + (count or 0)
    cells[number] = (worst, total)


def _planned(entry: Entry, horizon: Horizon | None, after_us: int, to_us: int, most: int) -> list[int] | None:
    """Give coming instants; ``None`` if there are too many."""
    trigger = entry.trigger.begun(horizon.since_us if horizon is not None else entry.begins_us or after_us)
    found: list[int] = []
    at_us = trigger.next_after(after_us)
    while at_us is not None and at_us < to_us:
        if len(found) >= most:
            return None
        found.append(at_us)
        at_us = trigger.next_after(at_us)
    return found


def _planned_cells(
    entry: Entry, horizon: Horizon | None, after_us: int, to_us: int, from_us: int, cell_us: int
) -> list[int]:
    """Name the cells in which something is to come; one look for each."""
    trigger = entry.trigger.begun(horizon.since_us if horizon is not None else entry.begins_us or after_us)
    found: list[int] = []
    at_us = trigger.next_after(after_us)
    while at_us is not None and at_us < to_us:
        number = (at_us - from_us) // cell_us
        found.append(number)
        at_us = trigger.next_after(from_us + (number + 1) * cell_us - 1)
    return found
