"""From ``[[feed.NAME.route]]`` to routes, with every problem named."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.hl7listener.catalog import read_feeds
from daemon.hl7listener.routes.arguments import Arguments, Constant, Form, Pick
from daemon.hl7listener.routes.condition import SHARES, ValueTest
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.routes.routing import Route, Routing
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.text.path import parse_path
from daemon.public import Public
from daemon.settings import Problem, Settings

TASK = {"task": "t"}


def read(*routes: dict[str, Any], **feed: Any) -> tuple[Routing, tuple[Problem, ...]]:
    site = {"name": "site", "state_dir": "/nowhere"}
    section = {"listen": "127.0.0.1:2575", "route": list(routes), **feed}
    [found], problems = read_feeds(Settings.model_validate({"site": site, "feed": {"adt": section}}))
    return found.routing, problems


def only(route: dict[str, Any]) -> Route:
    routing, problems = read({**TASK, **route})
    assert problems == ()
    return routing.routes[0]


def wrong(*routes: dict[str, Any], **feed: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Give the keys below the first route that are wrong, and how."""
    return [(problem.path[4:], problem.message) for problem in read(*routes, **feed)[1]]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("structure", "MSH-9.3"),
        ("sending_application", "MSH-3.1"),
        ("sending_facility", "MSH-4.1"),
        ("receiving_application", "MSH-5.1"),
        ("receiving_facility", "MSH-6.1"),
        ("processing_id", "MSH-11.1"),
        ("version", "MSH-12.1"),
    ],
)
def test_a_header_field_has_a_key_of_its_own(key: str, path: str) -> None:
    assert only({key: ["A", "B*"]}).condition.tests == (ValueTest(parse_path(path), words(["A", "B*"])),)
    assert only({key: "A"}).condition.tests == (ValueTest(parse_path(path), words(["A"])),)


def test_values_at_any_path_can_be_asked_for_or_excluded() -> None:
    route = only({"where": {"PV1-2": ["I", ""], "MSH-6": "LAB"}, "unless": {"OBX[*]-3.1": "X*"}})
    assert route.condition.tests == (
        ValueTest(parse_path("PV1-2"), words(["I", ""])),
        ValueTest(parse_path("MSH-6"), words(["LAB"])),
        ValueTest(parse_path("OBX[*]-3.1"), words(["X*"]), is_wanted=False),
    )


def test_a_route_by_type_and_event_looks_at_nothing_else() -> None:
    condition = only({"type": "ADT", "event": ["A01", "A*"]}).condition
    assert (condition.tests, condition.below) == ((), None)


def test_a_sample_is_a_share_of_all_messages() -> None:
    assert only({"sample": 0.25}).condition.below == SHARES // 4


def test_default_routes_are_tried_last_and_keep_their_numbers() -> None:
    routing, problems = read({**TASK, "default": True}, {"task": "u", "also": True}, {"filter": True})
    assert problems == ()
    assert [(route.number, route.goes_on, route.filters) for route in routing.routes] == [
        (1, True, False),
        (2, False, True),
        (0, False, False),
    ]


def test_all_routes_that_match_can_count() -> None:
    routing, _ = read(TASK, {"filter": True, "type": "ACK"}, TASK, match="all")
    assert [route.goes_on for route in routing.routes] == [True, False, True]


def test_an_entry_can_be_rung_once_for_many_messages() -> None:
    routing, problems = read({"entry": "sync", "once_per": "5m"})
    assert problems == ()
    [route] = routing.routes
    assert (route.task, route.entry, route.entry_window_us, route.queues) == (None, "sync", 300_000_000, ())


def test_arguments_are_values_constants_lists_and_the_document() -> None:
    route = only(
        {
            "args": ["PID-3.1", "=ADT", {"value": {"a": 1}}],
            "kwargs": {
                "ids": {"path": "PID-3.1", "all": True},
                "codes": "OBX[*]-3.1",
                "count": {"path": "NTE-1", "as": "int", "default": 0},
            },
            "message": True,
        }
    )
    assert route.arguments == Arguments(
        (Pick(parse_path("PID-3.1")), Constant("ADT"), Constant({"a": 1})),
        {
            "ids": Pick(parse_path("PID-3[*].1"), is_list=True),
            "codes": Pick(parse_path("OBX[*]-3.1"), is_list=True),
            "count": Pick(parse_path("NTE-1"), Form.INT, 0),
        },
        "message",
    )


def test_lanes_have_queues_named_after_that_of_their_route_or_else_the_feed() -> None:
    route = only({"lane_by": "PID-3.1", "lanes": 2})  # of feed.adt
    assert route.lane_key == LaneKey(Public("adt"), (parse_path("PID-3.1"),), 2)
    assert route.queues == ("adt.lane-0", "adt.lane-1")
    several = only({"queue": "ward", "lane_by": ["PV1-19", "PID-3.1"], "lane_on_park": "go-on"})
    assert several.lane_key == LaneKey(Public("ward"), (parse_path("PV1-19"), parse_path("PID-3.1")), 8, holds=False)


@pytest.mark.parametrize(
    ("route", "path", "message"),
    [
        ({"type": "ADT"}, ("task",), "is missing"),
        ({**TASK, "entry": "sync"}, ("entry",), "does not go with task"),
        ({**TASK, "filter": True}, ("filter",), "does not go with task"),
        ({"filter": True, "also": True}, ("also",), "does not go with filter"),
        ({"filter": True, "queue": "q"}, ("queue",), "goes with task only"),
        ({"entry": "sync", "kwargs": {}}, ("kwargs",), "goes with task only"),
        ({**TASK, "once_per": "5m"}, ("once_per",), "goes with entry only"),
        ({**TASK, "lanes": 3}, ("lanes",), "goes with lane_by only"),
        ({**TASK, "queue": "q", "lane_by": "pid"}, ("lane_by",), '"pid" is not an HL7 path'),
        ({**TASK, "where": {"pid": "x"}}, ("where", "pid"), '"pid" is not an HL7 path'),
        ({**TASK, "unless": {"PID-0": "x"}}, ("unless", "PID-0"), '"PID-0" counts from 1'),
        ({**TASK, "args": [1]}, ("args", 0), "neither a path nor a table"),
        ({**TASK, "args": ["x"]}, ("args", 0), '"x" is not an HL7 path'),
        ({**TASK, "kwargs": {"a": {"value": 1, "path": "PID-3"}}}, ("kwargs", "a", "value"), "unknown key"),
        ({**TASK, "kwargs": {"a": {"path": 3}}}, ("kwargs", "a", "path"), "an HL7 path is needed"),
        ({**TASK, "kwargs": {"a": {"path": "PID-3", "as": "date-time"}}}, ("kwargs", "a", "as"), "not a form"),
        ({**TASK, "kwargs": {"a": {"path": "PID-3", "all": 1}}}, ("kwargs", "a", "all"), "neither true nor false"),
        ({**TASK, "message": True, "kwargs": {"message": "PID-3"}}, ("message",), "there is an argument of that name in kwargs"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_problem_at_its_key(
    route: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    assert wrong(route) == [(path, message)]
