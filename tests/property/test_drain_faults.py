"""A feed under any sequence of faults: in the end each message is in its queue once, in order, under its one id."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.hl7listener.lanes.order import work_of
from daemon.hl7listener.spool import Row
from daemon.ports import Order, Settled, Settlement
from daemon.public import Public
from tests.support.drain_chaos import CHOICES, Action, check_each_once_in_order, play
from tests.support.feeds import feed, route
from tests.support.lane_model import SITE, BrokerModel, World

ACTIONS = st.lists(
    st.one_of([st.tuples(st.just(name), st.sampled_from(numbers)) for name, numbers in CHOICES.items()]), max_size=25
)


@given(ACTIONS)
@example(
    [
        ("store", 1),
        ("lose replies", 1),
        ("spool fails and opens again", 0),
        ("store", 1),
        ("broker loses its tail", 0),
        ("spool fails and opens again", 0),
    ]
)
def test_each_message_ends_in_its_queue_once_and_in_order(actions: list[Action]) -> None:
    check_each_once_in_order(play(actions))


SEVERAL = feed(
    route(task=Public("one"), goes_on=True),
    route(task=None, entry=Public("sync"), number=1, goes_on=True),
    route(task=Public("two"), number=2, goes_on=True),
    route(task=Public("three"), number=3),
)


@given(ACTIONS)
def test_all_tasks_of_each_message_are_in_the_queue_together_and_its_entry_is_rung(actions: list[Action]) -> None:
    chaos = play(actions, World(SEVERAL), tasks_each=3)
    world = chaos.world
    kept = sorted(world.spool.rows)
    work = [work_of(Row(row.seq, row.epoch, row.feed, row.received_us, row.data), SEVERAL, SITE, 0) for row in kept]
    assert len(work) == chaos.stored
    assert world.broker.task_ids == [item.task_id for one in work if one is not None for item in one.items]
    assert [item.task for item in world.broker.queue] == ["one", "two", "three"] * chaos.stored
    assert set(world.bell.rung) == {ring for one in work if one is not None for ring in one.rings}


# -- planted bugs, which the same faults must bring to light -----------------------------------------------------------


class Unguarded(BrokerModel):
    """Pushes whatever it is sent, and looks at no mark."""

    def _carry_out_one(self, order: Order) -> Settlement:
        if order.item is not None:
            self.queue += (order.item, *order.more)
        self.ledgers.setdefault(order.ticket.ledger, {})[order.ticket.field] = order.ticket.advance_to
        return Settlement(Settled.ENQUEUED)


class PushFirst(BrokerModel):
    """Pushes in one step and moves the mark in another, which may be lost."""

    def _carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        before = copy.deepcopy(self.ledgers)
        settlements = super()._carry_out(orders)
        if self.lose_replies:
            self.ledgers = before
        return settlements


class MarkFirst(BrokerModel):
    """Moves the mark in one step and pushes in another, which may be lost."""

    def _carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        before = list(self.queue)
        settlements = super()._carry_out(orders)
        if self.lose_replies:
            self.queue = before
        return settlements


class Hopeful(BrokerModel):
    """Takes a call without an answer for one that was carried out."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        settlements = await super().dispatch(orders)
        return [Settlement(Settled.ENQUEUED) if one.outcome is Settled.UNAVAILABLE else one for one in settlements]


SEEDS = range(40)


def drawn(seed: int) -> list[Action]:
    """Draw a few things to do."""
    chance = random.Random(seed)
    names = [chance.choice(tuple(CHOICES)) for _ in range(chance.randint(5, 25))]
    return [(name, chance.choice(CHOICES[name])) for name in names]


def holds(actions: Sequence[Action], broker: BrokerModel) -> bool:
    """Say whether all is as it has to be in the end."""
    world = World()
    world.broker = broker
    try:
        check_each_once_in_order(play(actions, world))
    except AssertionError:
        return False
    except ExceptionGroup as group:
        _, others = group.split(AssertionError)
        if others is not None:
            raise
        return False
    return True


@pytest.mark.parametrize("broker", [Unguarded, PushFirst, MarkFirst])
def test_a_planted_bug_is_found(broker: type[BrokerModel]) -> None:
    assert not all(holds(drawn(seed), broker()) for seed in SEEDS)


def test_what_finds_planted_bugs_finds_none_without_them() -> None:
    assert all(holds(drawn(seed), BrokerModel()) for seed in SEEDS)


def test_even_an_answer_that_was_made_up_is_put_right_by_the_mark() -> None:
    assert all(holds(drawn(seed), Hopeful()) for seed in SEEDS)
