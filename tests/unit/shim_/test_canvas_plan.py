"""Plans of workflows, compared with what Celery itself sends for the same ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.canvas import (
    CanvasPlan,
    CanvasRules,
    Chain,
    Chord,
    ChordSize,
    Group,
    NestedCanvas,
    Part,
    SavedGroup,
    Step,
    as_signature,
    plan_canvas,
)
from shim.canvas.plan import MESSAGES_LIMIT
from shim.envelope import build_envelope
from shim.errors import RequestInvalid
from shim.results.keys import ResultKeys
from shim.routing import Route, Router
from shim.signature import Signature
from tests.support.stock_canvas import StockCanvas, readable

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUEUES = ["celery", "q1", "q2", "routed"]
ROUTER = Router({"routed.*": Route("routed", 4)})
STOCK = StockCanvas(NOW, routes={"routed.*": {"queue": "routed", "priority": 4}})
REDIS = CanvasRules(ResultKeys("p_"))


def task(name: str, *args: Any, immutable: bool = False, **options: Any) -> Signature:
    return Signature(name, args, options=options, immutable=immutable)


def numbered() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"id-{next(numbers)}"


def plan(part: Part, rules: CanvasRules = REDIS, **more: Any) -> CanvasPlan:
    planned = plan_canvas(part, route=ROUTER.route, new_id=numbered(), at=NOW, rules=rules, **more)
    assert isinstance(planned, CanvasPlan)
    return planned


def nested(part: Part, rules: CanvasRules = REDIS) -> NestedCanvas:
    planned = plan_canvas(part, route=ROUTER.route, new_id=numbered(), at=NOW, rules=rules)
    assert isinstance(planned, NestedCanvas)
    return planned


def messages(planned: CanvasPlan) -> list[dict[str, Any]]:
    envelopes = [
        build_envelope(request, target, delivery_tag="tag", at=NOW, origin="test")
        for request, targets in planned.messages
        for target in targets
    ]
    return readable([bytes(envelope.payload) for envelope in envelopes])


def sizes(planned: CanvasPlan) -> list[int]:
    return [write.size for write in planned.store if isinstance(write, ChordSize)]


def refused(part: Part, match: str, **more: Any) -> None:
    with pytest.raises(RequestInvalid, match=match):
        plan(part, **more)


# -- as Celery has it --------------------------------------------------------------------------------------------------

A, B, C = task("a", 1), task("b", 2), task("c")
RICH = task(
    "a", 1, "x", queue="q1", priority=3, countdown=5, expires=60, time_limit=9, soft_time_limit=8, shadow="s",
    headers={"mine": 1}, ignore_result=False, link=[task("la")], link_error=task("ea"), stamped_headers=["tenant"], tenant="acme",
)  # fmt: skip
MANY: dict[str, Part] = {
    "a task": A,
    "a task with every option": RICH,
    "a routed task": task("routed.a"),
    "a route loses to the call": task("routed.a", queue="q2", time_limit=5),
    "a chain": Chain([A, B, C]),
    "a chain of one": Chain([A]),
    "a chain with links of every kind": Chain(
        [RICH, task("b", queue="q2", link_error=[task("eb")]), task("c", link=task("lc"))],
        links=[task("L")],
        error_links=[task("E")],
    ),
    "an error link that is there already": Chain([task("a", link_error=[task("E")]), B], error_links=[task("E")]),
    "a chain in a chain": Chain([A, Chain([B, C]), task("d")]),
    "a chain with an empty group inside": Chain([A, Group([]), B]),
    "a chain with a group of one inside": Chain([A, Group([B]), C]),
    "immutable steps": Chain([A, task("b", 2, immutable=True)]),
    "a group": Group([A, task("b", queue="q1"), task("routed.c")]),
    "a group of one": Group([A]),
    "a group whose members have links": Group([task("a", link=[task("l")], link_error=[task("e")]), B]),
    "a chord": Chord([A, B], C),
    "a chord of one": Chord([A], C),
    "a chord with a rich body": Chord([RICH, B], task("z", 9, queue="q2", link=[task("L")], link_error=[task("E")])),
    "a chord with a chain as its body": Chord([A, B], Chain([task("x"), task("y", 3), task("z")])),
    "a chord with a chain with links as its body": Chord(
        [A, B], Chain([task("x"), task("y")], links=[task("L")], error_links=[task("E")])
    ),
    "a chord with a chain of one as its body": Chord([A, B], Chain([C])),
    "a group that goes on": Chain([Group([A, B]), C]),
    "a group that goes on with links": Chain([Group([A, B]), C], links=[task("L")], error_links=[task("E")]),
    "a group that goes on and on": Chain([Group([A, B]), C, task("d")]),
    "a group that goes on and on with links": Chain(
        [Group([A, B]), C, task("d")], links=[task("L")], error_links=[task("E")]
    ),
    "a chord that goes on": Chain([Chord([A, B], C), task("d"), task("e")]),
    "a chord without a header": Chord([], task("c", 7)),
    "a chord without a header and an immutable body": Chord([], task("c", 7, immutable=True)),
    "a chord without a header and a chain": Chord([], Chain([task("c", 7), task("d")])),
    "an empty group": Group([]),
}


@pytest.mark.parametrize("name", MANY)
def test_a_workflow_is_sent_as_celery_sends_it(name: str) -> None:
    planned = plan(MANY[name])
    assert (messages(planned), sizes(planned)) == STOCK.send(MANY[name], QUEUES)


names = (f"{kind}{number}" for number in itertools.count() for kind in ("t", "routed."))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("kl", max_size=2), inner, max_size=2),
    max_leaves=4,
)
plain_options = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.sampled_from(["q1", "q2"]),
        "priority": st.integers(0, 9),
        "countdown": st.integers(1, 99),
        "expires": st.integers(1, 99),
        "time_limit": st.integers(1, 99),
        "shadow": st.just("shade"),
        "headers": st.just({"mine": [1]}),
        "retries": st.integers(1, 3),
    },
)


@st.composite
def signatures(draw: st.DrawFn, *, deep: bool = True) -> Signature:
    options = draw(plain_options)
    if deep:
        for link in ("link", "link_error"):
            some = draw(st.lists(signatures(deep=False), max_size=2))
            if some:
                options[link] = some
    kwargs = draw(st.dictionaries(st.text("xy", min_size=1, max_size=2), json_values, max_size=2))
    return Signature(
        next(names), draw(st.lists(json_values, max_size=2)), kwargs, options, immutable=draw(st.booleans())
    )


tasks = st.lists(signatures(), min_size=1, max_size=3)
few_links = st.lists(signatures(deep=False), max_size=2)
chains = st.builds(Chain, tasks, few_links, few_links)
chords = st.builds(Chord, st.lists(signatures(), min_size=1, max_size=3), signatures() | chains)
group_chains = st.builds(
    lambda header, steps, links, errors: Chain([Group(header), *steps], links, errors),
    st.lists(signatures(), min_size=2, max_size=3), tasks, few_links, few_links,
)  # fmt: skip


@given(signatures() | chains | st.builds(Group, tasks) | chords | group_chains)
@settings(max_examples=150)
def test_any_workflow_that_is_sent_natively_is_sent_as_celery_sends_it(part: Part) -> None:
    planned = plan(part)
    assert (messages(planned), sizes(planned)) == STOCK.send(part, QUEUES)


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_the_ids_of_all_steps_are_known_beforehand() -> None:
    planned = plan(Chain([A, task("b", task_id="mine"), C]))
    assert planned.steps == (Step("a", "id-1"), Step("b", "mine", ("id-1",)), Step("c", "id-2", ("mine",)))
    assert (planned.task_ids, planned.result_id, planned.root_id) == (("id-1", "mine", "id-2"), "id-2", "id-1")


def test_a_body_follows_one_of_its_header() -> None:
    planned = plan(Chord([A, B], Chain([C, task("d")])))
    assert planned.steps == (
        Step("a", "id-2"),
        Step("b", "id-3"),
        Step("c", "id-4", ("id-2", "id-3")),
        Step("d", "id-5", ("id-4",)),
    )
    assert (planned.group_id, planned.result_id, planned.root_id) == ("id-1", "id-5", None)


def test_members_of_a_group_have_no_result_in_common() -> None:
    planned = plan(Group([A, B]))
    assert (planned.group_id, planned.result_id, planned.task_ids) == ("id-1", None, ("id-2", "id-3"))


@pytest.mark.parametrize(
    "part", [A, Chain([A, B]), Group([A, B]), Chord([A, B], C)], ids=lambda part: type(part).__name__
)
def test_what_is_sent_for_another_task_names_it(part: Part) -> None:
    planned = plan(part, root_id="root", parent_id="parent")
    assert {(request.root_id, request.parent_id) for request, _ in planned.messages} == {("root", "parent")}
    assert planned.root_id == "root"


def test_all_messages_go_where_the_router_says() -> None:
    planned = plan(Group([task("routed.a"), task("b", queue="q1", priority=7)]))
    assert [[(target.queue, target.priority) for target in targets] for _, targets in planned.messages] == [
        [("routed", 4)],
        [("q1", 7)],
    ]


def test_options_of_a_route_count_unless_the_call_has_them() -> None:
    router = Router({"*": Route(options={"time_limit": 33, "soft_time_limit": 22})})
    planned = plan_canvas(task("a", time_limit=5), route=router.route, new_id=numbered(), at=NOW)
    assert isinstance(planned, CanvasPlan)
    [(request, _)] = planned.messages
    assert (request.time_limit_s, request.soft_time_limit_s) == (5, 22)


# -- what is stored ----------------------------------------------------------------------------------------------------


def test_the_size_of_a_header_is_stored_under_the_prefix_of_results() -> None:
    [size] = plan(Chord([A, B], C)).store
    assert size == ChordSize("p_celery-taskset-meta-id-1.s", "p_celery-taskset-meta-id-1.c", 2, 86_400)


def test_a_chord_may_expire_at_another_time_than_results() -> None:
    rules = CanvasRules(ResultKeys(), expires_s=5, chord_expires_s=0)
    assert [write.expires_s for write in plan(Chord([A], C), rules).store] == [0]


def test_a_group_is_stored_only_if_asked_for() -> None:
    assert plan(Group([A])).store == ()
    [saved] = plan(Group([A, B]), CanvasRules(ResultKeys(), expires_s=9, save_groups=True)).store
    assert isinstance(saved, SavedGroup)
    assert (saved.key, saved.expires_s) == ("celery-taskset-meta-id-1", 9)
    assert saved.value == b'{"result":[["id-1",null],[[["id-2",null],null],[["id-3",null],null]]]}'
    assert "id-2" not in repr(saved)


# -- what is not sent natively -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        Chain([A, Group([B, C])]),
        Chain([A, Group([B, C]), task("d")]),
        Group([Chain([A, B]), C]),
        Group([Group([A, B]), C]),
        Chord([Chain([A, B])], C),
        Chord([A], Group([B, C])),
        Chord([A], Chord([B], C)),
        Chain([Chain([A, B], links=[task("l")]), C]),
        Signature("celery.group", kwargs={"tasks": [A, B]}, subtask_type="group"),
        task("a", chain=[B]),
        Group([task("a", group_id="of another")]),
    ],
    ids=str,
)
def test_workflows_inside_workflows_are_left_to_celery(part: Part) -> None:
    assert nested(part).reason == "workflows inside workflows"
    assert nested(part).signature == as_signature(part)


def test_a_chord_without_redis_results_is_left_to_celery() -> None:
    assert nested(Chord([A], C), CanvasRules()).reason == "a chord without a Redis result back-end"
    assert nested(Chain([Group([A, B]), C]), CanvasRules()).reason == "a chord without a Redis result back-end"
    assert messages(plan(Chord([], C), CanvasRules())) == messages(plan(Chord([], C)))


@pytest.mark.parametrize("part", [A, Chain([A, B])], ids=["task", "chain"])
def test_what_must_be_signed_is_left_to_celery(part: Part) -> None:
    assert nested(part, CanvasRules(ResultKeys(), signed=True)).reason == "messages are signed"


def test_an_empty_chain_is_a_plan_of_nothing() -> None:
    assert plan(Chain([])) == CanvasPlan((), ())
    assert plan(Chain([Group([]), Chain([])])).messages == ()


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_header_task_that_ignores_its_result_is_refused() -> None:
    refused(Chord([A, task("b", ignore_result=True)], C), "task 'b' of a chord's header: .*the body would never run")
    refused(Chain([Group([A, task("b", ignore_result=True)]), C]), "never run")


def test_a_route_that_ignores_the_result_of_a_header_task_is_refused() -> None:
    router = Router({"b": Route("q", options={"ignore_result": True})})
    with pytest.raises(RequestInvalid, match="never run"):
        plan_canvas(Chord([A, B], C), route=router.route, new_id=numbered(), at=NOW, rules=REDIS)


@pytest.mark.parametrize(
    ("part", "match"),
    [
        (task("a", no_such_option=1), "'no_such_option' is no option"),
        (task("a", origin="x"), "'origin' is no option of a message"),
        (Chain([A, task("b", countdown="soon")]), "countdown"),
        (Chain([A, task("", 1)]), "task"),
        (Chain([A, "b"]), "not str"),  # type: ignore[list-item]
        (Group([task(f"t{number}") for number in range(MESSAGES_LIMIT + 1)]), "more than 10000"),
    ],
    ids=["option", "origin", "later step", "name", "no part", "too many"],
)
def test_what_a_worker_could_not_take_is_refused(part: Part, match: str) -> None:
    refused(part, match)


def test_an_unknown_option_of_a_route_is_refused() -> None:
    router = Router({"a": Route("q", options={"colour": "red"})})
    with pytest.raises(RequestInvalid, match="'colour' is no option of a message"):
        plan_canvas(A, route=router.route, new_id=numbered(), at=NOW)


@pytest.mark.parametrize("kind", [Chain, Group, lambda parts: Chord([A], parts[0])], ids=["chains", "groups", "bodies"])
def test_nesting_is_bounded(kind: Callable[[list[Part]], Part]) -> None:
    part: Part = A
    for _ in range(2000):
        part = kind([part])
    refused(part, "nested deeper than 16")


def test_no_argument_of_a_task_is_shown() -> None:
    secret = task("a", "the patient's name")
    for part in (Chain([secret, secret]), Group([secret]), Chord([secret], secret)):
        assert "patient" not in repr(part)
        assert "patient" not in repr(plan(part))
    assert "patient" not in repr(nested(Group([Group([secret])])))
