"""The router beside Celery's own: the same queues, exchanges, keys, priorities and modes, or a refusal where it loses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from celery.exceptions import QueueNotFound
from hypothesis import example, given
from hypothesis import strategies as st

from shim.app.probe_values import conf_of
from shim.errors import RequestInvalid
from shim.routing import QueueUnknown, Routed, routing_from_conf
from shim.routing.topic import topic_pattern
from tests.support.celery_oracle import (
    Broadcast,
    Exchange,
    Queue,
    TopicExchange,
    binding,
    make_app,
    name_of,
    queues_reached,
    sent,
)

TASKS = ("app.add", "app.mail.send", "App.add", "video.x")
WORDS = ("a", "b", "ab", "*", "#", "a*", "é-1")
NAMES = ("celery", "q1", "q2", "new")
EXCHANGES = {"d1": "direct", "t1": "topic", "t2": "topic", "f1": "fanout"}

keys = st.lists(st.sampled_from(WORDS), max_size=3).map(".".join)
plain_keys = st.lists(st.sampled_from(("a", "b", "ab", "é-1")), max_size=3).map(".".join)
exchanges = st.sampled_from(sorted(EXCHANGES)).map(lambda name: Exchange(name, type=EXCHANGES[name]))


@st.composite
def queues(draw: st.DrawFn) -> list[Any]:
    found = []
    for name in draw(st.lists(st.sampled_from(("celery", "q1", "q2")), unique=True)):
        expires = draw(st.sampled_from((None, 30)))
        if draw(st.integers(0, 4)) == 0:
            found.append(
                Queue(name, [binding(draw(exchanges), routing_key=draw(keys)) for _ in range(2)], expires=expires)
            )
        elif draw(st.booleans()):
            found.append(Queue(name, draw(exchanges), routing_key=draw(keys), expires=expires))
        else:
            found.append(Queue(name, expires=expires))
    if draw(st.booleans()):
        found.append(Broadcast("bcast"))
    return found


@st.composite
def destinations(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["queue"] = draw(st.sampled_from((*NAMES, "bcast")))
    if draw(st.integers(0, 2)) == 0:
        found["exchange"] = draw(st.sampled_from((*EXCHANGES, "bcast", "unknown")))
    if draw(st.integers(0, 2)) == 0:
        found["routing_key"] = draw(plain_keys)
    if draw(st.booleans()):
        found["priority"] = draw(st.integers(0, 9))
    if draw(st.integers(0, 3)) == 0:
        found["delivery_mode"] = draw(st.sampled_from((1, 2)))
    return found


route_keys = st.sampled_from((*TASKS, "app.*", "*.add", "*", "a?p.*", "app.[am]*")) | st.sampled_from(
    (re.compile("app"), re.compile(r"^app\.add$", re.IGNORECASE), re.compile(".*x$"))
)
route_maps = st.lists(st.tuples(route_keys, destinations() | st.sampled_from(NAMES)), max_size=4)
routes = (
    st.none() | st.dictionaries(route_keys, destinations()) | st.lists(route_maps | route_maps.map(dict), max_size=3)
)

settings = st.fixed_dictionaries(
    {},
    optional={
        "task_default_queue": st.sampled_from(("celery", "q1")),
        "task_default_exchange": st.sampled_from(("d1", "own")),
        "task_default_exchange_type": st.sampled_from(("direct", "topic")),
        "task_default_routing_key": st.sampled_from(("a", "a.#")),
        "task_default_delivery_mode": st.sampled_from((1, 2)),
        "task_create_missing_queues": st.booleans(),
        "task_create_missing_queue_exchange_type": st.sampled_from((None, "topic")),
        "task_queue_max_priority": st.sampled_from((None, 5)),
    },
)


def ours(app: Any, task: str, call: dict[str, Any]) -> Routed | RequestInvalid:
    try:
        return routing_from_conf(conf_of(app)).route(task, call)
    except RequestInvalid as error:
        return error


def compare(conf: dict[str, Any], task: str, call: dict[str, Any]) -> None:
    app = make_app(**conf)
    found = ours(make_app(**conf), task, call)
    try:
        published = sent(app, task, **call)
    except (QueueNotFound, KeyError):  # the second is what it raises of its default queue
        assert isinstance(found, QueueUnknown)
        return
    reached = queues_reached(app, published)
    exchange = name_of(published["exchange"])
    if isinstance(found, RequestInvalid):
        # What Celery drops without a word, or publishes into a list without a name.
        assert not reached or reached == {""} or exchange in ("f1", "bcast"), (found, published)
        return
    assert (found.exchange, found.routing_key) == (exchange, published["routing_key"] or "")
    assert {target.priority for target in found.targets} == {published.get("priority") or 0}
    assert found.delivery_mode == published["delivery_mode"]
    if found.targets[0].exchange:
        assert [(one.exchange, one.routing_key) for one in found.targets] == [
            (exchange, published["routing_key"] or "")
        ]
        assert reached
        return
    assert sorted(target.queue for target in found.targets) == sorted(reached)
    expiring = {queue.name for queue in app.amqp.queues.values() if queue.expires}
    assert {one.queue for one in found.targets if one.queue_expires_ms == 30_000} == reached & expiring


@given(queues(), routes, settings, st.sampled_from(TASKS), destinations())
@example([Queue("q1", Exchange("t1", type="topic"), routing_key="a.#")], None, {}, "app.add", {"queue": "q1"})
@example([], {"app.add": {"queue": "eq", "priority": 3}}, {}, "app.add", {"queue": "override"})
@example([Broadcast("bcast")], {"app.add": "bcast"}, {"task_create_missing_queues": False}, "app.add", {})
def test_a_task_goes_where_celery_sends_it(
    declared: list[Any], routed: Any, conf: dict[str, Any], task: str, call: dict[str, Any]
) -> None:
    types: dict[str, str] = {}
    default = conf.get("task_default_exchange") or conf.get("task_default_queue") or "celery"
    for name, kind in ((default, conf.get("task_default_exchange_type", "direct")), *EXCHANGES.items()):
        if types.setdefault(name, kind) != kind:
            return  # an exchange of two types, which no broker takes
    compare({"task_queues": declared or None, "task_routes": routed, **conf}, task, call)


@given(keys, plain_keys | keys)
def test_a_binding_key_takes_the_routing_keys_kombu_takes(binding_key: str, routing_key: str) -> None:
    stock = TopicExchange(None)
    taken = stock._match(stock.key_to_pattern(binding_key), routing_key) is not None
    assert (topic_pattern(binding_key).match(routing_key) is not None) is taken


@given(st.text(max_size=6).filter(lambda text: "*" not in text), st.text(max_size=6))
def test_any_text_in_a_binding_key_means_itself_as_in_kombu(binding_key: str, routing_key: str) -> None:
    stock = TopicExchange(None)
    for key in (binding_key, routing_key):
        taken = stock._match(stock.key_to_pattern(binding_key), key) is not None
        assert (topic_pattern(binding_key).match(key) is not None) is taken


TABLE: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"task_routes": {"app.*": "x"}}, "app.add", {}),
    ({"task_routes": {"app.*": {"queue": "x", "priority": 7}, "app.add": "exact"}}, "app.add", {"priority": 1}),
    ({"task_routes": [{"other": "x"}, {"app.add": {}}, {"app.add": "late"}]}, "app.add", {}),
    ({"task_routes": ([("app.*", {"queue": "first"}), ("app.add*", "second")],)}, "app.add", {}),
    ({"task_routes": {re.compile("(a|b)pp"): {"queue": "re"}}}, "app.add", {}),
    ({"task_routes": {"app.add": {"queue": Queue("inline", Exchange("t1", "topic"), routing_key="a.*")}}}, "app.add", {}),
    ({"task_routes": {"app.add": {"queue": Queue("bare")}}}, "app.add", {}),
    ({"task_routes": {"app.add": {"exchange": Exchange("t1", "topic"), "routing_key": "a.b", "exchange_type": "topic"}},
      "task_queues": [Queue("one", Exchange("t1", "topic"), routing_key="a.*"), Queue("two", Exchange("t1", "topic"), routing_key="#"),
                      Queue("three", Exchange("t1", "topic"), routing_key="b.#")]}, "app.add", {}),
    ({"task_queues": [Queue("named", Exchange("d", "direct"), routing_key="k")]}, "app.add", {"queue": "named"}),
    ({"task_queues": [Queue("named", Exchange("d", "direct"), routing_key="k")]}, "app.add", {"queue": "named", "routing_key": "z"}),
    ({"task_queues": [Queue("named", Exchange("d", "direct"), routing_key="k")]}, "app.add", {"exchange": "d", "routing_key": "k"}),
    ({"task_queues": {"old": {"exchange": "t", "exchange_type": "topic", "binding_key": "a.#"}}}, "app.add", {"queue": "old"}),
    ({"task_queues": {"old": {"exchange": "d"}}}, "app.add", {"queue": "old"}),
    ({"task_default_queue": "mine", "task_default_exchange_type": "topic"}, "app.add", {}),
    ({"task_default_queue": "mine", "task_queues": [Queue("other")]}, "app.add", {}),
    ({"task_default_priority": 5}, "app.add", {}),
    ({"task_create_missing_queue_exchange_type": "topic"}, "app.add", {"queue": "new"}),
    ({"task_queues": [Queue("more", [binding(Exchange("t1", "topic"), routing_key=key) for key in ("a.*", "b")])]},
     "app.add", {"exchange": "t1", "routing_key": "a.x"}),
    ({"task_queues": [Queue("more", [binding(Exchange("t1", "topic"), routing_key="a.*")]),
                      Queue("every", Exchange("t1", "topic"), routing_key="a.#")]},
     "app.add", {"exchange": "t1", "routing_key": "a.x.y"}),
]  # fmt: skip


@pytest.mark.parametrize(("conf", "task", "call"), TABLE)
def test_a_case_of_the_table_goes_where_celery_sends_it(conf: dict[str, Any], task: str, call: dict[str, Any]) -> None:
    compare(conf, task, call)
