"""Whatever is ordered behind gates ends on a server as it does in a model of a few dictionaries."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.dispatch.dispatcher import SETTLED
from daemon.dispatch.gating import Gating
from daemon.dispatch.run_gates import RunGates
from daemon.keys import SiteKey, entries_ledger, rate_key, site_key, slots_key
from daemon.ports import Gate, Order, RateCap, RunningTask, Settled, Slot, Ticket
from daemon.public import Public
from shim.claim import Claim, Write
from shim.publisher import Publisher
from shim.transport import RedisTransport
from tests.support.broker_model import BrokerModel
from tests.support.clock import SetClock
from tests.support.publishing import linked
from tests.support.valkey import ValkeyServer

SITE = Public("lab")
PREFIX = "p:"
LEDGER = entries_ledger(SITE)
SCOPES = ("overlap:a", "queue:celery")
TASKS = ("one", "two", "three", "four", "five")
FAR_US = 3_600_000_000

SLOTS = st.builds(
    Slot,
    scope=st.sampled_from(SCOPES),
    limit=st.integers(1, 3),
    stale_us=st.sampled_from((FAR_US, 5_000_000, 1)),
    evict=st.lists(st.sampled_from(TASKS), max_size=3).map(tuple),
)
RATES = st.builds(
    RateCap,
    scope=st.sampled_from(SCOPES),
    most=st.integers(1, 3),
    per_us=st.sampled_from((7, 10_000_000, FAR_US)),
)
COUNTED = st.builds(
    Gate,
    holder=st.sampled_from(TASKS),
    slots=st.lists(SLOTS, min_size=1, max_size=2).map(tuple),
    rates=st.just(()) | st.lists(RATES, max_size=2, unique_by=operator.attrgetter("scope")).map(tuple),
    heeds_hold=st.booleans(),
)
GATES = st.one_of(COUNTED, COUNTED, COUNTED, st.just(Gate()), st.none())
RECORDS = st.sampled_from((None, '{"e":"a"}', '{"e":"a"}\n{"e":"b"}'))
BATCH = st.lists(st.tuples(GATES, RECORDS, st.sampled_from(("next", "next", "again", "lost"))), min_size=1, max_size=6)
STEPS = st.lists(
    st.one_of(
        *(st.tuples(st.just("dispatch"), BATCH) for _ in range(4)),
        st.tuples(st.just("release"), st.lists(st.sampled_from(TASKS), max_size=3)),
        st.tuples(st.just("hold"), st.sampled_from((None, None, None, "because"))),
        st.tuples(st.just("pass"), st.sampled_from((3, 4_000_000, 6_000_000, FAR_US))),
    ),
    min_size=3,
    max_size=10,
)


class Pair:
    """The server and its model, told the same."""

    def __init__(self, server: ValkeyServer, publisher: Publisher, gates: RunGates) -> None:
        self._server = server
        self._publisher = publisher
        self._gates = gates
        self._gating = Gating(SITE, PREFIX)
        self._clock = SetClock()
        self.model = BrokerModel(self._clock)
        self._numbers = itertools.count(1)

    async def dispatch(self, batch: Sequence[tuple[Gate | None, str | None, str]]) -> None:
        orders = [self._order(*one) for one in batch]
        writes = [self._write(order) for order in orders]
        results = await self._publisher.write(writes)
        self._clock.wall_us = results[0].server_us
        expected = self.model.carry_out(orders)
        for result, settlement in zip(results, expected, strict=True):
            assert _told(SETTLED[result.outcome], result.found, result.server_us) == _told(*settlement)

    async def release(self, task_ids: Sequence[str]) -> None:
        assert await self._gates.release(task_ids) == self.model.gates.release(task_ids)

    async def hold(self, why: str | None) -> None:
        await self._gates.hold(why)
        self.model.gates.held = why
        assert await self._gates.held() == why

    async def pass_time(self, by_us: int) -> None:
        """Move what lies in time on both sides, instead of waiting."""
        client = self._server.client
        for key in client.keys(PREFIX + slots_key(SITE, "*")):
            for member, _ in client.zrange(key, 0, -1, withscores=True):
                client.zincrby(key, -by_us, member)
        for key in client.keys(PREFIX + rate_key(SITE, "*")):
            client.set(key, int(client.get(key)) - by_us, keepttl=True)
        self.model.gates.pass_time(by_us)

    async def compare(self) -> None:
        client: Any = self._server.client
        gates = self.model.gates
        for scope in SCOPES:
            found = client.zrange(PREFIX + slots_key(SITE, scope), 0, -1, withscores=True)
            assert {name.decode(): int(score) for name, score in found} == gates.slots.get(scope, {}), scope
            used = client.get(PREFIX + rate_key(SITE, scope))
            now_us = self._server_us()  # a rate that is free again is forgotten
            assert max(int(used or 0), now_us) == max(gates.rates.get(scope, 0), now_us)
        running = _texts(client.hgetall(PREFIX + site_key(SITE, SiteKey.RUNNING)))
        assert {name: sorted(text.split("\n")) for name, text in running.items()} == {
            name: sorted(scopes) for name, scopes in gates.running.items()
        }
        stream = client.xrange(PREFIX + site_key(SITE, SiteKey.HISTORY))
        assert [fields[b"record"].decode() for _, fields in stream] == [line for line, _ in gates.history]
        assert _texts(client.hgetall(PREFIX + LEDGER)) == self.model.ledgers.get(LEDGER, {})
        before_us = self._clock.now_us()
        listed = _sorted(await self._gates.running())
        self._clock.wall_us = self._server_us()
        # What goes stale while it is asked for may be seen before or after.
        possible = zip(_sorted(gates.tasks(before_us)), _sorted(gates.tasks(self._clock.now_us())), strict=True)
        assert all(one in both for one, both in zip(listed, possible, strict=True))

    def _server_us(self) -> int:
        seconds, micros = self._server.client.time()
        return int(seconds) * 1_000_000 + int(micros)

    def _order(self, gate: Gate | None, record: str | None, kind: str) -> Order:
        """Write an order that wins its ticket, repeats one that won, or has lost it."""
        number = next(self._numbers)
        held = self.model.ledgers.get(LEDGER, {})
        if kind == "next":
            return Order(Ticket(LEDGER, f"new-{number}", None, "1"), None, gate, record)
        if kind == "again" and held:
            name = sorted(held)[number % len(held)]
            return Order(Ticket(LEDGER, name, None, held[name]), None, gate, record)
        return Order(Ticket(LEDGER, "never", "0", "1"), None, gate, record)

    def _write(self, order: Order) -> Write:
        claim = Claim(PREFIX + order.ticket.ledger, *order.ticket[1:])
        return Write(claim, (), self._gating.guard(order.gate), self._gating.records(order.record))


def _told(outcome: Settled, found: str | None, now_us: int) -> object:
    """Give what can be compared: who took a place in the same microsecond is in no order."""
    if outcome is not Settled.FULL:
        return outcome, found, now_us
    scope, *holders = (found or "").split("\n")
    return outcome, scope, frozenset(holders), len(holders), now_us


def _sorted(tasks: Sequence[RunningTask]) -> list[RunningTask]:
    return sorted(one._replace(scopes=tuple(sorted(one.scopes))) for one in tasks)


def _texts(raw: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in raw.items()}


@settings(max_examples=120)
@given(steps=STEPS)
def test_any_orders_behind_gates_end_as_in_the_model(shared_valkey: ValkeyServer, steps: list[tuple[str, Any]]) -> None:
    async def main() -> None:
        async with linked(shared_valkey.url) as link, anyio.create_task_group() as tasks:
            publisher = Publisher(link, RedisTransport(), tolerance_us=0)
            tasks.start_soon(publisher.run)
            pair = Pair(shared_valkey, publisher, RunGates(link, prefix=PREFIX, site=SITE))
            for name, argument in steps:
                await getattr(pair, {"pass": "pass_time"}.get(name, name))(argument)
                await pair.compare()
            tasks.cancel_scope.cancel()

    shared_valkey.client.flushall()
    anyio.run(main)
