"""Results that arrive twice, late and in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.results import READY_STATES, TaskMeta
from shim.results.order import supersedes

metas = st.builds(
    TaskMeta, st.just("id"), st.sampled_from(["STARTED", "PROGRESS", "RETRY", *sorted(READY_STATES)]), st.integers()
)


def meta(state: str) -> TaskMeta:
    return TaskMeta("id", state, None)


@pytest.mark.parametrize("is_stale", [False, True])
def test_anything_supersedes_nothing(is_stale: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert supersedes(None, meta("STARTED"), is_stale=is_stale)


def test_what_was_read_before_the_known_one_was_published_does_not_take_its_place() -> None:
    assert supersedes(meta("STARTED"), meta("PROGRESS"), is_stale=False)
    assert not supersedes(meta("PROGRESS"), meta("STARTED"), is_stale=True)


def test_a_final_state_takes_its_place_even_if_it_was_read_before() -> None:
    assert supersedes(meta("PROGRESS"), meta("SUCCESS"), is_stale=True)


@given(st.lists(st.tuples(metas, st.booleans()), min_size=1))
def test_the_first_final_state_stays(found: list[tuple[TaskMeta, bool]]) -> None:
    known: TaskMeta | None = None
    for one, is_stale in found:
        if supersedes(known, one, is_stale=is_stale):
            known = one
    finals = [one for one, _ in found if one.is_ready]
    assert known is not None
    assert known == finals[0] if finals else not known.is_ready
