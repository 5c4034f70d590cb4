"""A pool holds what was put in and not taken out, each thing once, and never more than its limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.sender.hospital.chance import seeded
from daemon.sender.hospital.pool import Pool


@given(st.lists(st.tuples(st.sampled_from(("add", "remove", "take")), st.integers(0, 12)), max_size=80))
def test_a_pool_is_a_bounded_set_to_pick_from(steps: list[tuple[str, int]]) -> None:
    chance = seeded(1)
    pool: Pool[int] = Pool(5)
    inside: set[int] = set()
    for what, thing in steps:
        if what == "add":
            pushed = pool.add(thing)
            assert pushed is None or pushed in inside
            inside = (inside - {pushed}) | {thing}
        elif what == "remove":
            pool.remove(thing)
            inside.discard(thing)
        elif inside:
            inside.remove(pool.take(chance))
        assert len(pool) == len(inside) <= 5
        assert all(one in pool for one in inside)
        assert not inside or pool.pick(chance) in inside
