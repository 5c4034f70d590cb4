"""A site that changes while it runs, in a storm: ledger, queues and history agree, and no limit is ever passed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from daemon.ports import Order, Settled, Settlement
from daemon.scheduler import loop
from tests.support.audit import faults, unfinished
from tests.support.broker_model import Link, Pushed
from tests.support.simulation import STORM, Weather
from tests.support.site_simulation import Bustle, Weeks, simulate_site

FAILED_ONCE: tuple[int, ...] = ()
"""Seeds that once found something; they are kept."""

SEEDS = (1, 6, *FAILED_ONCE)
BUSY = Bustle(change_every_s=900.0, job_every_s=900.0, hold_every_s=1800.0)
FRANTIC = Bustle(change_every_s=300.0, job_every_s=300.0, hold_every_s=900.0)


def _say(seed: int, weeks: Weeks) -> None:
    counts = f"{len(weeks.broker.ids)} pushed, {weeks.runs} runs let go, {weeks.kills} kills, {weeks.changes} changes"
    sys.stdout.write(f"seed={seed}: {counts}, {len(weeks.jobs)} jobs, {weeks.failovers} fail-overs\n")


def _faults(weeks: Weeks) -> list[str]:
    jobs = Counter(weeks.broker.ids)
    lost = [f"{job} was pushed {jobs[job]} times" for job in weeks.jobs if jobs[job] != 1]
    return lost + faults(weeks.site, weeks.broker) + unfinished(weeks.broker, weeks.current.values(), weeks.end_us)


@pytest.mark.parametrize("seed", SEEDS)
def test_through_changes_kills_losses_and_holds_all_that_was_due_is_accounted_for_once(seed: int) -> None:
    weeks = simulate_site(seed, days=0.14, weather=STORM, bustle=BUSY)
    _say(seed, weeks)
    assert min(weeks.kills, weeks.changes, len(weeks.jobs), len(weeks.site.holds)) > 2
    assert _faults(weeks) == []


def test_through_failovers_that_lose_writes_what_is_left_agrees() -> None:
    weeks = simulate_site(3, days=0.14, weather=replace(STORM, failover_every_s=600.0, kills=0.002), bustle=BUSY)
    _say(3, weeks)
    assert weeks.failovers > 5
    assert _faults(weeks) == []


def test_two_months_of_two_daemons_agree_to_the_last_occurrence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LOOK_AGAIN_S", 3600.0)
    monkeypatch.setattr(loop, "READ_AGAIN_S", 7200.0)
    weather = Weather(kills=0.0005, lost_requests=0.001, lost_replies=0.001, outage_every_s=3 * 86_400.0)
    calm = Bustle(change_every_s=43_200.0, job_every_s=43_200.0, hold_every_s=5 * 86_400.0)
    weeks = simulate_site(2, days=60, weather=weather, bustle=calm, daemons=2, pace=40)
    _say(2, weeks)
    assert _faults(weeks) == []
    assert len(weeks.broker.ids) > 3000


# -- planted bugs, which the same audit must find ------------------------------------------------------------------------


class _SplitClaim(Link):
    """Advances the ledger in one call and pushes in a second."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        settlements = await super().dispatch([order._replace(item=None) for order in orders])
        await self.hook("between")
        for order, settlement in zip(orders, settlements, strict=True):
            if settlement.outcome is Settled.ENQUEUED and order.item is not None:
                queue = self.broker.queues.setdefault(str(order.item.queue), [])
                queue.append(Pushed(order.item.task_id, order.item.task, self.broker.clock.now_us()))
        return settlements


class _NoPlaceTaken(Link):
    """Asks whether a place is free, and does not take it."""

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        settlements = super().carry_out(orders)
        for order, settlement in zip(orders, settlements, strict=True):
            if settlement.outcome is Settled.ENQUEUED and order.gate is not None:
                self.broker.gates.running.setdefault(order.gate.holder, [])
                for slot in order.gate.slots:
                    self.broker.gates.slots[slot.scope].pop(order.gate.holder)
        return settlements


class _LetsGoOfAnothers(Link):
    """Lets go of the places of whoever holds one longest."""

    async def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        first = next(iter(self.broker.gates.running), "")
        return await super().release([first, *task_ids])


class _RecordWithoutPush(Link):
    """Writes into the history what it then does not enqueue."""

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        for order in orders:
            self.broker.gates.take(None, order.record, self.broker.clock.now_us())
        return super().carry_out([order._replace(record=None) for order in orders])


class _PushWithoutRecord(Link):
    """Enqueues what the history does not hear of, when a reply is lost."""

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        last = [orders[-1]._replace(record=None)] if len(orders) > 1 else list(orders[-1:])
        return super().carry_out([*orders[:-1], *last])


class _ForgetsRates(Link):
    """Counts no rate once there are two orders at once."""

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        bent = [o if o.gate is None else o._replace(gate=o.gate._replace(rates=())) for o in orders]
        return super().carry_out(bent)


class _HeedsNoHold(Link):
    """Pushes although all schedules are held."""

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        bent = [o if o.gate is None else o._replace(gate=o.gate._replace(heeds_hold=False)) for o in orders]
        return super().carry_out(bent)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (_SplitClaim, "recorded 1 times"),
        (_NoPlaceTaken, "beside"),
        (_LetsGoOfAnothers, "beside"),
        (_RecordWithoutPush, "recorded"),
        (_PushWithoutRecord, "in no record"),
        (_ForgetsRates, "too soon"),
        (_HeedsNoHold, "were held"),
    ],
)
def test_a_planted_bug_is_found(broken: type[Link], word: str) -> None:
    for seed in range(1, 4):
        weeks = simulate_site(seed, days=0.06, weather=STORM, bustle=FRANTIC, make_link=broken)
        if any(word in fault for fault in faults(weeks.site, weeks.broker)):
            return
    message = "the audit sees nothing wrong"
    raise AssertionError(message)
