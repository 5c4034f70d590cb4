"""Orders behind gates, through the daemon's dispatcher to a server, and what lets their places go again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from daemon.clock import SECOND_US, SystemClock
from daemon.dispatch import CeleryDispatcher, CelerySide
from daemon.dispatch.gating import HISTORY_LENGTH
from daemon.errors import BrokerDown
from daemon.keys import entries_ledger
from daemon.ports import Gate, Order, RateCap, Settled, Settlement, Slot, Ticket, WorkItem
from daemon.public import Public
from daemon.scheduler.model import Limit, Rate
from shim.control import methods
from tests.support.controlling import controlling, listening
from tests.support.publishing import HOUR_US, LIMIT_S, queued, until
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker

pytestmark = pytest.mark.anyio

SITE = Public("lab")
BASE = "carillon:1:lab"
TASKS = 2500


@asynccontextmanager
async def dispatching(
    url: str, *, limits: Mapping[str, Limit] | None = None, **conf: Any
) -> AsyncIterator[CeleryDispatcher]:
    side = CelerySide({"broker_url": url, **conf}, limits=limits or {})
    dispatcher = CeleryDispatcher(side, SystemClock(), lambda _: None, site=SITE)
    with anyio.fail_after(LIMIT_S):
        await dispatcher.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.serve)
            yield dispatcher
            await dispatcher.drain()


def order(task_id: str, *parts: Slot | RateCap, heeds_hold: bool = True, record: str | None = None) -> Order:
    gate = Gate(
        task_id,
        tuple(one for one in parts if isinstance(one, Slot)),
        tuple(one for one in parts if isinstance(one, RateCap)),
        heeds_hold,
    )
    item = WorkItem(Public("app.task"), task_id)
    return Order(Ticket(entries_ledger(SITE), task_id, None, "1"), item, gate, record)


def outcomes(settlements: list[Settlement]) -> list[Settled]:
    return [one.outcome for one in settlements]


async def test_an_order_takes_its_places_under_the_names_of_the_site(valkey: ValkeyServer) -> None:
    prefixed = {"global_keyprefix": "ward:"}
    async with dispatching(valkey.url, broker_transport_options=prefixed) as dispatcher:
        [done] = await dispatcher.dispatch(
            [order("one", Slot("entry:a", 2, HOUR_US), RateCap("entry:a", 2, HOUR_US), record='{"a":1}\n{"b":2}')]
        )
        [running] = await dispatcher.running()
    assert done.outcome is Settled.ENQUEUED
    assert running == ("one", ("entry:a",), done.broker_us + HOUR_US)
    client = valkey.client
    assert client.zscore(f"ward:{BASE}:slots:entry:a", "one") == done.broker_us + HOUR_US
    assert client.hgetall(f"ward:{BASE}:running") == {b"one": b"entry:a"}
    assert int(client.get(f"ward:{BASE}:rate:entry:a")) == done.broker_us + HOUR_US // 2
    stream = client.xrange(f"ward:{BASE}:history")
    assert [fields for _, fields in stream] == [{b"record": b'{"a":1}'}, {b"record": b'{"b":2}'}]
    assert {int(place.split(b"-")[0]) for place, _ in stream} == {done.broker_us // 1000}
    assert queued(valkey, "ward:celery") == ["one"]


async def test_each_refusal_tells_what_the_port_promises(valkey: ValkeyServer) -> None:
    full, used = Slot("overlap:a", 1, HOUR_US), RateCap("entry:b", 1, HOUR_US)
    async with dispatching(valkey.url) as dispatcher:
        [first, *refused] = await dispatcher.dispatch(
            [order("one", full, used), order("two", full), order("three", used), order("four", Slot("x", 0, 1))]
        )
        await dispatcher._gates.hold('{"reason":"move"}')
        held = await dispatcher.dispatch([order("five"), order("six", heeds_hold=False)])
    assert first.outcome is Settled.ENQUEUED
    assert refused[:2] == [
        Settlement(Settled.FULL, "overlap:a\none", first.broker_us),
        Settlement(Settled.THROTTLED, str(first.broker_us + HOUR_US), first.broker_us),
    ]
    assert refused[2].outcome is Settled.INVALID  # a limit of nothing is a mistake, and nobody else's trouble
    assert (outcomes(held), held[0].found) == ([Settled.HELD, Settled.ENQUEUED], '{"reason":"move"}')


async def test_a_skip_without_a_message_is_recorded(valkey: ValkeyServer) -> None:
    async with dispatching(valkey.url) as dispatcher:
        bare = Order(Ticket(entries_ledger(SITE), "a", None, "1"), None, None, '{"s":"skipped"}')
        assert outcomes(await dispatcher.dispatch([bare, bare])) == [Settled.ENQUEUED, Settled.ALREADY]
    assert valkey.client.xlen(f"{BASE}:history") == 1


async def test_the_history_stays_bounded(valkey: ValkeyServer) -> None:
    pipeline = valkey.client.pipeline(transaction=False)
    for _ in range(HISTORY_LENGTH + 5000):
        pipeline.xadd(f"{BASE}:history", {"record": "r"})
    pipeline.execute()
    async with dispatching(valkey.url) as dispatcher:
        await dispatcher.dispatch([order("one", record="r")])
    assert HISTORY_LENGTH <= valkey.client.xlen(f"{BASE}:history") <= HISTORY_LENGTH + 1000


async def test_a_place_that_is_released_is_taken_by_the_next(valkey: ValkeyServer) -> None:
    place = Slot("overlap:a", 1, HOUR_US)
    async with dispatching(valkey.url) as dispatcher:
        await dispatcher.dispatch([order("one", place)])
        assert outcomes(await dispatcher.dispatch([order("two", place)])) == [Settled.FULL]
        assert await dispatcher.release(["one"]) == {"overlap:a"}
        assert await dispatcher.release(["one"]) == frozenset()
        assert outcomes(await dispatcher.dispatch([order("two", place)])) == [Settled.ENQUEUED]
        assert [one.task_id for one in await dispatcher.running()] == ["two"]


async def test_a_hold_is_read_lifted_and_ends_by_itself(valkey: ValkeyServer) -> None:
    async with dispatching(valkey.url) as dispatcher:
        assert await dispatcher._gates.held() is None
        await dispatcher._gates.hold("first")
        await dispatcher._gates.hold("second")
        assert (await dispatcher._gates.held(), valkey.client.ttl(f"{BASE}:hold")) == ("second", -1)
        await dispatcher._gates.hold(None)
        assert await dispatcher._gates.held() is None
        await dispatcher._gates.hold("for an hour", for_us=3600 * SECOND_US)
        assert 0 < valkey.client.ttl(f"{BASE}:hold") <= 3600
        await dispatcher._gates.hold("for no time", for_us=1)
        await until(lambda: valkey.client.exists(f"{BASE}:hold") == 0)


async def test_without_a_broker_all_of_it_says_so() -> None:
    async with dispatching(f"redis://127.0.0.1:{free_port()}/0") as dispatcher:
        for asking in (
            dispatcher.release(["one"]),
            dispatcher.running(),
            dispatcher._gates.hold("why"),
            dispatcher._gates.held(),
            dispatcher.revoke(["one"], terminate=False),
        ):
            with pytest.raises(BrokerDown):
                await asking


# -- revoking ----------------------------------------------------------------------------------------------------------


async def test_many_tasks_are_revoked_in_few_commands_for_everybody(valkey: ValkeyServer) -> None:
    ids = [f"task-{number}" for number in range(TASKS)]
    with listening(valkey, channel="/0.celery.pidbox") as listener:
        async with dispatching(valkey.url) as dispatcher:
            await dispatcher.revoke(ids, terminate=True)
            await dispatcher.revoke(["one"], terminate=False)
            await dispatcher.revoke([], terminate=False)
        commands = [_command(payload) for _, payload in listener.take(4)]
    assert [one["arguments"]["terminate"] for one in commands] == [True, True, True, False]
    assert [task_id for one in commands[:3] for task_id in one["arguments"]["task_id"]] == ids
    assert {(one["method"], one["destination"], one["pattern"]) for one in commands} == {("revoke", None, None)}


def _command(payload: bytes) -> Any:
    return json.loads(json.loads(payload)["body"])


async def test_a_stock_worker_does_not_run_what_was_revoked(valkey: ValkeyServer) -> None:
    with Worker(valkey.url, arguments=("-P", "solo")) as worker:
        async with dispatching(valkey.url) as dispatcher, controlling(valkey.url) as control:
            await dispatcher.revoke(["one"], terminate=False)
            answers = await control.call(methods.revoked(), timeout_s=LIMIT_S)
            assert answers.by_node[worker.name] == ["one"]


# -- limits of queues --------------------------------------------------------------------------------------------------


async def test_a_queue_takes_no_more_than_its_limit_wherever_the_orders_come_from(valkey: ValkeyServer) -> None:
    limits = {"llm": Limit(concurrency=2)}
    routes = {"task_routes": {"app.task": {"queue": "llm"}}}
    async with (
        dispatching(valkey.url, limits=limits, **routes) as first,
        dispatching(valkey.url, limits=limits, **routes) as second,
    ):
        answers = await first.dispatch([order("a")]) + await second.dispatch([order("b"), order("c")])
        assert outcomes(answers) == [Settled.ENQUEUED, Settled.ENQUEUED, Settled.FULL]
        assert answers[2].found == "queue:llm\na\nb"
        assert await second.release(["a"]) == {"queue:llm"}
        assert outcomes(await first.dispatch([order("c")])) == [Settled.ENQUEUED]


async def test_a_queue_takes_messages_no_faster_than_its_rate_and_other_queues_do_not_mind(
    valkey: ValkeyServer,
) -> None:
    limits = {"celery": Limit(rate=Rate(1, HOUR_US))}
    async with dispatching(valkey.url, limits=limits, task_routes={"app.other": {"queue": "other"}}) as dispatcher:
        elsewhere = order("elsewhere")
        assert elsewhere.item is not None
        elsewhere = elsewhere._replace(item=elsewhere.item._replace(task=Public("app.other")))
        answers = await dispatcher.dispatch([order("a"), order("b"), elsewhere])
    assert outcomes(answers) == [Settled.ENQUEUED, Settled.THROTTLED, Settled.ENQUEUED]


async def test_what_a_feed_hands_on_does_not_count_against_the_limit_of_its_queue(valkey: ValkeyServer) -> None:
    async with dispatching(valkey.url, limits={"celery": Limit(concurrency=1)}) as dispatcher:
        messages = [order(f"message-{number}")._replace(gate=None) for number in range(3)]
        assert outcomes(await dispatcher.dispatch(messages)) == [Settled.ENQUEUED] * 3
