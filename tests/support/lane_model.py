"""The broker as the drain sees it, with its compare-and-set in memory and every fault at hand; and a drain between it and a
spool twin, on virtual time."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

import anyio
import anyio.lowlevel

from daemon.errors import BrokerDown
from daemon.hl7listener.ack.handover import Handover
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.drain import Drain
from daemon.hl7listener.spool import Spool
from daemon.keys import SEQUENCE_FIELD, feed_ledger, message_id
from daemon.ports import FaultPoint, Ledger, Order, Ring, Settled, Settlement, WorkItem, no_fault
from daemon.public import Public
from tests.support.clock import VirtualClock
from tests.support.feeds import feed
from tests.support.spool_twin import SpoolTwin

E = TypeVar("E")
SITE = Public("site")
SUSPECT_S = 3600
PATIENCE_S = 900.0
"""Virtual seconds, which cost nothing."""


@dataclass
class BrokerModel:
    """Carries orders out as the claim script does.

    Attributes:
        is_down: nothing gets through.
        lose_replies: calls that are carried out and get no answer.
        hold: calls that get no answer and are carried out only by ``let_late_ones_through``.
        invalid: control ids of messages no worker could take.
        wrong_key: a key of the wrong type that is in the way.
        ran: ids of tasks with a stored result.
        step: called before and after each call: where a test may kill.
    """

    is_down: bool = False
    lose_replies: int = 0
    hold: int = 0
    invalid: set[str] = field(default_factory=set)
    wrong_key: str | None = None
    ran: set[str] = field(default_factory=set)
    results_are_down: bool = False
    step: Callable[[], None] = lambda: None
    ledgers: dict[str, dict[str, str]] = field(default_factory=dict)
    queue: list[WorkItem] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    asked_for_results: list[list[str]] = field(default_factory=list)
    _late: list[list[Order]] = field(default_factory=list)

    # -- what a test does --------------------------------------------------------------------------------------------

    @property
    def control_ids(self) -> list[str]:
        """The control ids of everything pushed, in order."""
        return [item.kwargs["message"]["control_id"] for item in self.queue]

    @property
    def task_ids(self) -> list[str]:
        """The task ids of everything pushed, in order."""
        return [item.task_id for item in self.queue]

    def state(self) -> tuple[dict[str, dict[str, str]], list[WorkItem]]:
        """Give what a replica, or a log on disk, would have by now."""
        return copy.deepcopy(self.ledgers), list(self.queue)

    def go_back_to(self, state: tuple[dict[str, dict[str, str]], list[WorkItem]]) -> None:
        """Lose everything since."""
        self.ledgers, self.queue = copy.deepcopy(state[0]), list(state[1])

    def flush(self) -> None:
        """Lose everything."""
        self.ledgers, self.queue = {}, []

    def let_late_ones_through(self) -> None:
        """Carry out what was held on the way, long after whoever sent it gave up."""
        late, self._late = self._late, []
        for orders in late:
            self._carry_out(orders)

    # -- daemon.ports.Dispatcher -------------------------------------------------------------------------------------

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        self.step()
        await anyio.lowlevel.checkpoint()
        nothing = [Settlement(Settled.UNAVAILABLE)] * len(orders)
        self.calls.append(len(orders))
        if self.is_down:
            return nothing
        if self.hold:
            self.hold -= 1
            self._late.append(list(orders))
            return nothing
        settlements = self._carry_out(orders)
        if self.lose_replies:
            self.lose_replies -= 1
            settlements = nothing
        self.step()
        await anyio.lowlevel.checkpoint()
        return settlements

    async def read(self, ledger: Public, fields: Sequence[str]) -> Ledger:
        self.step()
        await anyio.lowlevel.checkpoint()
        if self.is_down:
            message = "the broker does not answer"
            raise BrokerDown(message)
        values = self.ledgers.get(ledger, {})
        return Ledger({name: values[name] for name in fields if name in values}, 0)

    async def revoke(self, task_ids: Sequence[str], *, terminate: bool) -> None:
        message = f"a feed revokes nothing: {task_ids}, {terminate}"
        raise AssertionError(message)

    async def finished(self, task_ids: Sequence[str]) -> frozenset[str]:
        self.step()
        await anyio.lowlevel.checkpoint()
        self.asked_for_results.append(list(task_ids))
        if self.is_down or self.results_are_down:
            message = "the result back-end does not answer"
            raise BrokerDown(message)
        return frozenset(self.ran.intersection(task_ids))

    def _carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        return [self._carry_out_one(order) for order in orders]

    def _carry_out_one(self, order: Order) -> Settlement:
        item, ticket = order.item, order.ticket
        if item is not None and item.kwargs.get("message", {}).get("control_id") in self.invalid:
            return Settlement(Settled.INVALID, "as asked")
        if self.wrong_key is not None:
            return Settlement(Settled.BLOCKED, self.wrong_key)
        ledger = self.ledgers.setdefault(ticket.ledger, {})
        found = ledger.get(ticket.field)
        if found == ticket.advance_to:
            return Settlement(Settled.ALREADY)
        if found != ticket.expect:
            return Settlement(Settled.LOST, found)
        if item is not None:
            self.queue += (item, *order.more)
        ledger[ticket.field] = ticket.advance_to
        return Settlement(Settled.ENQUEUED)


@dataclass
class BellModel:
    """Takes rings.

    Attributes:
        rung: what has been rung, in order; the same again is one.
        failing: rings that get no answer.
        step: called at each call, before it is carried out.
    """

    rung: dict[Ring, None] = field(default_factory=dict)
    failing: int = 0
    step: Callable[[], None] = lambda: None

    async def ring(self, rings: Sequence[Ring]) -> None:
        self.step()
        await anyio.lowlevel.checkpoint()
        self.rung |= dict.fromkeys(rings)
        if self.failing:
            self.failing -= 1
            message = "the broker does not answer"
            raise BrokerDown(message)


class World:
    """A spool twin, a broker, and drains between them that come and go."""

    def __init__(self, of: Feed | None = None, *, at: FaultPoint = no_fault) -> None:
        """Start with an empty spool and an empty broker."""
        self.feed = of or feed()
        self.clock = VirtualClock()
        self.spool = SpoolTwin(self.feed, self.clock)
        self.broker = BrokerModel()
        self.bell = BellModel()
        self.handover: Handover | None = None
        self.events: list[object] = []
        self._at = at

    def told(self, kind: type[E]) -> list[E]:
        """Give the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def task_id(self, seq: int, epoch: str = "epoch1") -> str:
        """Give the id a message's task has."""
        return message_id(SITE, self.feed.name, epoch, seq)

    def mark(self, epoch: str = "epoch1") -> str | None:
        """Give the broker's mark."""
        return self.broker.ledgers.get(feed_ledger(SITE, self.feed.name, epoch), {}).get(SEQUENCE_FIELD)

    def set_mark(self, value: str, epoch: str = "epoch1") -> None:
        """Have somebody else move the broker's mark."""
        self.broker.ledgers.setdefault(feed_ledger(SITE, self.feed.name, epoch), {})[SEQUENCE_FIELD] = value

    def make_drain(self) -> Drain:
        """Make a drain; it is not opened."""
        return Drain(
            SITE,
            [self.feed],
            cast("Spool", self.spool),
            self.broker,
            self.clock,
            self.events.append,
            suspect_us=SUSPECT_S * 1_000_000,
            at=self._at,
            bell=self.bell,
            handovers={} if self.handover is None else {self.feed.name: self.handover},
        )

    @asynccontextmanager
    async def draining(self) -> AsyncIterator[Drain]:
        """Run a drain, and end it in good order."""
        drain = self.make_drain()
        await drain.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drain.serve)
            yield drain
            await drain.drain()
        self.spool.forget_takers()

    async def killed_at(self, step: int, *, patience_s: float = 60.0) -> bool:
        """Run a drain and kill it at its so-manieth step; say whether it came that far."""
        drain = self.make_drain()
        await drain.open()
        count = 0
        with anyio.CancelScope() as life:

            def count_down() -> None:
                nonlocal count
                count += 1
                if count == step:
                    life.cancel()

            self.spool.step = self.broker.step = self.bell.step = count_down
            with anyio.move_on_after(patience_s):
                await drain.serve()
        self.spool.step = self.broker.step = self.bell.step = lambda: None
        self.spool.forget_takers()
        return life.cancel_called

    async def until(self, true: Callable[[], object]) -> None:
        """Let virtual time pass until something is true."""
        with anyio.move_on_after(PATIENCE_S):
            while not true():  # noqa: ASYNC110 - conditions are of many things, and virtual time costs nothing
                await anyio.sleep(0.05)
            return
        message = f"never true; pushed {self.broker.control_ids[-10:]}, told {self.events[-5:]}"
        raise AssertionError(message)
