"""Chains, groups and chords of the schedule: their ids, what is asked of workers, and what is refused."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from daemon.clock import instant
from daemon.dispatch import CelerySide
from daemon.dispatch.messages import MessageMaker, check_items
from daemon.dispatch.targets import canvas_rules, plan_target, starters, store_of
from daemon.keys import occurrence_id, part_id
from daemon.ports import WorkItem
from daemon.public import Public
from daemon.scheduler.model import Entry, Expectation, Limit, Overlap, OverlapPolicy
from daemon.scheduler.target import TASKS_LIMIT, check_target, parts_of, tasks_of
from daemon.scheduler.triggers import Interval
from shim.routing import Routed, Router
from tests.support.clock import START_US

NOW = instant(START_US)
ID = occurrence_id("lab", "nightly", START_US)
LOAD = {"task": "etl.load", "args": ["ward-7"], "options": {"queue": "etl", "headers": {"own": 1}}}
MERGE = {"task": "etl.merge", "kwargs": {"mode": "full"}}
TELL = {"task": "etl.tell", "immutable": True, "options": {"expires": 60}}
CHAIN = {"kind": "chain", "tasks": [LOAD, MERGE, TELL]}
GROUP = {"kind": "group", "tasks": [LOAD, MERGE]}
CHORD = {"kind": "chord", "header": [LOAD, MERGE], "body": TELL}
REDIS = {"broker_url": "redis://localhost:1/0", "result_backend": "redis://localhost:1/1"}


def item(canvas: Mapping[str, Any], **more: Any) -> WorkItem:
    return WorkItem(Public("nightly"), ID, canvas=canvas, headers={"periodic_task_name": "nightly"}, **more)


def entry(canvas: Mapping[str, Any], **more: Any) -> Entry:
    return Entry(Public("nightly"), Public("etl"), Interval(1_000_000), canvas=canvas, **more)


def maker(**conf: Any) -> MessageMaker:
    tags = (f"tag-{number}" for number in itertools.count())
    return MessageMaker(CelerySide({**REDIS, **conf}), origin="test", pid=1, tags=tags)


def route(one: WorkItem, options: Mapping[str, Any]) -> Routed:
    return Router({}).route(one.task, {"queue": one.queue, "priority": one.priority, **options})


def sent(canvas: Mapping[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Give the messages of an item as workers read them."""
    made = maker(**more.pop("conf", {})).make(item(canvas, **more), NOW)
    return [json.loads(bytes(envelope.payload)) for envelope in made]


def heads(canvas: Mapping[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [message["headers"] for message in sent(canvas, **more)]


def test_the_last_result_has_the_id_of_the_occurrence_and_the_others_follow_from_it() -> None:
    for canvas, ids in (
        (CHAIN, [part_id(ID, "0"), part_id(ID, "1"), ID]),
        (CHORD, [part_id(ID, "header 0"), part_id(ID, "header 1"), ID]),
        (GROUP, [part_id(ID, "0"), part_id(ID, "1")]),
    ):
        plan, _ = plan_target(item(canvas), route=route, rules=canvas_rules(REDIS), at=NOW)
        assert list(plan.task_ids) == ids
        assert ID in (plan.result_id, plan.group_id)
    assert part_id(ID, "0") == str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "carillon:part"), f"{ID}\n0"))


def test_two_daemons_make_the_same_messages_but_for_their_tags() -> None:
    def without_tags(canvas: Mapping[str, Any], side: MessageMaker) -> list[Any]:
        messages = [json.loads(bytes(envelope.payload)) for envelope in side.make(item(canvas), NOW)]
        for message in messages:
            del message["properties"]["delivery_tag"]
        return messages

    for canvas in (CHAIN, GROUP, CHORD):
        other = maker()
        other.make(item(CHAIN), NOW)
        assert without_tags(canvas, maker()) == without_tags(canvas, other)


def test_a_chain_is_one_message_that_carries_the_rest() -> None:
    [message] = sent(CHAIN)
    [args, kwargs, embed] = json.loads(message["body"])
    assert (message["headers"]["task"], args, kwargs) == ("etl.load", ["ward-7"], {})
    assert [step["task"] for step in embed["chain"]] == ["etl.tell", "etl.merge"]
    assert [step["options"]["task_id"] for step in embed["chain"]] == [ID, part_id(ID, "1")]
    assert [step["immutable"] for step in embed["chain"]] == [True, False]


def test_what_a_task_leaves_open_the_entry_says() -> None:
    one, two = heads(GROUP, time_limit_s=9.0, args_shown="", kwargs_shown="")
    assert (one["periodic_task_name"], one["own"]) == ("nightly", 1)
    assert two["periodic_task_name"] == "nightly"
    assert (one["timelimit"], one["argsrepr"], two["kwargsrepr"]) == ([9.0, None], "('ward-7',)", "{'mode': 'full'}")
    _, places = plan_target(
        item(GROUP, queue=Public("slow"), priority=3), route=route, rules=canvas_rules(REDIS), at=NOW
    )
    targets = [target for place in places for target in place.targets]
    assert [(target.queue, target.priority) for target in targets] == [("etl", 3), ("slow", 3)]


def test_what_waits_now_expires_with_the_entry_and_later_steps_do_not() -> None:
    [message] = sent(CHAIN, expires_at_us=START_US + 1_000_000)
    embed = json.loads(message["body"])[2]
    assert message["headers"]["expires"] == instant(START_US + 1_000_000).isoformat()
    assert [step["options"].get("expires") for step in embed["chain"]] == [60, None]


def test_an_application_that_was_asked_says_where_each_first_task_goes() -> None:
    there = [Router({}).route(one.task, {"queue": f"asked-{place}"}) for place, one in enumerate(starters(item(CHORD)))]
    _, places = plan_target(item(CHORD), route=route, rules=canvas_rules(REDIS), at=NOW, routed=there)
    assert list(places) == there


@pytest.mark.parametrize("conf", [{}, {"result_expires": 60}, {"result_expires": 60, "result_chord_expires": 7}])
def test_what_is_stored_before_is_what_the_plan_needs(conf: dict[str, Any]) -> None:
    rules = canvas_rules({**REDIS, **conf})
    for canvas in (CHAIN, GROUP, CHORD):
        plan, _ = plan_target(item(canvas), route=route, rules=rules, at=NOW)
        assert store_of(item(canvas), rules) == plan.store


@pytest.mark.parametrize("kind", ["redis", "amqp"])
def test_a_check_finds_what_this_site_cannot_send(kind: str) -> None:
    results = {"result_backend": "rpc://"} if kind == "redis" else {}
    broker = REDIS["broker_url"] if kind == "redis" else "amqp://localhost:1//"
    side = CelerySide({**REDIS, "broker_url": broker, **results})
    path = ("schedule", "nightly")
    found = {canvas["kind"]: check_items(side, [(path, item(canvas))]) for canvas in (CHAIN, GROUP, CHORD)}
    assert found["chain"] == []
    assert [where for where, _ in found["chord"]] == [path]
    text = found["chord"][0][1]
    if kind == "redis":
        assert found["group"] == []
        assert "a chord without a Redis result back-end" in text
    else:
        assert found["group"] != []
        assert "all of its messages in one step" in text


def test_tasks_are_named_with_their_places() -> None:
    assert tasks_of(entry(CHORD)) == [
        (("chord", "header", 0, "task"), "etl.load"),
        (("chord", "header", 1, "task"), "etl.merge"),
        (("chord", "body", "task"), "etl.tell"),
    ]
    assert [path for path, _ in parts_of(CHAIN)] == [("chain", 0), ("chain", 1), ("chain", 2)]
    plain = Entry(Public("e"), Public("etl"), Interval(1))
    assert tasks_of(plain) == [(("task",), "etl")]


def test_a_group_is_refused_where_its_end_matters() -> None:
    watched = {
        "overlap": Overlap(OverlapPolicy.SKIP),
        "limit": Limit(concurrency=2),
        "expect": Expectation(1, 2, "https://example.org/"),
    }
    assert check_target(entry(CHORD, **watched)) == []
    assert check_target(entry(GROUP)) == []
    keys = [".".join(map(str, problem.path[2:])) for problem in check_target(entry(GROUP, **watched))]
    assert keys == ["overlap", "limit.concurrency", "expect.start_within", "expect.finish_within", "expect.ping"]


@pytest.mark.parametrize("count", [0, TASKS_LIMIT + 1])
def test_a_target_has_some_tasks_and_not_too_many(count: int) -> None:
    [problem] = check_target(entry({"kind": "chain", "tasks": [LOAD] * count}))
    assert "tasks are needed" in problem.message


def test_nothing_of_the_arguments_shows() -> None:
    secret = item({"kind": "chain", "tasks": [{"task": "t", "args": ["secret"]}]})
    assert "secret" not in repr(secret)
    assert "secret" not in repr(entry(secret.canvas or {}))
