"""Sets that are frozen: kept for a time, carried out once, and an admin's from a size on."""

from __future__ import annotations

import pytest

from daemon.desks import NotThere
from daemon.scheduler.desk.plans import KEPT_US, PLANS_LIMIT, Frozen, Plans, shown


def test_a_set_is_taken_once() -> None:
    plans = Plans()
    plans.keep("t", Frozen("pause", ("a",), 0))
    assert plans.look("t", 1).ids == ("a",)
    assert plans.take("t", 1).ids == ("a",)
    with pytest.raises(NotThere):
        plans.take("t", 1)


def test_a_set_grows_old() -> None:
    plans = Plans()
    plans.keep("t", Frozen("pause", ("a",), 0))
    assert plans.look("t", KEPT_US).count == 1
    with pytest.raises(NotThere):
        plans.look("t", KEPT_US + 1)


def test_of_too_many_sets_the_oldest_go() -> None:
    plans = Plans()
    for number in range(PLANS_LIMIT + 1):
        plans.keep(str(number), Frozen("pause", (), 0))
    with pytest.raises(NotThere):
        plans.look("0", 0)
    assert plans.look("1", 0).count == 0


@pytest.mark.parametrize(
    ("frozen", "role"),
    [
        (Frozen("pause", ("e",) * 20, 0), "operator"),
        (Frozen("pause", ("e",) * 21, 0), "admin"),
        (Frozen("backfill", ("e",), 0, (1,) * 100), "operator"),
        (Frozen("backfill", ("e",), 0, (1,) * 101), "admin"),
    ],
)
def test_many_at_once_take_an_admin(frozen: Frozen, role: str) -> None:
    plan = shown("t", frozen, frozen.ids)
    assert plan.needs_role == role
    assert plan.count == frozen.count
    assert len(plan.sample) <= 20
