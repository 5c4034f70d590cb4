"""A broker in a few dictionaries, with the compare-and-set and the gates of ``shim/claim.lua`` and every fault a test may want.

``BrokerModel`` is the server, shared by all daemons of a test; ``link()`` gives each daemon its own way to it, which can be
cut, lose requests and replies, hold requests back, and be told to raise at an await point.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import anyio

from daemon.clock import Clock
from daemon.errors import BrokerDown
from daemon.ports import Ledger, Order, RunningTask, Settled, Settlement
from daemon.public import Public
from tests.support.gate_model import GateModel, Undo

T = TypeVar("T")

TOLERANCE_US = 20_000
WRITES_PER_CALL = 100

Hook = Callable[[str], Awaitable[None]]


class Fate(Enum):
    """What becomes of one call."""

    WELL = "well"
    LOSE_REQUEST = "lose-request"
    """It never arrives."""
    LOSE_REPLY = "lose-reply"
    """It is carried out, and nobody hears of it."""
    HOLD_REQUEST = "hold-request"
    """It is given up, and arrives when ``thaw`` is called."""


class Killed(Exception):
    """What a hook raises to end a daemon where it stands."""


class BusyLoop(AssertionError):
    """A daemon asked the broker far more often than any test has reason for."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A message in a queue."""

    task_id: str
    task: str
    at_us: int


@dataclass(frozen=True, slots=True)
class _Write:
    """What one order changed, so that it can be forgotten."""

    ledger: str
    field: str
    before: str | None
    queue: str | None
    undo: Undo


async def _no_hook(point: str) -> None:
    del point


@dataclass(slots=True)
class BrokerModel:
    """The server: ledgers, queues, results, gates, and its own clock.

    Attributes:
        revoked: what workers were told not to run, and whether to stop it.
        blocked: queues and ledgers whose keys hold something of another type.
        refusing: answers no order, but reads; as a server that is out of memory does.
        call_limit: calls after which a test is taken to be in a loop without end.
    """

    clock: Clock
    ledgers: dict[str, dict[str, str]] = field(default_factory=dict)
    queues: dict[str, list[Pushed]] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    is_down: bool = False
    refusing: bool = False
    calls: int = 0
    call_limit: int = 1_000_000
    journal: list[_Write] = field(default_factory=list)
    gates: GateModel = field(default_factory=GateModel)
    revoked: list[tuple[str, bool]] = field(default_factory=list)

    def link(self, *, hook: Hook = _no_hook, fate: Callable[[], Fate] | None = None) -> Link:
        """Give a daemon its way to the server."""
        return Link(self, hook, fate)

    def count_call(self) -> None:
        self.calls += 1
        if self.calls > self.call_limit:
            message = f"{self.calls} calls"
            raise BusyLoop(message)

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        """Do as ``claim.lua`` does."""
        now_us = self.clock.now_us()
        self.gates.look((order.gate for order in orders), now_us)
        return [self._carry_out(order, now_us) for order in orders]

    def _carry_out(self, order: Order, now_us: int) -> Settlement:
        ticket, item = order.ticket, order.item
        queue = None if item is None else str(item.queue or "celery")
        for key in (str(ticket.ledger), queue):
            if key in self.blocked:
                return Settlement(Settled.BLOCKED, key, now_us)
        ledger = self.ledgers.setdefault(ticket.ledger, {})
        found = ledger.get(ticket.field)
        if found == ticket.advance_to:
            return Settlement(Settled.ALREADY, None, now_us)
        if found != ticket.expect:
            return Settlement(Settled.LOST, _as_read(found), now_us)
        if ticket.not_before_us > now_us + TOLERANCE_US:
            return Settlement(Settled.EARLY, None, now_us)
        refusal = self.gates.refusal(order.gate, now_us)
        if refusal is not None:
            return refusal
        undo = self.gates.take(order.gate, order.record, now_us)
        if item is not None and queue is not None:
            self.queues.setdefault(queue, []).append(Pushed(item.task_id, item.task, now_us))
        ledger[ticket.field] = ticket.advance_to
        self.journal.append(_Write(str(ticket.ledger), ticket.field, found, queue, undo))
        return Settlement(Settled.ENQUEUED, None, now_us)

    def forget_everything(self) -> None:
        """As ``FLUSHALL``, or a restart without persistence; results are kept elsewhere."""
        self.ledgers.clear()
        self.queues.clear()
        self.journal.clear()
        self.gates = GateModel()

    def forget_last(self, count: int) -> None:
        """As a fail-over to a replica that had not seen the last writes: claims and messages are gone together."""
        for _ in range(count):
            write = self.journal.pop()
            write.undo()
            if write.before is None:
                del self.ledgers[write.ledger][write.field]
            else:
                self.ledgers[write.ledger][write.field] = write.before
            if write.queue is not None:
                self.queues[write.queue].pop()

    @property
    def pushed(self) -> list[Pushed]:
        """All messages of all queues, in the order they were pushed."""
        return sorted((one for queue in self.queues.values() for one in queue), key=lambda one: one.at_us)

    @property
    def ids(self) -> list[str]:
        """The ids of all messages."""
        return [one.task_id for one in self.pushed]


@dataclass(slots=True)
class Link:
    """One daemon's ``Dispatcher``.

    Attributes:
        fates: what becomes of the next calls, one each; then ``fate`` decides, and without it all goes well.
        is_cut: nothing gets through.
        invalid: tasks whose items no worker could take.
        delay_s: how long each way takes.
    """

    broker: BrokerModel
    hook: Hook
    fate: Callable[[], Fate] | None
    fates: deque[Fate] = field(default_factory=deque)
    is_cut: bool = False
    invalid: set[str] = field(default_factory=set)
    delay_s: float = 0.0
    late: list[Sequence[Order]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        """Carry out orders in their order; one settlement each."""
        self.batches.append(len(orders))
        sound = [order for order in orders if order.item is None or order.item.task not in self.invalid]
        settled: list[Settlement] = []
        for start in range(0, len(sound), WRITES_PER_CALL):
            settled += await self._call(sound[start : start + WRITES_PER_CALL])
        answers = iter(settled)
        sound_ids = set(map(id, sound))
        return [
            next(answers) if id(order) in sound_ids else Settlement(Settled.INVALID, "as the test wants")
            for order in orders
        ]

    async def _call(self, orders: Sequence[Order]) -> list[Settlement]:
        lost = [Settlement(Settled.UNAVAILABLE)] * len(orders)
        await self._way("request")
        fate = self._next_fate()
        if self._unreachable() or self.broker.refusing or fate is Fate.LOSE_REQUEST:
            return lost
        if fate is Fate.HOLD_REQUEST:
            self.late.append(orders)
            return lost
        settlements = self.carry_out(orders)
        await self._way("reply")
        return lost if fate is Fate.LOSE_REPLY or self._unreachable() else settlements

    def carry_out(self, orders: Sequence[Order]) -> list[Settlement]:
        """Do what a call does once it has arrived."""
        return self.broker.carry_out(orders)

    def thaw(self) -> None:
        """Let what was held back arrive; nobody waits for the answers any more."""
        late, self.late = self.late, []
        for orders in late:
            self.carry_out(orders)

    async def read(self, ledger: Public, fields: Sequence[str]) -> Ledger:
        """Read fields of a ledger."""
        await self._way("read")
        if self._unreachable() or self._next_fate() is not Fate.WELL or str(ledger) in self.broker.blocked:
            message = "no answer"
            raise BrokerDown(message)
        held = self.broker.ledgers.get(ledger, {})
        values = {name: text for name in fields if (text := _as_read(held.get(name))) is not None}
        found = Ledger(values, self.broker.clock.now_us())
        await self._way("read reply")
        return found

    async def finished(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Say which of the tasks have a result stored."""
        self.looked_up += task_ids
        await self._way("finished")
        if self._unreachable() or self._next_fate() is not Fate.WELL:
            message = "no answer"
            raise BrokerDown(message)
        return frozenset(task_ids) & self.broker.results

    async def revoke(self, task_ids: Sequence[str], *, terminate: bool) -> None:
        """Have workers not run tasks."""
        await self._ask("revoke", lambda: self.broker.revoked.extend((one, terminate) for one in task_ids))

    async def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Let go whatever the tasks hold."""
        return await self._ask("release", lambda: self.broker.gates.release(task_ids))

    async def running(self) -> list[RunningTask]:
        """List the tasks that hold places."""
        return await self._ask("running", lambda: self.broker.gates.tasks(self.broker.clock.now_us()))

    async def hold(self, why: str | None, *, for_us: int | None = None) -> None:
        """Hold all schedules, or go on; nothing goes on by itself here."""
        assert for_us is None
        await self._ask("hold", lambda: setattr(self.broker.gates, "held", why))

    async def held(self) -> str | None:
        """Say why all schedules are held."""
        return await self._ask("held", lambda: self.broker.gates.held)

    async def _ask(self, point: str, act: Callable[[], T]) -> T:
        message = "no answer"
        await self._way(point)
        fate = self._next_fate()
        if self._unreachable() or fate in (Fate.LOSE_REQUEST, Fate.HOLD_REQUEST):
            raise BrokerDown(message)
        answer = act()
        await self._way(f"{point} reply")
        if self._unreachable() or fate is Fate.LOSE_REPLY:
            raise BrokerDown(message)
        return answer

    async def _way(self, point: str) -> None:
        self.broker.count_call()
        await self.hook(point)
        await anyio.sleep(self.delay_s)

    def _unreachable(self) -> bool:
        return self.is_cut or self.broker.is_down

    def _next_fate(self) -> Fate:
        if self.fates:
            return self.fates.popleft()
        return self.fate() if self.fate is not None else Fate.WELL


def _as_read(text: str | None) -> str | None:
    """Give what is read of a value; bytes that are no text stand in a ledger as lone surrogates."""
    return None if text is None else text.encode(errors="surrogateescape").decode(errors="replace")
