"""Many time limits over one timer."""

from __future__ import annotations

import anyio
import pytest

from shim.results.deadlines import Deadlines
from shim.results.seat import Seat

pytestmark = pytest.mark.anyio

LONG_S = 3600.0


def seats(deadlines: Deadlines, *limits_s: float) -> list[Seat]:
    found = [Seat((f"channel-{number}",), only_last=True, has_limit=True) for number in range(len(limits_s))]
    for seat, limit_s in zip(found, limits_s, strict=True):
        deadlines.add(seat, limit_s)
    return found


async def test_each_seat_ends_when_its_own_time_is_up_whatever_the_order() -> None:
    deadlines = Deadlines()
    first, second, third, last = seats(deadlines, LONG_S, 0.02, 0.01, LONG_S)
    with anyio.fail_after(20):
        await third.arrival()
        await second.arrival()
    assert (third.fetch(), second.fetch()) == ([], [])
    assert (third.has_limit, second.has_limit) == (False, False)
    assert not first.arrival().done()
    assert not last.arrival().done()
    deadlines.clear()


async def test_a_limit_of_nothing_ends_at_once() -> None:
    deadlines = Deadlines()
    [seat] = seats(deadlines, 0)
    with anyio.fail_after(20):
        await seat.arrival()
    assert deadlines._timer is None


async def test_those_who_have_left_do_not_pile_up() -> None:
    deadlines = Deadlines()
    [stays] = seats(deadlines, LONG_S)
    for seat in (seat for _ in range(50) for seat in seats(deadlines, *[LONG_S] * 100)):
        seat.has_left = True
        deadlines.leave()
    assert len(deadlines._due) < 500
    assert stays in [seat for _, _, seat in deadlines._due]
    deadlines.clear()
    assert deadlines._timer is None


async def test_a_timer_is_set_for_whoever_is_left() -> None:
    deadlines = Deadlines()
    gone = seats(deadlines, *[0.01] * 300)
    [stays] = seats(deadlines, 0.05)
    for seat in gone:
        seat.has_left = True
        deadlines.leave()
    with anyio.fail_after(20):
        await stays.arrival()
    assert deadlines._due == []
    assert deadlines._left == 0
