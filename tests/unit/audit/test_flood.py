"""A flood of refusals is counted, and not one is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.audit.flood import ADDRESSES, ALTOGETHER, EACH_ADDRESS, WINDOW_S, Flood
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.public import Public


def refused(address: str = "10.1.2.3", reason: str = "not-tls") -> Deed:
    return Deed(
        DeedKind.NODE_REFUSED, Public(""), Public("adt"), Outcome.REFUSED, Public(reason), address=Public(address)
    )


def test_the_first_of_an_address_are_recorded_and_the_others_counted() -> None:
    flood = Flood()
    passed = [deed for number in range(100) for deed in flood.take(refused(), 1000 + number / 10)]
    assert passed == [refused()] * EACH_ADDRESS
    [summary] = flood.due(1000 + WINDOW_S)
    assert (summary.address, summary.reason, summary.count) == ("10.1.2.3", "not-tls", 95)
    assert flood.due(1000 + WINDOW_S) == []


def test_what_is_held_comes_with_the_next_window() -> None:
    flood = Flood()
    for _ in range(EACH_ADDRESS + 2):
        flood.take(refused(), 1000.0)
    assert [deed.count for deed in flood.take(refused(), 1000.0 + WINDOW_S)] == [2, 1]


def test_each_reason_is_counted_by_itself() -> None:
    flood = Flood()
    for number in range(20):
        flood.take(refused(reason="not-tls" if number % 2 else "http-on-tls"), 1000.0)
    assert sorted((deed.reason, deed.count) for deed in flood.due(0, at_once=True)) == [
        ("http-on-tls", 7),
        ("not-tls", 8),
    ]


def test_one_ipv6_network_is_one_sender() -> None:
    flood = Flood()
    passed = [deed for number in range(50) for deed in flood.take(refused(f"2001:db8::{number:x}"), 1000.0)]
    assert len(passed) == EACH_ADDRESS
    [summary] = flood.due(0, at_once=True)
    assert (summary.address, summary.count) == ("2001:db8::/64", 45)


def test_what_was_done_and_not_refused_is_never_held() -> None:
    flood = Flood()
    deed = Deed(DeedKind.FEED_PAUSED, Public("root"), Public("adt"))
    assert [flood.take(deed, 1000.0) for _ in range(500)] == [[deed]] * 500


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 500)), max_size=400).map(
        lambda raw: sorted(raw, key=lambda one: one[1])
    )
)
def test_every_refusal_is_told_of_once_and_the_memory_is_bounded(events: list[tuple[int, float]]) -> None:
    flood = Flood()
    told = []
    for address, at_s in events:
        told += flood.take(refused(f"10.0.{address // 256}.{address % 256}"), 1000 + at_s)
        assert len(flood._by_address) <= ADDRESSES + 1
    told += flood.due(0, at_once=True)
    assert sum(deed.count for deed in told) == len(events)


def test_a_flood_from_everywhere_is_bounded_too() -> None:
    flood = Flood()
    passed = 0
    for number in range(20_000):
        passed += len(flood.take(refused(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"), 1000.0))
    assert passed == ALTOGETHER
    summaries = flood.due(0, at_once=True)
    assert len(summaries) <= ADDRESSES + 1
    assert sum(deed.count for deed in summaries) == 20_000 - ALTOGETHER
