"""How workflows go out: what is stored first, all at once, and what is left when something fails in between."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery, chord

from shim.canvas import CanvasPlan, CanvasRules, CanvasSender, Chain, Chord, Group, Part, plan_canvas
from shim.claim import Claim, Outcome
from shim.errors import BrokerUnavailable, PublishUncertain, RequestInvalid
from shim.link import Link
from shim.results import ResultKeys
from shim.routing import Route, Router
from shim.signature import Signature
from tests.support.proxy import BadLink
from tests.support.publishing import PATIENCE_S, bad_link, linked, make_link, publishing, queued, through
from tests.support.valkey import ValkeyServer, free_port

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEYS = ResultKeys("rp_")
RULES = CanvasRules(KEYS, expires_s=3600)
ROUTER = Router({"far.*": Route("far")}, default_queue="q")
SIZE, CALLBACK = "rp_celery-taskset-meta-id-1.s", "rp_celery-taskset-meta-id-1.c"


def task(name: str, **options: Any) -> Signature:
    return Signature(name, options=options)


CHORD = Chord([task("a"), task("b"), task("far.c")], task("body"))


def plan(part: Part = CHORD, rules: CanvasRules = RULES) -> CanvasPlan:
    numbers = itertools.count(1)
    planned = plan_canvas(part, route=ROUTER.route, new_id=lambda: f"id-{next(numbers)}", at=NOW, rules=rules)
    assert isinstance(planned, CanvasPlan)
    return planned


@asynccontextmanager
async def sending(url: str, results: str | Link | None) -> AsyncIterator[CanvasSender]:
    tags = (f"tag-{number}" for number in itertools.count())
    async with publishing(url) as publisher:
        link = make_link(results) if isinstance(results, str) else results
        yield CanvasSender(publisher, link, origin="test", new_tag=lambda: next(tags))
        if isinstance(results, str) and link is not None:
            await link.close()


def stored(server: ValkeyServer) -> dict[str, Any]:
    """Give what a chord counts by, with its time to live in seconds."""
    client = server.client
    return {key.decode(): (client.get(key), client.ttl(key)) for key in client.keys("rp_*")}


def commands(server: ValkeyServer) -> dict[str, int]:
    found: Any = server.client.info("commandstats")
    names = ("lpush", "evalsha", "eval", "set", "del")
    return {name: found[f"cmdstat_{name}"]["calls"] for name in names if f"cmdstat_{name}" in found}


async def test_a_chord_is_counted_before_its_messages_are_pushed_all_at_once(valkey: ValkeyServer) -> None:
    async with sending(valkey.url, valkey.url) as sender:
        await sender.send(plan(Chain([task("warm"), task("up")])), at=NOW)
        valkey.client.delete("q")
        valkey.client.config_resetstat()
        assert (await sender.send(plan(), at=NOW)).outcome is Outcome.WRITTEN
    assert stored(valkey) == {SIZE: (b"3", 3600)}
    assert (queued(valkey, "q"), queued(valkey, "far")) == (["id-2", "id-3"], ["id-4"])
    counts = commands(valkey)
    assert (counts["set"], counts["del"]) == (1, 1)
    assert counts.get("evalsha", 0) + counts.get("eval", 0) <= 2  # one, and one more if the script was not loaded
    assert counts["lpush"] == 2  # one for each queue, inside the script


async def test_a_group_of_hundreds_goes_out_in_one_command(valkey: ValkeyServer) -> None:
    async with sending(valkey.url, None) as sender:
        valkey.client.config_resetstat()
        await sender.send(plan(Group([task(f"t{number}") for number in range(500)]), CanvasRules()), at=NOW)
    assert queued(valkey, "q") == [f"id-{number}" for number in range(2, 502)]
    assert commands(valkey)["lpush"] == 1


async def test_a_plan_of_nothing_is_written_without_a_word(valkey: ValkeyServer) -> None:
    async with sending("redis://127.0.0.1:1/0", None) as sender:
        assert (await sender.send(plan(Chain([])), at=NOW)).outcome is Outcome.WRITTEN
    assert valkey.client.dbsize() == 0


async def test_an_empty_plan_advances_its_claim(valkey: ValkeyServer) -> None:
    async with sending(valkey.url, None) as sender:
        await sender.send(plan(Group([])), at=NOW, claim=Claim("ledger", "one", None, "1"))
    assert valkey.client.hget("ledger", "one") == b"1"


async def test_every_message_has_a_tag_of_its_own(valkey: ValkeyServer) -> None:
    async with sending(valkey.url, valkey.url) as sender:
        await sender.send(plan(), at=NOW)
    payloads = b"".join(valkey.client.lrange("q", 0, -1) + valkey.client.lrange("far", 0, -1))
    assert all(payloads.count(f'"tag-{number}"'.encode()) == 1 for number in range(3))


async def test_without_the_result_database_nothing_is_pushed(valkey: ValkeyServer) -> None:
    async with sending(valkey.url, f"redis://127.0.0.1:{free_port()}/0") as sender:
        with pytest.raises(BrokerUnavailable):
            await sender.send(plan(), at=NOW)
    assert valkey.client.dbsize() == 0


async def test_a_lost_answer_of_the_result_database_leaves_only_a_key_that_expires(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy:
        await _lose_an_answer(valkey, proxy)
    assert stored(valkey).keys() == {SIZE}
    assert 0 < stored(valkey)[SIZE][1] <= 3600
    assert queued(valkey, "q") == []


async def _lose_an_answer(valkey: ValkeyServer, proxy: BadLink) -> None:
    async with linked(through(proxy), reply_timeout_s=PATIENCE_S) as link, sending(valkey.url, link) as sender:
        await link.call("PING")
        proxy.lose_replies()
        with pytest.raises(PublishUncertain):
            await sender.send(plan(), at=NOW)


async def test_without_a_broker_the_same_plan_can_be_sent_again_later(valkey: ValkeyServer) -> None:
    planned = plan()
    async with sending(f"redis://127.0.0.1:{free_port()}/0", valkey.url) as sender:
        assert (await sender.send(planned, at=NOW)).outcome is Outcome.NOT_WRITTEN
    assert stored(valkey).keys() == {SIZE}
    async with sending(valkey.url, valkey.url) as sender:
        assert (await sender.send(planned, at=NOW)).outcome is Outcome.WRITTEN
    assert (queued(valkey, "q"), queued(valkey, "far")) == (["id-2", "id-3"], ["id-4"])


async def test_a_chord_that_runs_already_is_not_disturbed_by_sending_it_again(valkey: ValkeyServer) -> None:
    """A worker that claimed the callback gives up if its claim is gone, and the body would never run."""
    planned, claim = plan(), Claim("ledger", "one", None, "1")
    async with sending(valkey.url, valkey.url) as sender:
        await sender.send(planned, at=NOW, claim=claim)
        valkey.client.set(CALLBACK, "token of a worker")
        assert (await sender.send(planned, at=NOW, claim=claim)).outcome is Outcome.ALREADY
    assert valkey.client.get(CALLBACK) == b"token of a worker"


async def test_what_an_earlier_run_of_the_group_left_is_removed(valkey: ValkeyServer) -> None:
    valkey.client.set(CALLBACK, "done")
    async with sending(valkey.url, valkey.url) as sender:
        await sender.send(plan(), at=NOW)
    assert valkey.client.get(CALLBACK) is None


async def test_a_message_no_worker_could_take_is_refused_before_anything_is_stored(valkey: ValkeyServer) -> None:
    planned = plan()
    request, targets = planned.messages[1]
    broken = CanvasPlan(
        (planned.messages[0], planned.messages[1]._replace(request=request._replace(task_id=""), targets=targets)),
        planned.steps,
        store=planned.store,
    )
    async with sending(valkey.url, valkey.url) as sender:
        with pytest.raises(RequestInvalid, match="task_id"):
            await sender.send(broken, at=NOW)
    assert valkey.client.dbsize() == 0


async def test_a_chord_without_a_link_to_results_is_refused(valkey: ValkeyServer) -> None:
    async with sending(valkey.url, None) as sender:
        with pytest.raises(RequestInvalid, match="a link to the result database"):
            await sender.send(plan(), at=NOW)
    assert valkey.client.dbsize() == 0


@pytest.fixture
def stock(valkey: ValkeyServer) -> Iterator[Any]:
    """Stock Celery with the same database and prefix."""
    with Celery("stock", broker="memory://", backend=valkey.url, set_as_current=False) as app:
        app.conf.result_backend_transport_options = {"global_keyprefix": "rp"}
        app.conf.result_expires = 3600
        app.backend.on_task_call = lambda *_: {}
        app.backend.add_pending_result = lambda result, **_: result
        app.backend.add_pending_results = lambda results, **_: list(results)
        yield app
        app.connection_for_write().channel()._purge("celery")  # memory is one for all applications of a process


@pytest.mark.parametrize("count", [1, 2, 7])
async def test_what_is_stored_is_what_celery_stores(valkey: ValkeyServer, stock: Any, count: int) -> None:
    header = [stock.signature(f"t{number}") for number in range(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        result = chord(header, stock.signature("body"), app=stock).apply_async()
    group_id = result.parent.id
    celerys = {key.replace(group_id, "id-1"): value for key, value in stored(valkey).items()}
    valkey.client.flushall()
    async with sending(valkey.url, valkey.url) as sender:
        await sender.send(plan(Chord([task(f"t{number}") for number in range(count)], task("body"))), at=NOW)
    ours = stored(valkey)
    assert {key: value for key, (value, _) in ours.items()} == {key: value for key, (value, _) in celerys.items()}
    assert all(abs(ours[key][1] - celerys[key][1]) <= 1 for key in ours)


@pytest.mark.parametrize("expires_s", [0, 5])
async def test_results_that_never_expire_have_chords_that_never_expire(valkey: ValkeyServer, expires_s: int) -> None:
    rules = CanvasRules(KEYS, expires_s=expires_s, save_groups=True)
    async with sending(valkey.url, valkey.url) as sender:
        await sender.send(plan(rules=rules), at=NOW)
        await sender.send(plan(Group([task("a")]), rules), at=NOW)
    assert {ttl for _, ttl in stored(valkey).values()} == {expires_s or -1}
    assert len(stored(valkey)) == 2
