"""How often somebody may ask and be wrong; tables stay small whoever comes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.access.bounds import (
    ALL_FAILURES,
    FAILURES_FREE,
    FIRST_WAIT_S,
    FORGET_S,
    LONGEST_WAIT_S,
    Buckets,
    Lockout,
    net_of,
)


@pytest.mark.parametrize(
    ("address", "net"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_whoever_has_one_address_of_an_ipv6_network_has_them_all(address: str, net: str) -> None:
    assert net_of(address) == net


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    buckets = Buckets(2.0, 3.0)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.5) == 0.0
    assert buckets.take("a", 0.5) > 0.0


@given(st.lists(st.floats(0, 3, allow_nan=False), max_size=200))
def test_no_more_is_taken_than_burst_and_rate_allow(pauses: list[float]) -> None:
    buckets, now_s, taken = Buckets(5.0, 4.0), 0.0, 0
    for pause in pauses:
        now_s += pause
        taken += buckets.take("a", now_s) == 0.0
        assert taken <= 4.0 + now_s * 5.0 + 1e-6


def test_many_who_come_once_are_not_all_remembered() -> None:
    buckets, lockout = Buckets(1.0, 1.0, limit=10), Lockout(limit=10)
    for number in range(1000):
        buckets.take(number, 0.0)
        lockout.failed(f"10.0.{number // 250}.{number % 250}", 0.0)
    assert (len(buckets), len(lockout)) == (10, 10)


def test_wrong_tokens_cost_waits_that_grow_and_end() -> None:
    lockout, now_s, waits = Lockout(), 0.0, []
    for _ in range(FAILURES_FREE + 10):
        lockout.failed("a", now_s)
        waits.append(lockout.wait_s("a", now_s))
        now_s += waits[-1]
    free, rest = waits[: FAILURES_FREE - 1], waits[FAILURES_FREE - 1 :]
    assert free == [0.0] * (FAILURES_FREE - 1)
    assert rest[0] == FIRST_WAIT_S
    assert all(after == pytest.approx(min(before * 2, LONGEST_WAIT_S)) for before, after in pairwise(rest))
    assert lockout.wait_s("b", now_s) == 0.0
    now_s += FORGET_S + 1
    lockout.failed("a", now_s)
    assert lockout.wait_s("a", now_s) == 0.0


def test_a_right_token_clears_what_was_wrong() -> None:
    lockout = Lockout()
    for _ in range(FAILURES_FREE):
        lockout.failed("a", 0.0)
    assert lockout.wait_s("a", 0.0) > 0
    lockout.succeeded("a")
    assert lockout.wait_s("a", 0.0) == 0


def test_when_strangers_flood_from_everywhere_who_is_known_may_still_sign_in() -> None:
    lockout = Lockout()
    lockout.succeeded("192.0.2.1")
    for number in range(ALL_FAILURES):
        lockout.failed(f"10.0.0.{number}", 0.0)
    assert lockout.wait_s("192.0.2.1", 0.0) == 0
    assert lockout.wait_s("192.0.2.2", 0.0) > 0
    assert lockout.wait_s("192.0.2.2", LONGEST_WAIT_S) == 0
