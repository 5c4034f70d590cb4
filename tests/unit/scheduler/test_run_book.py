"""The recent runs of each entry."""

from __future__ import annotations

from daemon.scheduler.run import Run, RunState
from daemon.scheduler.runs.book import RECENT_LIMIT, RUNNING_LIMIT, RunBook

S = RunState


def run(number: int, state: RunState = S.ENQUEUED, entry: str = "e") -> Run:
    return Run(entry, entry, number, state, settled_us=number + 1, task_id=f"{entry}{number}")


def booked(*runs: Run) -> RunBook:
    book = RunBook()
    for one in runs:
        book.take(one)
    return book


def test_nothing_is_known_of_an_unknown_entry() -> None:
    book = RunBook()
    assert book.of("e") is None
    assert book.last_success_us("e") is None
    assert book.last_run_us("e") is None
    assert book.running("e") == ()


def test_the_latest_of_each_kind_is_known() -> None:
    book = booked(run(1, S.SUCCEEDED), run(2, S.FAILED), run(3), run(4, S.SKIPPED))
    known = book.of("e")
    assert known is not None
    assert book.last_success_us("e") == 1
    assert book.last_run_us("e") == 3
    assert known.last_failure == run(2, S.FAILED)
    assert [one.occurrence_us for one in known.runs()] == [4, 3, 2, 1]
    assert book.running("e") == (run(3),)


def test_an_earlier_success_that_is_heard_of_late_is_not_the_last() -> None:
    book = booked(run(1), run(2), run(2, S.SUCCEEDED), run(1, S.SUCCEEDED))
    assert book.last_success_us("e") == 2


def test_what_was_passed_over_is_neither_success_nor_failure() -> None:
    book = booked(run(1, S.FAILED), run(2, S.SKIPPED))
    known = book.of("e")
    assert known is not None
    assert (known.last_success, known.last_failure) == (None, run(1, S.FAILED))
    assert book.last_run_us("e") == 1


def test_an_old_record_read_again_changes_nothing() -> None:
    book = booked(run(1), run(1, S.SUCCEEDED))
    told: list[Run] = []
    book.on_change(lambda now, _: told.append(now))
    book.take(run(1))
    assert told == []
    assert book.running("e") == ()
    assert book.last_success_us("e") == 1


def test_changes_are_told_with_what_was_before() -> None:
    book = RunBook()
    told: list[tuple[Run, Run | None]] = []
    book.on_change(lambda now, before: told.append((now, before)))
    for one in (run(1), run(1), run(1, S.STARTED), run(1, S.SUCCEEDED)):
        book.take(one)
    assert told == [(run(1), None), (run(1, S.STARTED), run(1)), (run(1, S.SUCCEEDED), run(1, S.STARTED))]


def test_what_is_remembered_from_before_is_told_to_nobody() -> None:
    book = RunBook()
    told: list[Run] = []
    book.on_change(lambda now, _: told.append(now))
    book.remember([run(1, S.SUCCEEDED), run(2)])
    assert told == []
    assert book.last_success_us("e") == 1
    assert book.known(run(2)) == run(2)


def test_a_book_is_bounded() -> None:
    book = RunBook(entries_limit=3)
    for number in range(500):
        book.take(run(number))
    known = book.of("e")
    assert known is not None
    assert len(known.recent) == RECENT_LIMIT
    assert len(book.running("e")) == RUNNING_LIMIT
    for entry in "abc":
        book.take(run(1, entry=entry))
    assert book.of("e") is None
    assert book.of("a") is not None
