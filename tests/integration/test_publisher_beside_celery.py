"""Lists and results lie where Celery itself puts them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from celery import Celery

from shim.claim import Write
from shim.errors import BrokerUnavailable
from shim.results import Results, TaskMeta, result_key_prefix
from shim.transport import RedisTransport
from tests.support.publishing import (
    linked,
    message,
    publishing,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("priority", [0, 2, 3, 9])
@pytest.mark.parametrize(
    "transport",
    [RedisTransport(), RedisTransport("site:", (0, 1, 5), "/"), RedisTransport(priority_steps=(3, 6))],
    ids=["as it is", "all options", "no step 0"],
)
async def test_a_message_lies_in_the_list_celery_itself_would_use(
    valkey: ValkeyServer, transport: RedisTransport, priority: int
) -> None:
    options = {
        "global_keyprefix": transport.key_prefix,
        "priority_steps": transport.priority_steps,
        "sep": transport.separator,
    }
    app = Celery("judge", broker=valkey.url, set_as_current=False)
    app.conf.broker_transport_options = options
    app.send_task("app.task", queue="wards", priority=priority, ignore_result=True)
    app.close()
    lists: Any = [key for key in valkey.client.keys("*") if valkey.client.type(key) == b"list"]
    assert [valkey.client.llen(key) for key in lists] == [1]
    async with publishing(valkey.url, transport) as publisher:
        await publisher.write([Write(None, (message(queue="wards", priority=priority),))])
    assert [valkey.client.llen(key) for key in lists] == [2]


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # Celery's own call
@pytest.mark.parametrize("prefix", ["", "site", "site:"])
async def test_results_are_read_where_celery_stores_them(valkey: ValkeyServer, prefix: str) -> None:
    app = Celery("judge", backend=valkey.url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    app.backend.store_result("done", {"a": [1]}, "SUCCESS")
    app.backend.store_result("failed", ValueError("boom"), "FAILURE")
    app.backend.store_result("odd", float("inf"), "SUCCESS")
    app.backend.store_result("running", {"pid": 1}, "STARTED")
    app.close()
    async with linked(valkey.url) as link:
        results = Results(link, key_prefix=result_key_prefix(prefix))
        found = await results.fetch(["done", "failed", "odd", "running", "unknown", "done"])
        assert await results.fetch([]) == {}
    assert {name: (meta.state, meta.is_ready) for name, meta in found.items()} == {
        "done": ("SUCCESS", True),
        "failed": ("FAILURE", True),
        "odd": ("SUCCESS", True),
        "running": ("STARTED", False),
    }
    assert found["done"].date_done is not None
    assert replace(found["done"], date_done=None) == TaskMeta("done", "SUCCESS", {"a": [1]})


async def test_without_a_server_results_are_unavailable() -> None:
    async with linked("redis://127.0.0.1:1/0") as link:
        with pytest.raises(BrokerUnavailable):
            await Results(link).fetch(["any"])
