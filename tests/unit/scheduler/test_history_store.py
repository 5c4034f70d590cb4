"""The history's file: what is written, what is kept, who may read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import HistoryFailed
from daemon.scheduler.history import FILE, HistoryReader, HistoryStore, Retention
from daemon.scheduler.history.store import PRUNE_ROWS, is_damaged, put_aside
from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState
from tests.support.histories import run


@contextmanager
def opened(folder: Path, retention: Retention | None = None, now_us: int = 1) -> Iterator[HistoryStore]:
    store = HistoryStore(folder, retention or Retention(), now_us)
    try:
        yield store
    finally:
        store.close()


def settled(number: int, state: RunState = RunState.ENQUEUED, entry: str = "nightly", **more: Any) -> Run:
    return run(number, state, entry)._replace(settled_us=number, **more)


def prune(store: HistoryStore, now_us: int) -> list[int]:
    steps = []
    while count := store.prune(now_us):
        steps.append(count)
    return steps


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    whole = Run(
        "id", "name", 1, RunState.FAILED, How.BACKFILL, "node", 2, "app.t", "q", "task", 3, 4, "w@a", "KeyError", 5, 6,
        holds=True,
    )  # fmt: skip
    with opened(tmp_path) as store, HistoryReader(tmp_path) as reader:
        store.commit([whole, settled(7, RunState.SKIPPED)], [], [], "1-0", 9)
        assert reader.runs("id", count=5) == [whole]
        assert reader.runs("nightly", count=5) == [settled(7, RunState.SKIPPED)]
        assert store.place() == "1-0"


def test_a_record_that_comes_twice_is_kept_once_with_what_is_known_by_then(tmp_path: Path) -> None:
    with opened(tmp_path) as store, HistoryReader(tmp_path) as reader:
        store.commit([settled(1)], [settled(1, RunState.SUCCEEDED, finished_us=8)], [], "1-0", 1)
        store.commit([settled(1), settled(1)], [], [], "2-0", 1)
        assert reader.runs("nightly", count=5) == [settled(1, RunState.SUCCEEDED, finished_us=8)]
        assert store.rows == 1


def test_a_commit_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    with opened(tmp_path) as store, HistoryReader(tmp_path) as reader:
        with pytest.raises(sqlite3.Error):
            store.commit([settled(1), settled(2, entry=None)], [], [], "1-0", 1)  # type: ignore[arg-type]
        assert reader.runs("nightly", count=5) == []
        assert store.place() == ""


def test_each_entry_keeps_its_latest_runs(tmp_path: Path) -> None:
    with opened(tmp_path, Retention(per_entry=10)) as store, HistoryReader(tmp_path) as reader:
        store.commit([settled(number) for number in range(30)], [], [], "", 1)
        store.commit([settled(number, entry="rare") for number in range(5)], [], [], "", 1)
        assert prune(store, 1) == [20]
        assert [one.occurrence_us for one in reader.runs("nightly", count=99)] == list(range(29, 19, -1))
        assert len(reader.runs("rare", count=99)) == 5
        assert store.rows == 15


def test_an_entry_that_outgrew_its_share_is_pruned_after_a_restart_too(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.commit([settled(number) for number in range(30)], [], [], "", 1)
    with opened(tmp_path, Retention(per_entry=10)) as store:
        assert prune(store, 1) == [20]


def test_what_is_too_old_is_removed(tmp_path: Path) -> None:
    with opened(tmp_path, Retention(age_us=100)) as store, HistoryReader(tmp_path) as reader:
        store.commit([settled(number) for number in range(30)], [], [(1, 2)], "", 1)
        assert prune(store, 120) == [20]
        assert len(reader.runs("nightly", count=99)) == 10
        assert reader.knowledge("nightly", 5).gaps == ()


def test_a_hundred_thousand_rows_are_pruned_in_steps(tmp_path: Path) -> None:
    with opened(tmp_path, Retention(rows=2_500)) as store, HistoryReader(tmp_path) as reader:
        for start in range(0, 100_000, 10_000):
            some = [settled(number, entry=f"e{number % 500}") for number in range(start, start + 10_000)]
            store.commit(some, [], [], "", 1)
        assert store.rows == 100_000
        steps = prune(store, 1)
        assert max(steps) == PRUNE_ROWS
        assert sum(steps) == 97_500
        assert store.rows == 2_500
        assert reader.runs("e0", count=1)[0].occurrence_us == 99_500


def test_an_open_store_gives_what_a_daemon_begins_with(tmp_path: Path) -> None:
    runs = [settled(number, RunState.SUCCEEDED if number == 3 else RunState.LOST) for number in range(1, 30)]
    with opened(tmp_path) as store:
        store.commit([*runs, settled(30), settled(31, RunState.STARTED, "other")], [], [], "7-1", 1)
    with opened(tmp_path) as store:
        assert [one.occurrence_us for one in store.latest(2)] == [3, 29, 30, 31]
        assert [one.occurrence_us for one in store.open_runs(99)] == [30, 31]
        assert [one.occurrence_us for one in store.open_runs(1)] == [31]
        assert store.place() == "7-1"
        assert store.seen_us() == 31


def test_a_reader_finds_states_neighbours_and_what_cannot_be_known(tmp_path: Path) -> None:
    with opened(tmp_path, now_us=5) as store, HistoryReader(tmp_path) as reader:
        states = (RunState.SUCCEEDED, RunState.FAILED, RunState.LOST)
        store.commit([settled(number, states[number % 3]) for number in range(10, 22)], [], [(8, 9)], "", 40)
        found = reader.runs("nightly", count=3, states=[RunState.FAILED, RunState.LOST])
        assert [one.occurrence_us for one in found] == [20, 19, 17]
        assert [one.occurrence_us for one in reader.around("nightly", 15)] == [13, 14, 15, 16, 17, 18]
        known = reader.knowledge("nightly", 15)
        assert (known.first_us, known.entry_us, known.watches, known.gaps) == (10, 10, ((5, 40),), ((8, 9),))
        assert reader.last(["nightly", "nobody"]) == {"nightly": settled(21, RunState.SUCCEEDED)}


def test_a_history_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HistoryFailed, match="no daemon has kept a history here") as caught:
        HistoryReader(tmp_path)
    assert caught.value.hint


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(HistoryFailed, match="schema 9"):
        HistoryStore(tmp_path, Retention(), 1)
    assert (tmp_path / FILE).exists()


def test_a_damaged_file_is_told_from_one_that_is_busy_and_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x" * 5000)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        HistoryStore(tmp_path, Retention(), 1)
    assert is_damaged(caught.value)
    assert not is_damaged(sqlite3.OperationalError("database is locked"))
    aside = put_aside(tmp_path, 77)
    assert aside.name == f"{FILE}.damaged-77"
    assert aside.read_bytes() == b"x" * 5000


# -- repeats -----------------------------------------------------------------------------------------------------------


def test_a_run_that_was_enqueued_before_is_given_with_when_that_was_and_kept_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.commit([settled(1), settled(2)], [], [], "2-0", 2) == []
        again = settled(2)._replace(settled_us=9)
        assert store.commit([again, settled(3)], [], [], "9-0", 9) == [(again, 2)]
        assert store.rows == 3


def test_the_same_record_read_twice_is_no_repeat(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.commit([settled(number) for number in range(1200)], [], [], "", 1)
        assert store.commit([settled(number) for number in range(1200)], [], [], "", 1) == []


def test_occurrences_that_were_passed_over_are_never_repeats(tmp_path: Path) -> None:
    skipped = settled(1, RunState.SKIPPED)._replace(task_id="")
    with opened(tmp_path) as store:
        store.commit([skipped], [], [], "", 1)
        assert store.commit([skipped._replace(settled_us=7)], [], [], "", 7) == []
