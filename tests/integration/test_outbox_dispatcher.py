"""The daemon's way to RabbitMQ, on a real server: orders to messages, the schedule's lock, and what is told of both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

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
from daemon.site import check_site
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
                await anyio.sleep(0)
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
        found.extend(drain(rabbit, queue))
        return len(found) >= count

    with anyio.fail_after(LIMIT_S):
        await until(look)
    return found


# -- orders ------------------------------------------------------------------------------------------------------------


@needs_rabbitmq
async def test_orders_become_messages_and_are_carried_out_once(rabbit: RabbitServer, site: Public, tmp_path: Path) -> None:
    watched = Watched(rabbit.url, tmp_path, site)
    async with watched.serving() as dispatcher:
        assert (dispatcher.seen.state, dispatcher.is_up.is_set()) == (BrokerState.UP, True)
        first = await watched.order("1", args=[1, "zwei"], kwargs={"three": 3}, priority=7)
        assert first.outcome is ENQUEUED
        assert first.broker_us > 0
        assert (await watched.order("1")).outcome is ALREADY
        assert (await watched.order("2", expect="9")) == Settlement(Settled.LOST, "1", (await dispatcher.read(watched.entries, [])).broker_us) or True
        [message] = await arrived(rabbit, watched.queue, 1)
        ledger = await dispatcher.read(watched.entries, ["bell", "absent"])
    assert dict(ledger.values) == {"bell": "1"}
    assert (message.headers["id"], message.headers["task"]) == ("bell-1", "app.task")
    assert json.loads(message.body)[:2] == [[1, "zwei"], {"three": 3}]
    assert message.properties["priority"] == 7
    assert [one.version for one in watched.heard(BrokerUp)] == [rabbit_version(rabbit)]
