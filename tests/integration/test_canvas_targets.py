"""Entries whose target is a chain, a group or a chord, run once by unmodified workers of the oldest and the newest Celery."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis

from daemon.clock import SystemClock, instant
from daemon.dispatch import CeleryDispatcher, CelerySide
from daemon.keys import occurrence_id, part_id
from daemon.ports import Order, Settled, Settlement, Ticket, WorkItem
from daemon.public import Public
from daemon.scheduler.template import Context, render
from shim.results import Results, TaskMeta
from tests.support.publishing import linked
from tests.support.valkey import ValkeyServer
from tests.support.worker import NEW, OLD
from tests.support.workflow_worker import workflow_worker

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
LEDGER = Public("carillon:1:lab:entries")
SHOW = {"task": "flow.show", "args": ["{{ occurrence_date }}"], "kwargs": {"id": "{{ task_id }}"}}
CHAIN = {"kind": "chain", "tasks": [SHOW, SHOW, {**SHOW, "options": {"queue": "q1"}}]}
GROUP = {"kind": "group", "tasks": [SHOW, SHOW]}
CHORD = {"kind": "chord", "header": [SHOW, SHOW, SHOW], "body": SHOW}


@dataclass(frozen=True)
class House:
    """A server and a worker whose results are in another database under a prefix."""

    server: ValkeyServer

    @property
    def results_url(self) -> str:
        return self.server.url.removesuffix("/0") + "/1"

    @property
    def conf(self) -> dict[str, Any]:
        return {
            "broker_url": self.server.url,
            "result_backend": self.results_url,
            "result_backend_transport_options": {"global_keyprefix": "rp"},
            "broker_connection_retry_on_startup": True,
        }

    @asynccontextmanager
    async def dispatcher(self, **more: Any) -> AsyncIterator[CeleryDispatcher]:
        made = CeleryDispatcher(CelerySide({**self.conf, **more}), SystemClock(), lambda _: None, site=Public("lab"))
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(made.serve)
                yield made
                await made.drain()

    @contextmanager
    def kept(self) -> Iterator[Any]:
        """Open the database results are in."""
        with redis.Redis.from_url(self.results_url) as client:
            yield client

    def now_us(self) -> int:
        seconds, micros = self.server.client.time()
        return int(seconds) * 1_000_000 + int(micros)

    def finished(self, *task_ids: str) -> dict[str, TaskMeta]:
        """Wait until all have a final result; give them."""

        async def fetch() -> dict[str, TaskMeta]:
            async with linked(self.results_url) as link:
                return await Results(link, key_prefix="rp_").fetch(task_ids)

        deadline = time.monotonic() + LIMIT_S
        while True:
            found = anyio.run(fetch)
            if len(found) == len(task_ids) and all(meta.is_ready for meta in found.values()):
                return found
            assert time.monotonic() < deadline, f"{found} of {task_ids}"
            time.sleep(0.02)

    def results(self, *task_ids: str) -> list[dict[str, Any]]:
        found = self.finished(*task_ids)
        return [found[task_id].result for task_id in task_ids]


@pytest.fixture(scope="module", params=[pytest.param(NEW, id="celery-5.7"), pytest.param(OLD, id="celery-5.3")])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    python: Path = request.param
    with ValkeyServer(append_only=False) as server:
        made = House(server)
        with workflow_worker(made.conf, python=python):
            yield made


@pytest.fixture(scope="module")
def quiet() -> Iterator[House]:
    """Give a server without a worker."""
    with ValkeyServer(append_only=False) as server:
        yield House(server)


def order(name: str, canvas: Mapping[str, Any], at_us: int) -> Order:
    """Write the order of one occurrence, its templates filled in."""
    task_id = occurrence_id("lab", name, at_us)
    context = Context("lab", name, task_id, at_us)
    item = WorkItem(
        Public(name), task_id, canvas=render(canvas, context), headers={"periodic_task_name": name}, args_shown=""
    )
    return Order(Ticket(LEDGER, name, None, f"at:{at_us}", at_us), item)


def run_twice(house: House, name: str, canvas: Mapping[str, Any]) -> tuple[str, str]:
    """Have two daemons give the order of one occurrence at once; give its id and its date."""
    at_us = house.now_us()

    async def race() -> list[Settlement]:
        found: list[Settlement] = []

        async def give(dispatcher: CeleryDispatcher) -> None:
            found.extend(await dispatcher.dispatch([order(name, canvas, at_us)]))

        async with house.dispatcher() as one, house.dispatcher() as two, anyio.create_task_group() as tasks:
            tasks.start_soon(give, one)
            tasks.start_soon(give, two)
        return found

    outcomes = {settlement.outcome for settlement in anyio.run(race)}
    assert outcomes == {Settled.ENQUEUED, Settled.ALREADY}
    return occurrence_id("lab", name, at_us), instant(at_us).date().isoformat()


def check_nothing_waits(house: House) -> None:
    """Check that nothing is left in the queues, so that nothing of it runs again."""
    assert house.server.client.llen("celery") == house.server.client.llen("q1") == 0


def test_a_chain_runs_once_and_its_last_task_has_the_id_of_the_occurrence(house: House) -> None:
    task_id, date = run_twice(house, "a-chain", CHAIN)
    one, two, three = results = house.results(part_id(task_id, "0"), part_id(task_id, "1"), task_id)
    assert (one["args"], one["kwargs"]) == ([date], {"id": task_id})
    assert (two["args"], three["args"], three["queue"]) == ([one, date], [two, date], "q1")
    assert {result["root"] for result in results} == {part_id(task_id, "0")}
    check_nothing_waits(house)


def test_members_of_a_group_run_once_and_the_occurrence_leads_to_them(house: House) -> None:
    task_id, date = run_twice(house, "a-group", GROUP)
    results = house.results(part_id(task_id, "0"), part_id(task_id, "1"))
    assert [(result["args"], result["kwargs"], result["group"]) for result in results] == [
        ([date], {"id": task_id}, task_id)
    ] * 2
    with house.kept() as kept:
        saved = kept.get(f"rp_celery-taskset-meta-{task_id}")
    assert part_id(task_id, "1").encode() in saved
    check_nothing_waits(house)


def test_the_body_of_a_chord_runs_once_with_the_id_of_the_occurrence(house: House) -> None:
    task_id, date = run_twice(house, "a-chord", CHORD)
    [body] = house.results(task_id)
    header = house.results(*(part_id(task_id, f"header {place}") for place in range(3)))
    assert body["args"] == [header, date]
    assert body["kwargs"] == {"id": task_id}
    check_nothing_waits(house)


def test_several_occurrences_in_one_call_each_have_their_chord(house: House) -> None:
    at_us = house.now_us() - 3

    async def dispatch() -> list[Settlement]:
        first, second = order("row", CHORD, at_us), order("row", CHORD, at_us + 1)
        after = Order(second.ticket._replace(expect=first.ticket.advance_to), second.item)
        async with house.dispatcher() as dispatcher:
            return await dispatcher.dispatch([first, after])

    assert [one.outcome for one in anyio.run(dispatch)] == [Settled.ENQUEUED] * 2
    ids = [occurrence_id("lab", "row", at_us + place) for place in range(2)]
    assert [len(result["args"][0]) for result in house.results(*ids)] == [3, 3]


def test_a_chord_waits_while_the_result_back_end_is_away_and_others_do_not(quiet: House) -> None:
    at_us = quiet.now_us()

    async def dispatch() -> list[Settlement]:
        async with quiet.dispatcher(result_backend="redis://127.0.0.1:1/1") as dispatcher:
            return await dispatcher.dispatch([order("away", CHORD, at_us), order("chain", CHAIN, at_us)])

    chord, chain = anyio.run(dispatch)
    assert (chord.outcome, chord.found) == (Settled.BLOCKED, "the result back-end does not answer")
    assert chain.outcome is Settled.ENQUEUED
    assert quiet.server.client.hget(LEDGER, "away") is None


def test_an_order_that_was_carried_out_leaves_nothing_more_in_the_result_back_end(quiet: House) -> None:
    at_us = quiet.now_us()

    async def dispatch() -> list[Settlement]:
        async with quiet.dispatcher() as dispatcher:
            first = await dispatcher.dispatch([order("again", CHORD, at_us)])
            with quiet.kept() as kept:
                kept.flushdb()  # as when the chord is over
            return [*first, *await dispatcher.dispatch([order("again", CHORD, at_us)])]

    assert [one.outcome for one in anyio.run(dispatch)] == [Settled.ENQUEUED, Settled.ALREADY]
    with quiet.kept() as kept:
        assert kept.dbsize() == 0
