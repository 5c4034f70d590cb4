"""The daemon's way to RabbitMQ, on a real server: orders to messages, the schedule's lock, and what is told of both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from celery import Celery
from kombu.exceptions import ChannelError

from daemon.clock import SystemClock
from daemon.dispatch import CeleryDispatcher, CelerySide, make_dispatcher
from daemon.dispatch.dispatcher import BrokerState
from daemon.dispatch.kept_results import KeptResults
from daemon.dispatch.outbox_dispatcher import OutboxDispatcher
from daemon.dispatch.site_turn import HOLD_LIMIT_S
from daemon.errors import BrokerDown, LedgerFailed, SettingsInvalid
from daemon.events import BrokerLost, BrokerUp, Warned
from daemon.keys import entries_ledger, feed_ledger
from daemon.ports import Order, Settled, Settlement, Ticket, WorkItem
from daemon.public import Public
from daemon.settings.problems import show_path
from daemon.site import check_site
from shim.amqp.outbox_store import OutboxFailed, OutboxStore
from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.clock import SetClock
from tests.support.proxy import BadLink
from tests.support.publishing import until
from tests.support.rabbitmq import RabbitServer, drain, drained_ids, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import LIMIT_S, queue_name
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.anyio]

MARKER = "ZZPATIENT"
ENQUEUED, ALREADY, NOT_SENT = Settled.ENQUEUED, Settled.ALREADY, Settled.NOT_SENT


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


@pytest.fixture
def site() -> Public:
    """A site nobody has used; one node serves many tests."""
    return Public(f"site-{queue_name()}")


class Watched:
    """A dispatcher of a site, what it says, and its ledgers."""

    def __init__(self, url: str, folder: Path, site: Public, clock: Any = None, **conf: Any) -> None:
        self.said: list[Any] = []
        self.entries, self.feed = entries_ledger(site), feed_ledger(site, Public("adt"), "epoch")
        self.queue = str(site)
        side = CelerySide({"broker_url": url, "task_default_queue": self.queue, **conf})
        folder.mkdir(exist_ok=True)
        self.dispatcher = OutboxDispatcher(
            side, site=site, state_dir=folder, clock=clock or SystemClock(), emit=self.said.append
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OutboxDispatcher]:
        with anyio.fail_after(LIMIT_S):
            await self.dispatcher.open()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.dispatcher.serve)
                await anyio.lowlevel.checkpoint()
                yield self.dispatcher
                await self.dispatcher.drain()

    async def order(self, value: str, *, expect: str | None = None, entry: str = "bell", **item: Any) -> Settlement:
        """Order a task of the schedule."""
        work = WorkItem(Public("app.task"), f"{entry}-{value}", **item)
        [settlement] = await self.dispatcher.dispatch([Order(Ticket(self.entries, entry, expect, value), work)])
        return settlement

    async def message(self, seq: int, **item: Any) -> Settlement:
        """Order a message of the feed."""
        expect = None if seq == 1 else str(seq - 1)
        work = WorkItem(Public("app.message"), f"message-{seq}", **item)
        [settlement] = await self.dispatcher.dispatch([Order(Ticket(self.feed, "seq", expect, str(seq)), work)])
        return settlement

    def heard(self, kind: type, **fields: Any) -> list[Any]:
        return [
            one
            for one in self.said
            if isinstance(one, kind) and all(getattr(one, name) == value for name, value in fields.items())
        ]

    async def hears(self, kind: type, **fields: Any) -> Any:
        await until(lambda: bool(self.heard(kind, **fields)))
        return self.heard(kind, **fields)[-1]


async def arrived(rabbit: RabbitServer, queue: str, count: int) -> list[Any]:
    """Wait until so many messages are in a queue, and take them."""
    found: list[Any] = []

    def look() -> bool:
        with suppress(ChannelError):  # it is made with the first message
            found.extend(drain(rabbit, queue))
        return len(found) >= count

    with anyio.fail_after(LIMIT_S):
        await until(look)
    return found


# -- orders ------------------------------------------------------------------------------------------------------------


@needs_rabbitmq
async def test_orders_become_messages_and_are_carried_out_once(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    watched = Watched(rabbit.url, tmp_path, site)
    async with watched.serving() as dispatcher:
        assert (dispatcher.seen.state, dispatcher.is_up.is_set()) == (BrokerState.UP, True)
        first = await watched.order("1", args=[1, "zwei"], kwargs={"three": 3}, priority=7)
        again = await watched.order("1")
        lost = await watched.order("3", expect="2")
        [message] = await arrived(rabbit, watched.queue, 1)
        ledger = await dispatcher.read(watched.entries, ["bell", "absent"])
    assert [first.outcome, again.outcome] == [ENQUEUED, ALREADY]
    assert (lost.outcome, lost.found) == (Settled.LOST, "1")
    assert dict(ledger.values) == {"bell": "1"}
    assert 0 < first.broker_us <= ledger.broker_us
    assert (message.headers["id"], message.headers["task"]) == ("bell-1", "app.task")
    assert json.loads(message.body)[:2] == [[1, "zwei"], {"three": 3}]
    assert message.properties["priority"] == 7
    assert len(watched.heard(BrokerUp)) == 1
    assert drained_ids(rabbit, watched.queue) == []


@needs_rabbitmq
async def test_messages_of_a_feed_arrive_in_order_and_what_waits_is_sent_before_the_end(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    watched = Watched(rabbit.url, tmp_path, site)
    async with watched.serving():
        for seq in range(1, 60):
            assert (await watched.message(seq)).outcome is ENQUEUED
    assert drained_ids(rabbit, watched.queue) == [f"message-{seq}" for seq in range(1, 60)]


@needs_rabbitmq
@pytest.mark.parametrize(
    ("item", "why"),
    [
        pytest.param({"headers": {"CC": ["other"]}}, "CC", id="a header RabbitMQ reads"),
        pytest.param({"queue": Public("q" * 300)}, "queue", id="a queue without a name"),
        pytest.param({"args": ["x" * (16 * 1024 * 1024)]}, "more than", id="too large"),
    ],
)
async def test_what_rabbitmq_would_not_take_is_invalid_and_the_ledger_stays(
    rabbit: RabbitServer, site: Public, tmp_path: Path, item: dict[str, Any], why: str
) -> None:
    watched = Watched(rabbit.url, tmp_path, site)
    async with watched.serving() as dispatcher:
        settlement = await watched.order("1", **item)
        assert (settlement.outcome, why in (settlement.found or "")) == (Settled.INVALID, True)
        assert (await dispatcher.read(watched.entries, ["bell"])).values == {}
        assert (await watched.order("1")).outcome is ENQUEUED


@needs_rabbitmq
async def test_a_queue_that_differs_is_named_and_holds_up_no_other(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    other = queue_name()
    with rabbit.connection() as connection:
        connection.channel().queue_declare(other, durable=True, auto_delete=False)
    queues = [{"name": other, "max_priority": 5}, {"name": str(site)}]
    watched = Watched(rabbit.url, tmp_path, site, task_queues=queues)
    async with watched.serving():
        assert (await watched.message(1, queue=Public(other))).outcome is ENQUEUED
        assert (await watched.message(2)).outcome is ENQUEUED
        assert [one.headers["id"] for one in await arrived(rabbit, watched.queue, 1)] == ["message-2"]
        warned = await watched.hears(Warned, code="queue-refuses")
    assert (warned.about, "x-max-priority" in warned.text) == (other, True)


@needs_rabbitmq
async def test_a_message_rabbitmq_will_never_take_is_given_up_by_name_and_its_contents_are_not_shown(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    watched = Watched(rabbit.url, tmp_path, site)
    async with watched.serving():
        assert (await watched.message(1, args=[MARKER * 40_000])).outcome is ENQUEUED
        assert (await watched.message(2)).outcome is ENQUEUED
        warned = await watched.hears(Warned, code="message-given-up")
        assert [one.headers["id"] for one in await arrived(rabbit, watched.queue, 1)] == ["message-2"]
    assert "message-1" in warned.text
    assert MARKER not in repr(watched.said)


@needs_rabbitmq
async def test_tasks_are_told_of_when_the_application_wants_it(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    exchange, heard = queue_name(), queue_name()
    with rabbit.connection() as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
        channel.queue_declare(heard, durable=True, auto_delete=False)
        channel.queue_bind(heard, exchange, "task.#")
    watched = Watched(rabbit.url, tmp_path, site, task_send_sent_event=True, event_exchange=exchange)
    async with watched.serving():
        await watched.order("1")
        [event] = await arrived(rabbit, heard, 1)
    body = json.loads(event.body)
    assert (body["type"], body["uuid"], body["name"]) == ("task-sent", "bell-1", "app.task")


# -- whose turn it is --------------------------------------------------------------------------------------------------


@needs_rabbitmq
async def test_a_second_daemon_stands_by_hands_on_its_own_messages_and_goes_on_where_the_first_ended(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    one, two = Watched(rabbit.url, tmp_path / "one", site), Watched(rabbit.url, tmp_path / "two", site)
    async with two.serving() as second:
        async with one.serving():
            pass  # two was first: one may look, and leaves again
        assert one.heard(BrokerLost, code="site-taken")
    async with one.serving() as first:
        assert (await one.order("1")).outcome is ENQUEUED
        async with two.serving() as second:
            lost = await two.hears(BrokerLost, code="site-taken")
            assert "stands by" in lost.reason
            assert (second.seen.state, second.is_up.is_set()) == (BrokerState.DOWN, True)
            assert (await two.order("2", expect="1")).outcome is NOT_SENT
            with pytest.raises(BrokerDown, match="site-taken"):
                await second.read(two.entries, ["bell"])
            assert (await two.message(1)).outcome is ENQUEUED
            assert (await second.read(two.feed, ["seq"])).values == {"seq": "1"}
            await first.drain()
            await until(lambda: second.seen.state is BrokerState.UP)
            assert (await second.read(two.entries, ["bell"])).values == {"bell": "1"}
            assert (await two.order("2", expect="1")).outcome is ENQUEUED
    assert sorted(drained_ids(rabbit, one.queue)) == ["bell-1", "bell-2", "message-1"]


@needs_rabbitmq
async def test_a_daemon_that_comes_back_takes_what_another_has_left_before_what_it_knew(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    one, two = Watched(rabbit.url, tmp_path / "one", site), Watched(rabbit.url, tmp_path / "two", site)
    async with one.serving():
        await one.order("1")
    async with two.serving():
        assert (await two.order("2", expect="1")).outcome is ENQUEUED
    again = Watched(rabbit.url, tmp_path / "one", site)
    async with again.serving() as dispatcher:
        assert (await dispatcher.read(again.entries, ["bell"])).values == {"bell": "2"}
        assert (await again.order("2", expect="1")).outcome is ALREADY


@needs_rabbitmq
async def test_what_another_program_left_in_the_queue_is_told_and_passed_over(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    watched = Watched(rabbit.url, tmp_path, site)
    async with watched.serving():
        await watched.order("1")
    with rabbit.connection() as connection:
        channel = connection.channel()
        channel.basic_publish(channel.prepare_message(b"not ours"), exchange="", routing_key=f"carillon.{site}.ledger")
    again = Watched(rabbit.url, tmp_path, site)
    async with again.serving() as dispatcher:
        assert again.heard(Warned, code="handover-unreadable")
        assert (await dispatcher.read(again.entries, ["bell"])).values == {"bell": "1"}


@needs_rabbitmq
async def test_without_the_connection_nothing_is_taken_and_it_is_told_once(
    rabbit: RabbitServer, site: Public, tmp_path: Path
) -> None:
    async with BadLink(rabbit.port) as link:
        watched = Watched(f"amqp://guest:guest@127.0.0.1:{link.port}//", tmp_path, site)
        async with watched.serving() as dispatcher:
            assert (await watched.order("1")).outcome is ENQUEUED
            await arrived(rabbit, watched.queue, 1)
            link.refuse()
            await until(lambda: cut(link) or dispatcher.seen.state is BrokerState.DOWN)
            assert (await watched.order("2", expect="1")).outcome is NOT_SENT
            assert (await watched.message(1)).outcome is NOT_SENT
            with pytest.raises(BrokerDown):
                await dispatcher.read(watched.entries, ["bell"])
            link.lose_replies(0)
            link.accept()
            await until(lambda: dispatcher.seen.state is BrokerState.UP)
            assert (await watched.order("2", expect="1")).outcome is ENQUEUED
            assert (await watched.message(1)).outcome is ENQUEUED
            found = await arrived(rabbit, watched.queue, 2)
    assert sorted(one.headers["id"] for one in found) == ["bell-2", "message-1"]
    assert [one.code for one in watched.heard(BrokerLost)] == ["broker-unavailable"]


def cut(link: BadLink) -> bool:
    """Reset whichever connection hears of the server next, and then the one after it."""
    link.lose_replies()
    return False


@needs_rabbitmq
async def test_a_look_that_is_too_long_ago_does_not_count(rabbit: RabbitServer, site: Public, tmp_path: Path) -> None:
    """A process that was stopped for a minute does not know that another has the lock by now."""
    clock = SetClock()
    watched = Watched(rabbit.url, tmp_path, site, clock)
    async with watched.serving() as dispatcher:
        clock.advance(HOLD_LIMIT_S)
        assert (await watched.order("1")).outcome is ENQUEUED
        clock.advance(0.001)
        assert (await watched.order("2", expect="1")).outcome is NOT_SENT
        assert (await watched.message(1)).outcome is ENQUEUED
        await dispatcher._turn.look()
        assert (await watched.order("2", expect="1")).outcome is ENQUEUED


async def test_a_broker_that_is_away_is_told_with_its_address_and_not_its_password(
    site: Public, tmp_path: Path
) -> None:
    watched = Watched("amqp://user:s3cret@127.0.0.1:1//", tmp_path, site)
    async with watched.serving():
        assert (await watched.message(1)).outcome is NOT_SENT
        [lost] = watched.heard(BrokerLost)
    assert (lost.code, lost.address) == ("broker-unavailable", "amqp://user:***@127.0.0.1:1//")
    assert "s3cret" not in repr(watched.said)


async def test_a_state_folder_serves_one_daemon_and_a_drained_dispatcher_can_be_opened_again(
    site: Public, tmp_path: Path
) -> None:
    url = "amqp://127.0.0.1:1//"
    watched, other = Watched(url, tmp_path, site), Watched(url, tmp_path, site)
    await watched.dispatcher.open()
    with pytest.raises(LedgerFailed, match="another process"):
        await other.dispatcher.open()
    await watched.dispatcher.drain()
    assert (await watched.message(1)).outcome is NOT_SENT
    async with watched.serving():
        pass


async def test_a_file_that_fails_ends_the_service_with_an_error_that_is_retried(
    site: Public, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, *_: object) -> None:
        del self
        message = "the disk does not work"
        raise OutboxFailed(message)

    watched = Watched("amqp://127.0.0.1:1//", tmp_path, site)
    await watched.dispatcher.open()
    with monkeypatch.context() as failing:
        failing.setattr(OutboxStore, "waiting", broken)
        with pytest.raises(LedgerFailed, match="the disk does not work") as caught:
            await watched.dispatcher.serve()
    assert caught.value.retryable
    async with watched.serving():
        pass


# -- results -----------------------------------------------------------------------------------------------------------


async def test_results_in_redis_are_looked_up(site: Public, tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        watched = Watched("amqp://127.0.0.1:1//", tmp_path, site, result_backend=valkey.url)
        meta = {"status": "SUCCESS", "result": 1, "traceback": None, "children": [], "task_id": "a"}
        valkey.client.set("celery-task-meta-a", json.dumps(meta))
        async with watched.serving() as dispatcher:
            assert await dispatcher.finished(["a", "b"]) == {"a"}
            valkey.kill()
            with pytest.raises(BrokerDown):
                await dispatcher.finished(["a"])


async def test_results_in_a_database_are_read_through_celery(tmp_path: Path) -> None:
    url = f"db+sqlite:///{tmp_path}/results.db"
    app = Celery(broker="memory://", backend=url, set_as_current=False)
    app.backend.store_result("a", 5, "SUCCESS")
    kept = KeptResults(
        {"result_backend": url, "task_routes": [{"kind": "map", "pairs": []}], "broker_url": "amqp://x//"}
    )
    try:
        with anyio.fail_after(LIMIT_S):
            found = await kept.fetch(["a", "b"])
    finally:
        await kept.close()
    assert {task_id: meta.state for task_id, meta in found.items()} == {"a": "SUCCESS"}


@pytest.mark.parametrize("backend", [None, "rpc://", "disabled://"])
async def test_results_nobody_else_can_read_are_not_kept(backend: str | None) -> None:
    kept = KeptResults({"result_backend": backend})
    assert await kept.fetch(["a"]) == {}
    await kept.close()


# -- which dispatcher --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://h/0", CeleryDispatcher),
        ("amqp://h//", OutboxDispatcher),
        ("amqps://h//", OutboxDispatcher),
        ("pyamqp://a;b", OutboxDispatcher),
    ],
)
async def test_the_broker_decides(tmp_path: Path, site: Public, url: str, kind: type) -> None:
    made = make_dispatcher(
        CelerySide({"broker_url": url}), site=site, state_dir=tmp_path, clock=SystemClock(), emit=lambda _: None
    )
    assert isinstance(made, kind)
    await made.drain()


def test_a_daemon_does_not_run_on_any_other_broker(tmp_path: Path, site: Public) -> None:
    with pytest.raises(SettingsInvalid, match="needs Redis, Valkey or RabbitMQ"):
        make_dispatcher(
            CelerySide({"broker_url": "sqs://"}),
            site=site,
            state_dir=tmp_path,
            clock=SystemClock(),
            emit=lambda _: None,
        )


@pytest.mark.parametrize(
    ("url", "more", "problems"),
    [
        ("sqs://", {}, []),
        ("sqs://", {"feeds": ADT_FEED}, ["celery.broker_url"]),
        ("sqs://", {"schedule": '[schedule.a]\ntask = "t"\nevery = "1h"\n'}, ["celery.broker_url"]),
        ("amqp://h//", {"feeds": ADT_FEED}, []),
        ("amqp://h:port//", {"feeds": ADT_FEED}, ["celery.broker_url"]),
        (
            "amqp://h//",
            {"schedule": '[schedule.a]\ntask = "t"\nevery = "1h"\noptions = { headers = { CC = "q" } }\n'},
            ["schedule.a"],
        ),
    ],
)
def test_a_site_file_says_whether_a_daemon_could_run(
    tmp_path: Path, url: str, more: dict[str, str], problems: list[str]
) -> None:
    checked = check_site(write_site(tmp_path, site_text(broker_url=url, **more)), {})
    assert [show_path(one.problem.path) for one in checked.problems] == problems
