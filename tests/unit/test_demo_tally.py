"""When the demo's numbers add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.demo.tally import Tally

DONE = Tally(sent=10, acked=10, spooled=10, fires=4, succeeded=14)


def test_what_was_sent_stored_and_done_once_adds_up() -> None:
    assert DONE.adds_up
    assert DONE.lost == 0


@pytest.mark.parametrize(
    "change",
    [{"acked": 9}, {"spooled": 9}, {"succeeded": 13}, {"succeeded": 15}, {"failed": 1}],
    ids=lambda change: next(iter(change)) + str(next(iter(change.values()))),
)
def test_what_is_missing_doubled_or_failed_does_not_add_up(change: dict[str, int]) -> None:
    assert not replace(DONE, **change).adds_up


def test_tasks_that_a_guest_sent_by_hand_are_no_doubles() -> None:
    assert replace(DONE, succeeded=15, failed=1, by_hand=2).adds_up
    assert replace(DONE, spooled=11, succeeded=15, by_hand=1).adds_up


def test_what_is_missing_does_not_add_up_whatever_guests_do() -> None:
    assert not replace(DONE, succeeded=13, by_hand=2).adds_up
    assert not replace(DONE, spooled=9, by_hand=2).adds_up
