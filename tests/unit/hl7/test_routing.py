"""Which routes a message takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.routes.condition import SHARES, Condition, ValueTest
from daemon.hl7listener.routes.routing import Route, Routing, Unrouted, choose
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.text.path import parse_path
from daemon.public import Public
from tests.support.feeds import route

BODY = "PID|1||P1^^^HOSP~P2^^^CITY||DOE^JOHN\rPV1||I|W1\rOBX|1||A\rOBX|2||B\r"


def message(kind: str = "ADT^A01", body: str = BODY) -> bytes:
    return f"MSH|^~\\&|SA|SF|RA|RF|20261122||{kind}|M1|P|2.5\r{body}".encode()


def chosen(routes: list[Route], data: bytes | None = None) -> list[str] | Unrouted:
    """Name the tasks of the routes a message takes."""
    data = data or message()
    header = parse_header(data)
    assert isinstance(header, Header)
    found = choose(Routing(tuple(routes)), header, data.decode(), data)
    return found if isinstance(found, Unrouted) else [str(one.task) for one in found]


def named(task: str, types: list[str] | None = None, events: list[str] | None = None, **values: Any) -> Route:
    return route(types, events, task=Public(task), **values)


def where(task: str, *tests: tuple[str, list[str]], is_wanted: bool = True, **values: Any) -> Route:
    found = tuple(ValueTest(parse_path(path), words(texts), is_wanted) for path, texts in tests)
    return route(task=Public(task), condition=Condition(tests=found), **values)


@pytest.mark.parametrize("kind", ["ADT^A01", "ORU^R01", "", "ZZZ"])
def test_a_route_that_names_no_type_takes_every_message(kind: str) -> None:
    assert chosen([named("all")], message(kind)) == ["all"]


def test_a_type_is_one_of_the_words_given() -> None:
    only = named("t", ["ADT", "ORU"])
    assert chosen([only], message("ORU^R01")) == ["t"]
    assert chosen([only], message("ORM^O01")) is Unrouted.TYPE


def test_an_event_is_one_of_the_words_given() -> None:
    only = named("t", ["ADT"], ["A01", "A02"])
    assert chosen([only], message("ADT^A02")) == ["t"]
    assert chosen([only], message("ADT^A03")) is Unrouted.EVENT


def test_the_first_route_that_matches_wins() -> None:
    first, second = named("first", ["ADT"], ["A01"]), named("second", ["ADT"])
    assert chosen([first, second]) == ["first"]
    assert chosen([first, second], message("ADT^A02")) == ["second"]
    assert chosen([second, first]) == ["second"]


def test_an_event_unknown_to_one_route_may_be_known_to_the_next() -> None:
    first, second = named("first", ["ADT"], ["A01"]), named("second", ["ORU"], ["R01"])
    assert chosen([first, second], message("ADT^R01")) is Unrouted.EVENT
    assert chosen([first, second], message("ORM^R01")) is Unrouted.TYPE


def test_without_routes_no_type_is_routed() -> None:
    assert chosen([]) is Unrouted.TYPE


def test_routes_that_go_on_count_beside_the_first_that_does_not() -> None:
    routes = [named("a", goes_on=True), named("b", ["ORU"], goes_on=True), named("c"), named("d")]
    assert chosen(routes) == ["a", "c"]
    assert chosen(routes, message("ORU^R01")) == ["a", "b", "c"]
    assert chosen(routes[:1]) == ["a"]


def test_a_route_that_filters_leaves_what_counted_before_it_and_nothing_behind_it() -> None:
    out = named("", ["ADT"], filters=True)
    assert chosen([out, named("late")]) == []
    assert chosen([named("early", goes_on=True), out, named("late")]) == ["early"]
    assert chosen([out, named("late")], message("ORU^R01")) == ["late"]


def test_a_default_route_counts_only_if_no_other_does() -> None:
    rest = named("rest", is_default=True)
    assert chosen([named("a", ["ADT"], goes_on=True), rest]) == ["a"]
    assert chosen([named("a", ["ADT"], goes_on=True), rest], message("ORU^R01")) == ["rest"]


@pytest.mark.parametrize(
    ("path", "texts", "matches"),
    [
        ("PV1-2", ["I", "E*"], True),
        ("PV1-2", ["O"], False),
        ("PV1-3.1", ["W?"], True),
        ("PID-3[2].1", ["P2"], True),
        ("PID-3[*].4", ["CITY"], True),
        ("PID-3[*].4", ["TOWN"], False),
        ("OBX[*]-3", ["B"], True),
        ("PV1-44", [""], True),
        ("PV1-44", ["?*"], False),
        ("ZZZ-1", [""], True),
        ("ZZZ[*]-1", [""], True),
        ("PV1-2", [""], False),
    ],
)
def test_a_value_is_one_of_the_words_given(path: str, texts: list[str], *, matches: bool) -> None:
    assert chosen([where("t", (path, texts))]) == (["t"] if matches else Unrouted.CONTENT)
    assert chosen([where("t", (path, texts), is_wanted=False)]) == (Unrouted.CONTENT if matches else ["t"])


def test_all_values_asked_for_must_match() -> None:
    routes = [where("both", ("PV1-2", ["I"]), ("PV1-3", ["W2"])), where("one", ("PV1-2", ["I"]))]
    assert chosen(routes) == ["one"]


@given(st.lists(st.binary(min_size=4, max_size=12), min_size=1, max_size=30), st.integers(1, SHARES - 1))
def test_a_share_is_of_the_same_messages_each_time_and_a_larger_one_has_them_too(
    bodies: list[bytes], below: int
) -> None:
    for body in bodies:
        data = message(body=f"NTE|{body.hex()}\r")
        some = named("some", condition=Condition(below=below))
        found = chosen([some], data)
        assert found == chosen([some], data)
        more = named("more", condition=Condition(below=min(2 * below, SHARES)))
        assert found is Unrouted.CONTENT or chosen([more], data) == ["more"]


def test_a_share_of_a_tenth_is_about_a_tenth() -> None:
    some = named("some", condition=Condition(below=SHARES // 10))
    count = sum(chosen([some], message(body=f"NTE|{number}\r")) == ["some"] for number in range(4000))
    assert 300 < count < 500
