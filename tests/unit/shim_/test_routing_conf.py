"""Settings to a router: what is read, what is refused and how it is named, and what a route adds to a request."""

from __future__ import annotations

from typing import Any

import pytest

from shim.errors import RequestInvalid
from shim.routing import (
    Answer,
    Queue,
    QueueDefaults,
    QueueTable,
    QueueUnknown,
    Route,
    RouteFunction,
    RouteMap,
    Router,
    Target,
    parse_queue,
    parse_route,
    routing_from_conf,
)
from shim.transport import RedisTransport, transport_from_options

TOPICS = {
    "task_queues": [
        {"name": "video", "exchange": "media", "exchange_type": "topic", "routing_key": "video.#"},
        {"name": "all", "exchange": "media", "exchange_type": "topic", "routing_key": "#"},
        {"name": "bcast.1", "alias": "bcast", "exchange": "bcast", "exchange_type": "fanout", "routing_key": "wards.*"},
        {"name": "brief", "expires": 2.5},
        {"name": "older", "queue_arguments": {"x-expires": 7000}},
    ]
}


# -- what a route adds -------------------------------------------------------------------------------------------------


def test_options_of_the_route_remain_unless_the_call_gives_them() -> None:
    route = {"queue": "x", "expires": 60, "time_limit": 30, "headers": {"a": 1}}
    routed = routing_from_conf({"task_routes": {"app.*": route}}).route("app.add", {"time_limit": 5, "shadow": "s"})
    assert routed.options == {"expires": 60, "time_limit": 5, "headers": {"a": 1}, "shadow": "s"}
    assert routed.targets == (Target("x", 0),)


def test_an_option_that_is_none_is_not_given() -> None:
    router = routing_from_conf({"task_routes": {"app.*": {"queue": "x", "expires": 60, "priority": 3}}})
    routed = router.route("app.add", {"queue": None, "priority": None, "expires": None, "routing_key": None})
    assert (routed.targets, routed.options) == ((Target("x", 3),), {"expires": 60})


def test_options_are_not_shown() -> None:
    routed = Router().route("app.add", {"headers": {"name": "Müller"}})
    assert "Müller" not in repr(routed)
    assert "Müller" not in repr(parse_route({"headers": {"name": "Müller"}}, "route"))


def test_a_result_is_remembered_only_for_plain_destinations() -> None:
    router = Router({"app.*": Route("x")})
    assert router.route("app.add") is router.route("app.add", {"queue": None})
    assert router.route("app.add", {"headers": {}}) is not router.route("app.add", {"headers": {}})


# -- exchanges ---------------------------------------------------------------------------------------------------------


def test_a_topic_goes_to_every_queue_bound_for_it_without_an_exchange() -> None:
    routed = routing_from_conf(TOPICS).route("app.add", {"queue": "video", "priority": 9})
    assert routed.targets == (Target("video", 9), Target("all", 9))
    assert (routed.queue, routed.exchange, routed.routing_key) == ("video", "media", "video.#")


def test_one_target_is_not_picked_from_several() -> None:
    with pytest.raises(RequestInvalid, match="goes to 2 queues"):
        routing_from_conf(TOPICS).resolve("app.add", queue="video")


def test_a_fanout_is_one_target_with_its_exchange() -> None:
    routed = routing_from_conf(TOPICS).route("app.add", {"queue": "bcast", "routing_key": "wards.3"})
    assert routed.targets == (Target("bcast.1", 0, "bcast", "wards.3"),)


@pytest.mark.parametrize(
    "call",
    [
        {"queue": "video", "exchange": "nowhere", "routing_key": "a"},
        {"queue": "bcast", "routing_key": "doctors"},
        {"exchange": "media", "routing_key": "audio", "exchange_type": "topic", "queue": "narrow"},
    ],
)
def test_what_nobody_would_get_is_refused(call: dict[str, Any]) -> None:
    narrow = {"name": "narrow", "exchange": "m", "exchange_type": "topic", "routing_key": "a"}
    conf = {"task_queues": [*TOPICS["task_queues"], narrow]}
    if call.get("queue") == "narrow":
        call = {**call, "exchange": "m"}
    with pytest.raises(RequestInvalid, match="would be lost"):
        routing_from_conf(conf).route("app.add", call)


@pytest.mark.parametrize(("queue", "expires_ms"), [("brief", 2500), ("older", 7000), ("video", 0), ("made", 0)])
def test_a_target_knows_how_long_its_queue_lives(queue: str, expires_ms: int) -> None:
    targets = routing_from_conf(TOPICS).route("app.add", {"queue": queue}).targets
    assert targets[0].queue_expires_ms == expires_ms


def test_a_queue_nobody_declared_is_refused_with_those_that_are_near() -> None:
    conf = {**TOPICS, "task_create_missing_queues": False, "task_default_queue": "all"}
    with pytest.raises(QueueUnknown, match="queue 'vidio' is not in task_queues") as caught:
        routing_from_conf(conf).route("app.add", {"queue": "vidio"})
    assert "video" in caught.value.hint


# -- functions ---------------------------------------------------------------------------------------------------------


def test_a_function_is_asked_only_if_nothing_before_it_matches() -> None:
    router = Router((RouteMap([("app.*", Route("x"))]), RouteFunction("app.route"), RouteMap([("b.*", Route("y"))])))
    assert (router.asks_app("app.add"), router.asks_app("b.add")) == (False, True)
    assert router.route("app.add").targets == (Target("x", 0),)
    with pytest.raises(RequestInvalid, match=r"app\.route decides") as caught:
        router.route("b.add")
    assert "AppRouter" in caught.value.hint
    assert router.route("b.add", answer=Answer(Route("z", 4))).targets == (Target("z", 4),)
    assert router.route("b.add", answer=Answer(None)).targets == (Target("celery", 0),)


# -- what is read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "task", "queue"),
    [
        ({"kind": "map", "pairs": [["a.*", "x"]]}, "a.b", "x"),
        ([{"kind": "map", "pairs": [[{"regex": "A.b", "flags": 2}, {"queue": "x"}]]}], "axb", "x"),
        ([[["a.*", "x"], ["b", "y"]]], "b", "y"),
        ({"kind": "x"}, "kind", "x"),
        ({"function": "x"}, "function", "x"),
        ([], "a", "celery"),
        ({"a": {"queue": {"name": "spot", "expires": 1}}}, "a", "spot"),
    ],
)
def test_routes_are_read_in_every_form(routes: Any, task: str, queue: str) -> None:
    assert routing_from_conf({"task_routes": routes}).resolve(task).queue == queue


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        ({"task_routes": 5}, "task_routes"),
        ({"task_routes": ["a.f", 5]}, "task_routes[1]"),
        ({"task_routes": [["a", "b"]]}, "task_routes[0]"),
        ({"task_routes": {"a.*": 5}}, "task_routes[0]['a.*']"),
        ({"task_routes": {"a.*": {"priority": 10}}}, "priority 10"),
        ({"task_routes": {"a.*": {"priority": True}}}, "priority True"),
        ({"task_routes": {"a.*": {"exchange": 5}}}, "task_routes[0]['a.*'].exchange"),
        ({"task_routes": {"a.*": {"delivery_mode": 3}}}, "task_routes[0]['a.*'].delivery_mode"),
        ({"task_routes": {"a.*": {"queue": 5}}}, "task_routes[0]['a.*'].queue"),
        ({"task_routes": [{"kind": "map", "pairs": [[{"regex": "("}, "x"]]}]}, "'(' is no regular expression"),
        ({"task_routes": [{"kind": "map", "pairs": [[5, "x"]]}]}, "task_routes[0]"),
        ({"task_queues": [5]}, "task_queues[0]"),
        ({"task_queues": [{}]}, "task_queues[0].name"),
        ({"task_queues": [{"name": "a", "expires": "1"}]}, "task_queues[0].expires"),
        ({"task_queues": [{"name": "a", "expires": 0}]}, "queue 'a': expires"),
        ({"task_queues": [{"name": "a", "exchange": "x", "exchange_type": "headers"}]}, "'headers' is not supported"),
        ({"task_queues": [{"name": "a", "exchange": "x", "exchange_type": "topic", "routing_key": "**"}]}, "'**'"),
        ({"task_queues": [{"name": "a", "bindings": [{"exchange": ""}]}]}, "exchange ''"),
        ({"task_queues": [{"name": n, "exchange": "x", "exchange_type": t} for n, t in (("a", "topic"), ("b", "fanout"))]},
         "'x': declared with two types"),
        ({"task_queues": {"a": 5}}, "task_queues.a"),
        ({"task_queues": [{"name": "\n"}]}, "1 to 255 printable"),
        ({"task_queues": [{"name": "a", "max_priority": "9"}]}, "task_queues[0].max_priority"),
        ({"task_default_queue": 5}, "conf.task_default_queue"),
        ({"task_default_delivery_mode": 5}, "conf.task_default_delivery_mode"),
        ({"task_queue_max_priority": True}, "conf.task_queue_max_priority"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_by_its_name(conf: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        routing_from_conf(conf)
    assert named in str(caught.value)


def test_an_exchange_without_queue_and_key_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="needs a routing key"):
        routing_from_conf({"task_routes": {"a": {"exchange": "x"}}}).route("a")


def test_the_table_names_what_is_declared() -> None:
    table = QueueTable([Queue("a"), Queue("b.1", alias="b", exchange="f", exchange_type="fanout")], QueueDefaults("a"))
    assert table.names == ("a", "b", "b.1")
    assert [queue.name for queue in table] == ["a", "b.1"]
    assert table.find("b") is table.find("b.1")
    assert table.exchange_type("f") == "fanout"
    assert table.exchange_type("none") is None
    assert parse_queue("a", "queue") == Queue("a")


# -- the transport -----------------------------------------------------------------------------------------------------


def test_transport_options_are_read() -> None:
    options = {"global_keyprefix": "p:", "sep": ":", "priority_steps": [6, 0, 3], "visibility_timeout": 5}
    assert transport_from_options(options, db=2) == RedisTransport("p:", (0, 3, 6), ":", 2)
    assert transport_from_options({}) == RedisTransport()


@pytest.mark.parametrize(
    ("options", "key", "channel"),
    [
        ({}, "", "/2.ex"),
        ({}, "a.b", "/2.ex/a.b"),
        ({"fanout_prefix": False}, "a", "ex/a"),
        ({"fanout_prefix": "mine{db}-"}, "a", "mine2-ex/a"),
        ({"fanout_patterns": False}, "a", "/2.ex"),
        ({"global_keyprefix": "p:"}, "a", "p:/2.ex/a"),
    ],
)
def test_a_channel_is_named_as_kombu_names_it(options: dict[str, Any], key: str, channel: str) -> None:
    assert transport_from_options(options, db=2).channel("ex", key) == channel


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"priority_steps": "0369"}, "priority_steps"),
        ({"priority_steps": [0, 10]}, "priority_steps"),
        ({"priority_steps": [True]}, "priority_steps"),
        ({"sep": 5}, "sep"),
        ({"global_keyprefix": 5}, "global_keyprefix"),
        ({"fanout_prefix": 5}, "fanout_prefix"),
    ],
)
def test_a_transport_option_of_the_wrong_kind_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestInvalid, match=f"broker_transport_options.{named}"):
        transport_from_options(options)
