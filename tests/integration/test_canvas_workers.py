"""Workflows sent by the shim, run by unmodified workers of the oldest and the newest Celery."""

from __future__ import annotations

import itertools
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis
from celery import Celery

from shim.canvas import CanvasPlan, CanvasRules, CanvasSender, Chain, Chord, Group, Part, plan_canvas
from shim.claim import Claim, Outcome
from shim.results import ResultKeys, Results, TaskMeta
from shim.routing import Router
from shim.signature import Signature
from tests.support.publishing import linked, publishing
from tests.support.valkey import ValkeyServer
from tests.support.worker import NEW, OLD
from tests.support.workflow_worker import workflow_worker

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEYS = ResultKeys("rp_")
RULES = CanvasRules(KEYS, save_groups=True)
ROUTER = Router({})


def show(*args: Any, immutable: bool = False, **options: Any) -> Signature:
    return Signature("flow.show", args, options=options, immutable=immutable)


def add(*numbers: Any, **options: Any) -> Signature:
    return Signature("flow.add", numbers, options=options)


def fail(**options: Any) -> Signature:
    return Signature("flow.fail", options=options)


@dataclass(frozen=True)
class House:
    """A server, a worker whose results are in another database under a prefix, and Celery's own client."""

    server: ValkeyServer
    celery: Any
    names: Iterator[int]

    def new_id(self) -> str:
        return f"id-{next(self.names)}"

    def plan(self, part: Part) -> CanvasPlan:
        planned = plan_canvas(part, route=ROUTER.route, new_id=self.new_id, at=NOW, rules=RULES)
        assert isinstance(planned, CanvasPlan)
        return planned

    def send(self, part: Part) -> CanvasPlan:
        planned = self.plan(part)
        assert self.push(planned) is Outcome.WRITTEN
        return planned

    def push(self, planned: CanvasPlan, claim: Claim | None = None) -> Outcome:
        async def push() -> Outcome:
            async with AsyncExitStack() as stack:
                publisher = await stack.enter_async_context(publishing(self.server.url))
                results = await stack.enter_async_context(linked(results_url(self.server)))
                sender = CanvasSender(publisher, results, origin="test", new_tag=lambda: os.urandom(8).hex())
                return (await sender.send(planned, at=NOW, claim=claim)).outcome

        return anyio.run(push)

    def metas(self, *task_ids: str) -> dict[str, TaskMeta]:
        async def fetch() -> dict[str, TaskMeta]:
            async with linked(results_url(self.server)) as link:
                return await Results(link, key_prefix="rp_").fetch(task_ids)

        return anyio.run(fetch)

    def finished(self, *task_ids: str) -> dict[str, TaskMeta]:
        """Wait until all have a final result; give them."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            found = self.metas(*task_ids)
            if len(found) == len(task_ids) and all(meta.is_ready for meta in found.values()):
                return found
            assert time.monotonic() < deadline, f"{found} of {task_ids}"
            time.sleep(0.02)

    def results(self, *task_ids: str) -> list[Any]:
        found = self.finished(*task_ids)
        return [found[task_id].result for task_id in task_ids]

    def idle(self) -> None:
        """Wait until the worker has done what it was given; a task put last comes after all it was given before."""
        self.finished(*self.send(show()).task_ids)


def results_url(server: ValkeyServer) -> str:
    return server.url.removesuffix("/0") + "/1"


def conf(server: ValkeyServer) -> dict[str, Any]:
    return {
        "broker_url": server.url,
        "result_backend": results_url(server),
        "result_backend_transport_options": {"global_keyprefix": "rp"},
        "broker_connection_retry_on_startup": True,
        "worker_prefetch_multiplier": 1,
    }


@pytest.fixture(scope="module", params=[pytest.param(NEW, id="celery-5.7"), pytest.param(OLD, id="celery-5.3")])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    python: Path = request.param
    with (
        ValkeyServer(append_only=False) as server,
        workflow_worker(conf(server), python=python),
        Celery("reader", set_as_current=False) as celery,
    ):
        celery.conf.update(conf(server))
        celery.backend.add_pending_result = lambda result, **_: result  # it reads, and follows nothing
        celery.backend.add_pending_results = lambda results, **_: list(results)
        yield House(server, celery, itertools.count(1))


# -- chains ------------------------------------------------------------------------------------------------------------


def test_each_step_of_a_chain_gets_the_result_of_the_one_before(house: House) -> None:
    planned = house.send(Chain([add(1, 2), add(10), show("last", queue="q1")]))
    first, second, last = house.results(*planned.task_ids)
    assert (first, second, last["args"], last["queue"]) == (3, 13, [13, "last"], "q1")


def test_steps_know_their_root_and_their_parent_and_parents_know_their_children(house: House) -> None:
    planned = house.send(Chain([show(), show(immutable=True), show(immutable=True)]))
    results = house.results(*planned.task_ids)
    one, two, three = planned.task_ids
    assert [(result["root"], result["parent"]) for result in results] == [(one, None), (one, one), (one, two)]
    metas = house.metas(*planned.task_ids)
    assert [[child.id for child in metas[task_id].children] for task_id in planned.task_ids] == [[two], [three], []]
    assert [step.parent_ids for step in planned.steps] == [(), (one,), (two,)]


def test_celerys_own_client_reads_the_result_of_a_chain(house: House) -> None:
    planned = house.send(Chain([add(1, 2), add(10)]))
    house.finished(*planned.task_ids)
    assert house.celery.AsyncResult(planned.result_id).get(timeout=LIMIT_S) == 13


def test_a_link_of_a_chain_gets_the_result_of_its_last_step(house: House) -> None:
    link = house.new_id()
    house.send(Chain([add(1), add(2)], links=[show("linked", task_id=link)]))
    [result] = house.results(link)
    assert result["args"] == [3, "linked"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_failing_step_calls_the_error_link_of_the_chain_with_its_id_and_ends_it(house: House, place: int) -> None:
    note = house.new_id()
    steps = [add(1), add(2), add(3)]
    steps[place] = fail()
    planned = house.send(Chain(steps, error_links=[show(task_id=note)]))
    failed = planned.task_ids[place]
    assert house.finished(failed)[failed].state == "FAILURE"
    [result] = house.results(note)
    assert (result["args"], result["root"]) == ([failed], planned.root_id)
    # Celery stores the failure under the ids of the steps that will never run, so that whoever waits is told.
    after = house.finished(*planned.task_ids[place + 1 :])
    assert {meta.error.exc_type for meta in after.values() if meta.error} <= {"ValueError"}
    assert {meta.state for meta in after.values()} <= {"FAILURE"}


# -- groups ------------------------------------------------------------------------------------------------------------


def test_members_of_a_group_run_and_say_so(house: House) -> None:
    planned = house.send(Group([show(number) for number in range(5)]))
    results = house.results(*planned.task_ids)
    assert [result["args"] for result in results] == [[number] for number in range(5)]
    assert {result["group"] for result in results} == {planned.group_id}


def test_celerys_own_client_finds_a_saved_group_by_its_id_alone(house: House) -> None:
    planned = house.send(Group([add(number) for number in range(5)]))
    house.finished(*planned.task_ids)
    group = house.celery.GroupResult.restore(planned.group_id)
    assert [one.id for one in group.results] == list(planned.task_ids)
    assert [one.get(timeout=LIMIT_S) for one in group.results] == [0, 1, 2, 3, 4]


def test_a_group_is_saved_as_celery_saves_it(house: House) -> None:
    planned = house.send(Group([add(1), add(2)]))
    assert planned.group_id is not None
    client = database_of_results(house.server)
    key = KEYS.group(planned.group_id)
    ours, expires_ms = client.get(key), client.pttl(key)
    client.delete(key)
    ids = [house.celery.AsyncResult(task_id) for task_id in planned.task_ids]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Celery calls what redis-py would rather not have
        house.celery.GroupResult(planned.group_id, ids).save()
    assert without_spaces(ours) == without_spaces(client.get(key))
    assert abs(expires_ms - client.pttl(key)) < 60_000


# -- chords ------------------------------------------------------------------------------------------------------------


def test_the_body_of_a_chord_gets_the_results_of_its_header_in_order(house: House) -> None:
    planned = house.send(Chord([add(number) for number in range(6)], show("body")))
    assert planned.result_id is not None
    [body] = house.results(planned.result_id)
    assert body["args"] == [[0, 1, 2, 3, 4, 5], "body"]
    assert body["parent"] in planned.steps[-1].parent_ids
    assert body["root"] == body["parent"]
    assert house.celery.AsyncResult(planned.result_id).get(timeout=LIMIT_S) == body


def test_a_chord_leaves_nothing_to_count_by(house: House) -> None:
    planned = house.send(Chord([add(1), add(2)], add()))
    assert house.results(planned.task_ids[-1]) == [3]
    house.idle()
    left = {
        key.decode().rpartition(planned.group_id or "")[2]
        for key in database_of_results(house.server).keys(f"*{planned.group_id}*")
    }
    assert left <= {".c"}  # where 5.7 notes for some minutes that it is done


def test_a_chord_of_one_and_an_immutable_body(house: House) -> None:
    planned = house.send(Chord([add(1)], show("alone", immutable=True)))
    assert house.results(planned.task_ids[-1])[0]["args"] == ["alone"]


@pytest.mark.parametrize(
    "part",
    [
        Chord([add(1), add(2)], Chain([add(), add(10), show()])),
        Chain([Group([add(1), add(2)]), add(), add(10), show()]),
        Chain([Chord([add(1), add(2)], add()), add(10), show()]),
    ],
    ids=["chord with a chain", "group that goes on", "chord that goes on"],
)
def test_what_follows_a_header_runs_step_by_step(house: House, part: Part) -> None:
    planned = house.send(part)
    *_, ten, last = house.results(*planned.task_ids)
    assert (ten, last["args"]) == (13, [13])
    assert last["parent"] == planned.task_ids[-2]


@pytest.mark.parametrize("body", [1, 2], ids=["body of one", "body of two"])
def test_a_failing_header_fails_the_last_result_and_calls_the_error_link_of_the_body(house: House, body: int) -> None:
    note = house.new_id()
    steps = [add(), show()][-body:]
    planned = house.send(Chain([Group([add(1), fail()]), *steps], error_links=[show("note", task_id=note)]))
    assert planned.result_id is not None
    meta = house.finished(planned.result_id)[planned.result_id]
    assert (meta.state, meta.error is not None and meta.error.exc_type) == ("FAILURE", "ChordError")
    [result] = house.results(note)
    assert result["args"][1:] == ["note"]


def test_a_header_task_declared_without_a_result_counts_all_the_same(house: House) -> None:
    planned = house.send(Chord([Signature("flow.silent", (1,)), add(2)], show()))
    assert house.results(planned.task_ids[-1])[0]["args"] == [[1, 2]]


def test_a_chord_without_a_header_runs_its_body_with_an_empty_list(house: House) -> None:
    planned = house.send(Chord([], show(7)))
    assert house.results(*planned.task_ids)[0]["args"] == [[], 7]


def test_a_chord_written_again_under_its_claim_runs_once(house: House) -> None:
    planned = house.plan(Chord([add(1), add(2)], show()))
    claim = Claim("canvases", house.new_id(), None, "sent")
    assert house.push(planned, claim) is Outcome.WRITTEN
    assert house.push(planned, claim) is Outcome.ALREADY
    assert house.results(planned.task_ids[-1])[0]["args"] == [[1, 2]]
    assert house.push(planned, claim) is Outcome.ALREADY


def database_of_results(server: ValkeyServer) -> Any:
    return redis.Redis(port=server.port, db=1)


def without_spaces(text: bytes) -> bytes:
    return text.replace(b" ", b"")
