"""Days of storm on a loop whose time is a number: no occurrence is lost, and none is enqueued twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from daemon.ports import Order, Settled, Settlement
from daemon.scheduler.model import CatchUpPolicy
from tests.support.broker_model import Link, Pushed
from tests.support.simulation import STORM, Outcome, Weather, simulate

FAILED_ONCE: tuple[int, ...] = ()
"""Seeds that once found something; they are kept."""

SEEDS = (1, 2, *FAILED_ONCE)
ALL, ONE, SKIP = CatchUpPolicy.ALL, CatchUpPolicy.ONE, CatchUpPolicy.SKIP


def _say(seed: int, outcome: Outcome) -> None:
    counts = f"{sum(outcome.pushed.values())} pushed, {outcome.kills} kills, {outcome.outages} outages"
    sys.stdout.write(f"seed={seed}: {counts}, {outcome.failovers} fail-overs\n")


def _is_sound(outcome: Outcome) -> bool:
    return not (outcome.missing(ALL) or outcome.repeated or outcome.strangers)


@pytest.mark.parametrize("seed", SEEDS)
def test_through_kills_losses_outages_and_wrong_clocks_each_occurrence_is_enqueued_once(seed: int) -> None:
    outcome = simulate(seed, days=2, weather=STORM)
    _say(seed, outcome)
    assert min(outcome.kills, outcome.outages) > 5
    assert outcome.missing(ALL) == []
    assert outcome.repeated == []
    assert outcome.strangers == []
    of_one = [entry for entry in outcome.entries if entry.catch_up.policy is ONE]
    assert of_one
    for entry in of_one:
        # What may be passed over is passed over for a later one; the last of all has none.
        assert outcome.due[entry.name][-1] in outcome.pushed


@pytest.mark.parametrize("seed", SEEDS)
def test_through_failovers_that_lose_writes_each_occurrence_is_enqueued_once(seed: int) -> None:
    outcome = simulate(seed, days=1, weather=replace(STORM, failover_every_s=900.0, kills=0.002))
    _say(seed, outcome)
    assert outcome.failovers > 20
    assert outcome.missing(ALL) == []
    assert outcome.repeated == []


@pytest.mark.parametrize("seed", SEEDS)
def test_without_kills_nothing_is_passed_over_without_being_told(seed: int) -> None:
    weather = Weather(lost_requests=0.05, lost_replies=0.05, outage_every_s=3600.0)
    outcome = simulate(seed, days=1, weather=weather, daemons=2)
    _say(seed, outcome)
    passed_over = [*outcome.missing(ONE), *outcome.missing(SKIP)]
    assert passed_over
    assert [one for one in passed_over if one not in outcome.told_skipped] == []
    assert _is_sound(outcome)


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = (simulate(7, days=0.1, weather=STORM) for _ in range(2))
    assert len(first.log) > 100
    assert list(map(repr, first.log)) == list(map(repr, second.log))


# -- planted bugs, which the same simulation must find -----------------------------------------------------------------


class _SplitClaim(Link):
    """Advances the ledger in one call and pushes in a second."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        settlements = await super().dispatch([Order(order.ticket, None) for order in orders])
        await self.hook("between")
        for order, settlement in zip(orders, settlements, strict=True):
            if settlement.outcome is Settled.ENQUEUED:
                _push(self, order)
        return settlements


class _UnguardedPush(Link):
    """Pushes again whatever got no answer."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        settlements = await super().dispatch(orders)
        for order, settlement in zip(orders, settlements, strict=True):
            if settlement.outcome is Settled.UNAVAILABLE:
                _push(self, order)
        return settlements


class _AdvanceOnTimeOut(Link):
    """Takes an order without an answer for done."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        settlements = await super().dispatch(orders)
        for place, settlement in enumerate(settlements):
            if settlement.outcome is Settled.UNAVAILABLE:
                ticket = orders[place].ticket
                self.broker.ledgers.setdefault(ticket.ledger, {})[ticket.field] = ticket.advance_to
                settlements[place] = Settlement(Settled.ENQUEUED)
        return settlements


class _NoComparison(Link):
    """Pushes whatever the ledger holds."""

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        return [
            settlement for order in orders for settlement in super(_NoComparison, self).carry_out([self._bent(order)])
        ]

    def _bent(self, order: Order) -> Order:
        found = self.broker.ledgers.get(order.ticket.ledger, {}).get(order.ticket.field)
        is_done = found == order.ticket.advance_to
        return order if is_done else Order(order.ticket._replace(expect=found), order.item)


def _push(link: Link, order: Order) -> None:
    if order.item is not None:
        now_us = link.broker.clock.now_us()
        link.broker.queues.setdefault(str(order.item.queue), []).append(
            Pushed(order.item.task_id, order.item.task, now_us)
        )


@pytest.mark.parametrize("broken", [_SplitClaim, _UnguardedPush, _AdvanceOnTimeOut, _NoComparison])
def test_a_planted_bug_is_found(broken: type[Link]) -> None:
    for seed in range(1, 4):
        outcome = simulate(seed, days=0.5, weather=STORM, make_link=broken)
        if not _is_sound(outcome):
            return
    message = "the simulation sees nothing wrong"
    raise AssertionError(message)
