"""Which route a message takes."""

from __future__ import annotations

import pytest

from daemon.hl7listener.routing import Route, Unrouted, Words, find_route, words
from daemon.public import Public
from tests.support.feeds import route


def named(task: str, types: list[str] | None, events: list[str] | None = None) -> Route:
    return route(types, events, task=Public(task))


@pytest.mark.parametrize("message_type", ["ADT", "ORU", "", "ZZZ^x"])
def test_a_route_that_names_no_type_takes_every_message(message_type: str) -> None:
    only = named("all", None)
    assert find_route([only], message_type, "A01") is only


def test_a_type_is_one_of_the_words_given() -> None:
    only = named("t", ["ADT", "ORU"])
    assert find_route([only], "ORU", "R01") is only
    assert find_route([only], "ORM", "O01") is Unrouted.TYPE


def test_an_event_is_one_of_the_words_given() -> None:
    only = named("t", ["ADT"], ["A01", "A02"])
    assert find_route([only], "ADT", "A02") is only
    assert find_route([only], "ADT", "A03") is Unrouted.EVENT


def test_the_first_route_that_matches_wins() -> None:
    first, second = named("first", ["ADT"], ["A01"]), named("second", ["ADT"])
    assert find_route([first, second], "ADT", "A01") is first
    assert find_route([first, second], "ADT", "A02") is second
    assert find_route([second, first], "ADT", "A01") is second


def test_an_event_unknown_to_one_route_may_be_known_to_the_next() -> None:
    first, second = named("first", ["ADT"], ["A01"]), named("second", ["ORU"], ["R01"])
    assert find_route([first, second], "ADT", "R01") is Unrouted.EVENT
    assert find_route([first, second], "ORM", "R01") is Unrouted.TYPE


def test_without_routes_no_type_is_routed() -> None:
    assert find_route([], "ADT", "A01") is Unrouted.TYPE


@pytest.mark.parametrize(
    ("pattern", "word", "matches"),
    [
        ("A*", "A01", True),
        ("A*", "B01", False),
        ("A0?", "A01", True),
        ("A0?", "A011", False),
        ("A0[12]", "A02", True),
        ("A0[12]", "A03", False),
        ("*", "", True),
        ("A01", "a01", False),
        ("A.1", "A01", False),
        ("(A)", "A", False),
        ("A0*", "A0\n1", True),
    ],
)
def test_words_are_exact_and_globs_are_no_regular_expressions(pattern: str, word: str, *, matches: bool) -> None:
    assert words([pattern]).match(word) is matches


def test_words_and_globs_can_be_mixed() -> None:
    mixed = words(["A01", "B*"])
    assert mixed == Words(frozenset(("A01",)), ("B*",))
    assert [mixed.match(word) for word in ("A01", "B99", "A02")] == [True, True, False]


def test_a_pattern_written_in_haste_cannot_stop_the_feed() -> None:
    # As a regular expression with backtracking this would take longer than the universe has existed.
    assert not words(["*a" * 30 + "b"]).match("a" * 5000)


def test_none_and_no_words_match_everything() -> None:
    assert words(None).match("anything")
    assert words([]).match("")
