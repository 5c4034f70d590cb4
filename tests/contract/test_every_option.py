"""Some hundred combinations of options: written as Celery writes them, and run by its worker as they were meant."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from celery import Signature as TheirSignature
from celery import chain, chord, group

from shim.envelope import build_envelope, wrap
from shim.message import build_message
from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import Signature
from tests.support.lean_form import in_full
from tests.support.stock import StockWorker, read, write
from tests.support.stock_sender import StockSender, their
from tests.support.task_requests import exactly

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
ORIGIN = "me@test"
TARGET = Target("wards", 3)

LINK = Signature("app.link", [UUID(int=7)], {"when": NOW}, {"queue": "links", "priority": 6, "task_id": "link-1"})
QUIET_LINK = Signature("app.quiet", options={"countdown": 5, "expires": 60.5, "ignore_result": True}, immutable=True)
NESTED_LINK = Signature(
    "app.nested",
    options={"link": [LINK], "link_error": LINK, "time_limit": 30, "soft_time_limit": 20, "headers": {"colour": "red"}},
)
PLAIN_LINKS = [Signature("app.link", ["x"], {"n": 1}, {"queue": "links"}), Signature("app.other", immutable=True)]
STEPS = [
    Signature("app.second", [2], options={"task_id": "step-2", "queue": "links"}),
    Signature("app.third", options={"task_id": "step-3", "eta": NOW + timedelta(hours=1)}),
]
BODY = Signature("app.body", options={"task_id": "body", "group_id": "g-2", "link": QUIET_LINK})

ALONE: dict[str, Any] = {}
CANVASES: dict[str, dict[str, Any]] = {
    "alone": ALONE,
    "one link": {"links": [LINK]},
    "links": {"links": [NESTED_LINK, QUIET_LINK], "error_links": [LINK]},
    "chain": {"chain": STEPS, "error_links": [QUIET_LINK, LINK]},
    "group": {"group_id": "g-1", "group_index": 0},
    "chord": {"group_id": "g-1", "group_index": 4, "chord": BODY},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": ALONE,
    "times": {
        "eta_at": NOW + timedelta(days=36_500),  # ahead of any clock this runs under
        "expires_at": NOW + timedelta(days=36_501),
        "time_limit_s": 30,
        "soft_time_limit_s": 20.5,
    },
    "marks": {"stamps": {"ward": "7b", "list": ["a", {"b": None}]}, "headers": {"colour": "red"}, "shadow": "alias"},
    "again": {
        "retries": 3,
        "root_id": "root",
        "parent_id": "parent",
        "replaced_task_nesting": 2,
        "reply_to": "replies",
        "delivery_mode": 1,
        "ignore_result": False,
    },
}
JSON_ONLY = {"third": Decimal("1.10"), "fourth": UUID(int=2**127), "fifth": time(23, 59, 59, 1)}
IN_YAML = {"first": NOW, "second": date(2026, 3, 1)}
ARGUMENTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "json": ([1, "zwei", {"größe": [None, True, 3.5]}, b"\xff"], {**IN_YAML, **JSON_ONLY, "large": 2**70}),
    "yaml": ([1, "zwei", {"größe": [None, True, 3.5]}, b"\xff"], {**IN_YAML, "large": 2**70}),
    "msgpack": ([1, "zwei", {"größe": [None, True, 3.5]}, b"\xff"], {"large": 2**64 - 1}),
}
COMPRESSIONS = [None, "gzip", "bzip2", "lzma"]
CASES = list(itertools.product(ARGUMENTS, COMPRESSIONS, CANVASES, OPTIONS))


def carried(serializer: str, value: Any) -> Any:
    """Give a canvas without the values a serializer has no form for."""
    if serializer == "json":
        return value
    if isinstance(value, Signature):
        options = {key: carried(serializer, item) for key, item in value.options.items() if key != "eta"}
        return Signature(value.task, ["x"] if value.args else [], {}, options, value.immutable)
    return [carried(serializer, item) for item in value] if isinstance(value, list) else value


def request_of(serializer: str, compression: str | None, canvas: str, options: str) -> TaskRequest:
    args, kwargs = ARGUMENTS[serializer]
    more = {key: carried(serializer, value) for key, value in CANVASES[canvas].items()}
    request = TaskRequest(
        "app.add", "id-1", args, kwargs, serializer=serializer, compression=compression, argsrepr="-", kwargsrepr="-"
    )
    return request._replace(**more, **OPTIONS[options])


def ours(request: TaskRequest) -> bytes:
    return bytes(build_envelope(request, TARGET, delivery_tag="tag", at=NOW, origin=ORIGIN).payload)


@pytest.fixture(scope="module")
def celery() -> StockSender:
    return StockSender(NOW, ORIGIN)


@pytest.fixture(scope="module")
def worker() -> StockWorker:
    return StockWorker()


@pytest.mark.parametrize("case", CASES, ids=lambda case: ", ".join(map(str, case)))
def test_a_combination_is_celerys_message_field_by_field_and_runs_as_it_was_meant(
    celery: StockSender, worker: StockWorker, case: tuple[str, str | None, str, str]
) -> None:
    request = request_of(*case)
    payload, celerys = ours(request), celery.payload(request, TARGET)
    mine, theirs = in_full(read(payload), read(celerys))
    assert mine == theirs
    body = worker.message(payload).payload
    assert exactly(body) == exactly(worker.message(celerys).payload)
    if request.serializer != "yaml":  # YAML writes the keys in another order
        assert worker.message(payload).body == worker.message(celerys).body or request.serializer == "json"

    got = worker.receive(payload)
    assert exactly((got.args, got.kwargs)) == exactly((request.args, request.kwargs))
    assert got.context is not None
    context = got.context
    assert (context.id, context.root_id, context.parent_id) == ("id-1", request.root_id or "id-1", request.parent_id)
    assert (context.retries, context.group, context.group_index) == (
        request.retries,
        request.group_id,
        request.group_index,
    )
    assert (context.stamps or {}) == request.stamps
    assert (context.stamped_headers or []) == list(request.stamps)
    assert context.replaced_task_nesting == request.replaced_task_nesting
    assert context.reply_to == request.reply_to
    assert got.limits == {"timeout": request.time_limit_s, "soft_timeout": request.soft_time_limit_s}
    assert (got.request.eta, got.request.expires) == (request.eta_at, request.expires_at)
    assert (got.held_until is None) is (request.eta_at is None)
    assert [one["task"] for one in context.chain or []] == [one.task for one in reversed(request.chain)]
    expected = [one.task for one in request.links] + [one.task for one in request.chain[:1]]
    assert [one.headers["task"] for one in got.sent] == expected


def test_there_are_some_hundred_combinations() -> None:
    assert len(CASES) == 288


# -- what the worker makes of links ------------------------------------------------------------------------------------


def test_a_worker_sends_a_link_with_its_options_and_the_result_in_front(worker: StockWorker) -> None:
    request = TaskRequest("app.add", "id-1", links=[NESTED_LINK, LINK], root_id="root")
    sent = {one.headers["task"]: one for one in worker.receive(ours(request)).sent}
    nested, link = sent["app.nested"], sent["app.link"]
    assert read(link.body)[:2] == [[None, UUID(int=7)], {"when": NOW}]
    assert (link.headers["id"], link.headers["parent_id"], link.headers["root_id"]) == ("link-1", "id-1", "root")
    assert (link.delivery_info["routing_key"], link.properties["priority"]) == ("links", 6)
    assert (nested.headers["timelimit"], nested.headers["colour"]) == ([30, 20], "red")
    [_, _, embed] = read(nested.body)
    assert exactly(embed["callbacks"]) == exactly([LINK.as_json()])
    assert exactly(embed["errbacks"]) == exactly([LINK.as_json()])


def test_a_worker_sends_an_immutable_link_with_its_own_arguments_only(worker: StockWorker) -> None:
    request = TaskRequest("app.add", "id-1", links=[QUIET_LINK])
    [link] = worker.receive(ours(request)).sent
    assert read(link.body)[0] == []
    assert link.headers["ignore_result"] is True
    assert link.headers["eta"] is not None
    assert link.headers["expires"] is not None


def test_a_worker_sends_the_error_links_of_a_failing_task_and_no_other(worker: StockWorker) -> None:
    request = TaskRequest("app.add", "id-1", links=[QUIET_LINK], error_links=[LINK], chain=STEPS)
    [link] = worker.receive(ours(request), fails=True).sent
    assert link.headers["task"] == "app.link"
    assert read(link.body)[0] == ["id-1", UUID(int=7)]


def test_a_worker_sends_the_steps_of_a_chain_in_the_order_they_were_given(worker: StockWorker) -> None:
    steps = [Signature(f"app.step{number}", options={"task_id": f"step-{number}"}) for number in range(5)]
    payload = ours(TaskRequest("app.first", "id-1", chain=steps))
    ran = []
    while True:
        sent = worker.receive(payload).sent
        if not sent:
            break
        [message] = sent
        ran.append((message.headers["id"], message.headers["root_id"]))
        payload = message.element
    assert ran == [(f"step-{number}", "id-1") for number in range(5)]


# -- canvases of Celery's own making -----------------------------------------------------------------------------------


def embed_of(worker: StockWorker, payload: bytes) -> Any:
    return worker.message(payload).payload[2]


def test_a_chain_is_the_one_celery_sends(celery: StockSender, worker: StockWorker) -> None:
    steps = [Signature(f"app.step{number}", [number], options={"queue": "wards"}) for number in range(3)]
    chain(
        *(TheirSignature(step.task, step.args, options=dict(step.options), app=celery.app) for step in steps),
        app=celery.app,
    ).apply_async()
    payload = celery.taken("wards")
    theirs = embed_of(worker, payload)["chain"]
    named = [
        Signature(step.task, step.args, {}, {**one["options"]})
        for step, one in zip(steps[1:], reversed(theirs), strict=True)
    ]
    mine = TaskRequest("app.step0", "id-1", [0], chain=named)
    assert exactly(embed_of(worker, ours(mine))["chain"]) == exactly(theirs)
    assert [one["task"] for one in theirs] == ["app.step2", "app.step1"]  # the next is last


def test_a_header_task_of_a_chord_is_the_one_celery_sends(celery: StockSender, worker: StockWorker) -> None:
    header = [TheirSignature("app.part", (number,), options={"queue": "wards"}, app=celery.app) for number in range(2)]
    chord(header, TheirSignature("app.body", options={"queue": "wards"}, app=celery.app), app=celery.app).apply_async()
    for number in range(2):
        payload = celery.taken("wards")
        theirs = read(payload)["headers"]
        body = embed_of(worker, payload)["chord"]
        mine = TaskRequest(
            "app.part",
            theirs["id"],
            [number],
            root_id=theirs["root_id"],
            group_id=theirs["group"],
            group_index=number,
            chord=Signature("app.body", options=body["options"]),
            argsrepr=theirs["argsrepr"],
            kwargsrepr="{}",
        )
        headers, expected = (
            one["headers"]
            for one in in_full(read(ours(mine)), {**read(payload), "headers": {**theirs, "origin": ORIGIN}})
        )
        assert headers == expected
        assert exactly(worker.message(ours(mine)).payload) == exactly(worker.message(payload).payload)


def test_signatures_of_every_kind_are_celerys(celery: StockSender) -> None:
    one, two = Signature("app.one", [1], {"a": NOW}, {"queue": "q"}), Signature("app.two", immutable=True)
    ours_and_theirs: list[tuple[Signature, Any]] = [
        (one, their(one)),
        (two, their(two)),
        (Signature("app.x", options={"link": [one], "link_error": two}), TheirSignature("app.x").set(link=[their(one)], link_error=their(two))),
        (Signature("celery.chain", kwargs={"tasks": [one, two]}, subtask_type="chain"), chain(their(one), their(two))),
        (Signature("celery.group", kwargs={"tasks": [one, two]}, subtask_type="group"), group(their(one), their(two))),
        (
            Signature(
                "celery.chord",
                kwargs={
                    "header": [one],
                    "body": two,
                    "kwargs": {},
                },
                subtask_type="chord",
            ),
            chord([their(one)], their(two), app=celery.app),
        ),
    ]  # fmt: skip
    for mine, theirs in ours_and_theirs:
        assert exactly(mine.as_json()) == exactly(read(write(theirs)))


# -- what is not compared elsewhere ------------------------------------------------------------------------------------


def test_a_json_message_is_the_only_one_whose_body_is_text() -> None:
    for serializer, compression in itertools.product(ARGUMENTS, COMPRESSIONS):
        properties = json.loads(ours(request_of(serializer, compression, "alone", "nothing")))["properties"]
        assert ("body_encoding" not in properties) is (serializer == "json" and compression is None)


def test_an_envelope_is_a_wrapped_message() -> None:
    for case in CASES:
        request = request_of(*case)
        message = build_message(request, TARGET, at=NOW, origin=ORIGIN)
        assert wrap(message, delivery_tag="tag", at=NOW).payload == ours(request)
