"""Where a feed goes on after the broker's mark and our note were compared."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.hl7listener.lanes.agreement import Agreement, Foreign, agree, parse_mark

SEQ = st.integers(1, 50)


@pytest.mark.parametrize(
    ("mark", "cursor", "pushed", "newest", "repeat_from", "expected"),
    [
        (None, 0, None, None, 0, Agreement(0)),  # nothing was ever stored
        (None, 0, None, 3, 0, Agreement(0)),  # stored, not pushed yet
        (3, 0, None, 3, 0, Agreement(3)),  # pushed by a process that died before it took note
        (3, 3, 3, 9, 0, Agreement(3)),  # all is well
        (7, 3, 3, 9, 0, Agreement(7)),  # some of it was noted
        (2, 5, 5, 9, 0, Agreement(2, suspect_until=5)),  # the broker lost its last writes
        (None, 5, 5, 9, 0, Agreement(0, suspect_until=5)),  # the broker lost everything
        (None, 5, 5, 9, 4, Agreement(4, suspect_until=5)),  # and most of it is too old to be repeated
        (None, 5, 5, 9, 5, Agreement(5)),  # and all of it is
        (2, 9, 3, 3, 0, Agreement(2, suspect_until=3)),  # an earlier epoch than that of the cursor
        (5, 5, 3, 3, 0, Agreement(5)),  # the spool lost what was handed on
    ],
)
def test_the_cursor_goes_where_both_agree(
    mark: int | None, cursor: int, pushed: int | None, newest: int | None, repeat_from: int, expected: Agreement
) -> None:
    assert agree(mark, cursor=cursor, pushed=pushed, newest=newest, repeat_from=repeat_from) == expected


@pytest.mark.parametrize("newest", [None, 3])
def test_a_mark_ahead_of_everything_stored_is_foreign(newest: int | None) -> None:
    found = agree(4, cursor=3, pushed=3, newest=newest, repeat_from=0)
    assert isinstance(found, Foreign)
    assert (found.code, found.what) == ("mark-ahead-of-spool", "the broker's mark 4 is ahead of everything stored")


@given(mark=st.none() | SEQ, pushed=SEQ, more=st.integers(0, 9), repeat_from=st.integers(0, 50))
def test_nothing_between_the_mark_and_the_note_is_passed_over_unless_too_old(
    mark: int | None, pushed: int, more: int, repeat_from: int
) -> None:
    newest = pushed + more
    assume(mark is None or mark <= newest)
    found = agree(mark, cursor=pushed, pushed=pushed, newest=newest, repeat_from=repeat_from)
    assert isinstance(found, Agreement)
    lost_after = mark if mark is not None else repeat_from
    assert found.cursor == lost_after if lost_after < pushed else found.cursor >= pushed
    assert found.suspect_until == (pushed if lost_after < pushed else None)


@pytest.mark.parametrize(("text", "mark"), [(None, None), ("0", 0), ("12", 12), ("9" * 19, 10**19 - 1)])
def test_a_mark_is_a_number_or_nothing(text: str | None, mark: int | None) -> None:
    assert parse_mark(text) == mark


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "1" * 20, "\u0661"])
def test_anything_else_is_foreign(text: str) -> None:
    assert isinstance(parse_mark(text), Foreign)
