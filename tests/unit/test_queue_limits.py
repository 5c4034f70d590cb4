"""Limits of queues, added to what an order must be allowed by."""

from __future__ import annotations

from daemon.dispatch.gating import with_queues
from daemon.ports import Gate, RateCap, Slot
from daemon.scheduler.model import STALE_US, Limit, Rate

OWN = Slot("overlap:e", 1, 5)
LIMITS = {"llm": Limit(2, Rate(3, 60)), "batch": Limit(4), "free": Limit()}


def test_limits_of_the_queues_an_order_goes_to_are_added_to_its_own() -> None:
    gate = with_queues(Gate("id", (OWN,)), ("llm", "batch", "llm", "elsewhere", "free"), LIMITS)
    assert gate.slots == (OWN, Slot("queue:batch", 4, STALE_US), Slot("queue:llm", 2, STALE_US))
    assert gate.rates == (RateCap("queue:llm", 3, 60),)
    assert gate.holder == "id"


def test_what_has_no_end_takes_no_place_and_counts_for_the_rate() -> None:
    gate = with_queues(Gate("id"), ("llm",), LIMITS, has_end=False)
    assert (gate.slots, gate.rates) == ((), (RateCap("queue:llm", 3, 60),))


def test_an_order_to_queues_without_limits_is_left_as_it_is() -> None:
    gate = Gate("id", (OWN,), heeds_hold=False)
    assert with_queues(gate, ("celery",), LIMITS) == gate
