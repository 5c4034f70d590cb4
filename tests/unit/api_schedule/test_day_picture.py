"""The picture of a day: every occurrence is in it, as a mark or in a cell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US, microseconds
from daemon.public import Public
from daemon.scheduler.desk.item import Item
from daemon.scheduler.desk.picture import MARKS, cell_us_of, draw, rank
from daemon.scheduler.desk.told import Stretch
from daemon.scheduler.layers import SITE, Layer
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.model import Entry, Pause
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.triggers import Interval

DAY_US = 86_400 * SECOND_US
NOW_US = 1_700_000_000 * SECOND_US
FROM_US, TO_US = NOW_US - DAY_US // 2, NOW_US + DAY_US // 2


def item_of(every_us: int, **more: object) -> Item:
    entry = Entry(Public("e"), Public("task"), Interval(every_us), **more)  # type: ignore[arg-type]
    found = Item("e", Definition(Public("e"), (Layer.of(SITE, {}),)), entry=entry)
    found.plan(NOW_US)
    return found


def run_at(at_us: int, state: RunState = RunState.SUCCEEDED, late_us: int = 0) -> Run:
    return Run("e", "e", at_us, state, settled_us=at_us + late_us)


@given(st.integers(SECOND_US, DAY_US))
def test_every_coming_occurrence_has_its_mark_or_its_cell(every_us: int) -> None:
    item = item_of(every_us)
    cell_us = cell_us_of(FROM_US, TO_US)
    row = draw(item, "on", Stretch(), FROM_US, TO_US, NOW_US, cell_us)
    due = range(NOW_US - NOW_US % every_us + every_us, TO_US, every_us)
    assert row.is_dense == (len(due) > MARKS)
    if row.is_dense:
        assert not row.marks
        cells = {microseconds(one.at) for one in row.cells}
        expected = {FROM_US + (at_us - FROM_US) // cell_us * cell_us for at_us in due}
        assert cells == expected
    else:
        assert [microseconds(one.due_at) for one in row.marks] == list(due)
        assert not row.cells


def test_a_cell_has_the_worst_of_what_lies_in_it() -> None:
    item = item_of(SECOND_US)
    past = Stretch((), ((3, "succeeded", 40), (3, "failed", 1), (4, "skipped", 2), (4, "succeeded", 1)))
    row = draw(item, "on", past, FROM_US, TO_US, NOW_US, cell_us_of(FROM_US, TO_US))
    assert [(one.outcome, one.count) for one in row.cells[:2]] == [("failed", 41), ("succeeded", 3)]


def test_what_came_late_says_so_and_what_is_passed_over_is_not_late() -> None:
    item = item_of(DAY_US)
    runs = (run_at(FROM_US, late_us=61 * SECOND_US), run_at(FROM_US + 1, RunState.SKIPPED, 61 * SECOND_US))
    row = draw(item, "on", Stretch(runs), FROM_US, TO_US, NOW_US, cell_us_of(FROM_US, TO_US))
    assert [one.outcome for one in row.marks][:2] == ["late", "skipped"]


def test_what_is_paused_has_nothing_to_come() -> None:
    item = item_of(DAY_US // 24, pause=Pause())
    assert item.state(NOW_US) == "paused"
    assert draw(item, "paused", Stretch(), FROM_US, TO_US, NOW_US, SECOND_US).marks == []


def test_entries_in_trouble_come_first_then_by_their_next_occurrence() -> None:
    soon, later, failed = item_of(SECOND_US), item_of(DAY_US), item_of(DAY_US)
    failed.last = run_at(FROM_US, RunState.FAILED)
    ranks = sorted(
        (rank(one, "on") or (), name) for one, name in ((later, "later"), (soon, "soon"), (failed, "failed"))
    )
    assert [name for _, name in ranks] == ["failed", "soon", "later"]
    stray = Item("x", None)
    stray.plan(NOW_US)
    assert rank(stray, "stray") is None
