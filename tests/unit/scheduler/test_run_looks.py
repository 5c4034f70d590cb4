"""When runs are looked at again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.scheduler.runs.looks import Looks, pause_s

PLANS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20) | st.none()), max_size=60)


@given(PLANS, st.integers(0, 20))
def test_what_is_due_is_taken_once_and_in_order(plans: list[tuple[str, int | None]], now: int) -> None:
    looks, model = Looks(), dict[str, int]()
    for name, at in plans:
        if at is None:
            looks.drop(name)
            model.pop(name, None)
        else:
            looks.plan(name, at)
            model[name] = at
    assert looks.first_s() == min(model.values(), default=None)
    due = sorted((at, name) for name, at in model.items() if at <= now)
    assert looks.take(now, 100) == [name for _, name in due]
    assert len(looks) == len(model) - len(due)
    assert looks.take(now, 100) == []


def test_planning_one_run_over_and_over_takes_no_room() -> None:
    looks = Looks()
    for at in range(10_000):
        looks.plan("a", at)
    assert len(looks._heap) < 200
    assert looks.take(10_000, 5) == ["a"]


def test_no_more_is_taken_than_asked_for() -> None:
    looks = Looks()
    for number in range(10):
        looks.plan(str(number), number)
    assert looks.take(99, 3) == ["0", "1", "2"]
    assert len(looks) == 7


def test_old_runs_are_looked_at_more_seldom() -> None:
    assert [pause_s(age) for age in (0, 1, 4, 40, 240, 90_000)] == [0.5, 0.5, 1.0, 10.0, 60.0, 60.0]
