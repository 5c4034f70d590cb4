"""Answers: how values are written, tagged, paged and repeated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.http.answer import Answer, is_one_of, tag_of, written
from daemon.api.http.idempotency import KEPT_S, Idempotency, KeyInUse, KeyReused
from daemon.api.http.page import cursor, keys_of
from daemon.desks import BadRequest


class Word(Enum):
    UP = "up"


class Pair(NamedTuple):
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Row:
    at: datetime
    word: Word
    names: frozenset[str]
    pair: Pair


def test_values_are_written_as_json_with_instants_in_utc() -> None:
    row = Row(datetime(2026, 1, 2, 3, tzinfo=UTC), Word.UP, frozenset(("b", "a")), Pair(1, 2))
    assert json.loads(written(row)) == {
        "at": "2026-01-02T03:00:00Z",
        "word": "up",
        "names": ["a", "b"],
        "pair": {"left": 1, "right": 2},
    }


def test_what_cannot_be_written_is_named_by_its_type_alone() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "PATIENT"

    with pytest.raises(TypeError) as error:
        written({"a": Secret()})
    assert "PATIENT" not in str(error.value)


def test_equal_bodies_have_equal_tags() -> None:
    assert tag_of({"a": 1}) == tag_of({"a": 1}) != tag_of({"a": 2})


@pytest.mark.parametrize(
    ("header", "is_known"),
    [('"abc"', True), ('W/"abc"', True), ('"x", "abc"', True), ("*", True), ('"ab"', False), ("", False)],
)
def test_a_tag_is_found_among_those_a_caller_knows(header: str, *, is_known: bool) -> None:
    assert is_one_of("abc", header) is is_known


@given(st.lists(st.text() | st.integers(-(2**53), 2**53), min_size=1, max_size=3))
def test_a_cursor_is_read_back_as_the_keys_it_was_made_of(keys: list[str | int]) -> None:
    try:
        word = cursor(*keys)
    except TypeError:  # lone surrogates
        return
    assert keys_of(word, len(keys)) == keys


@pytest.mark.parametrize("word", ["x", "%%%", "W10", "eyJhIjoxfQ", "WzFd" * 3, cursor(1, 2), cursor(None)])
def test_a_word_that_is_no_cursor_is_refused(word: str) -> None:
    with pytest.raises(BadRequest):
        keys_of(word, 1)


def test_a_repeated_creation_is_answered_as_the_first_was() -> None:
    kept = Idempotency()
    assert kept.begin("a", "k", b"x", 0) is None
    with pytest.raises(KeyInUse):
        kept.begin("a", "k", b"x", 1)
    kept.end("a", "k", Answer({"id": 1}, 201))
    assert kept.begin("a", "k", b"x", 2) == Answer({"id": 1}, 201)
    assert kept.begin("b", "k", b"x", 2) is None  # another caller's key is another key
    with pytest.raises(KeyReused):
        kept.begin("a", "k", b"y", 3)


def test_a_creation_of_which_nothing_came_may_be_tried_again() -> None:
    kept = Idempotency()
    assert kept.begin("a", "k", b"x", 0) is None
    kept.end("a", "k", None)
    assert kept.begin("a", "k", b"x", 1) is None


def test_creations_are_forgotten_after_a_day_and_beyond_a_number() -> None:
    kept = Idempotency(keys_limit=3)
    for number in range(5):
        assert kept.begin("a", str(number), b"x", number) is None
        kept.end("a", str(number), Answer(number))
    assert kept.begin("a", "0", b"x", 5) is None  # the eldest had to go
    assert kept.begin("a", "4", b"x", 5) == Answer(4)
    assert kept.begin("a", "4", b"x", 4 + KEPT_S) is None


def test_a_creation_that_is_under_way_is_known_however_many_come_meanwhile() -> None:
    kept = Idempotency(keys_limit=3, limit_bytes=25)
    assert kept.begin("a", "slow", b"x", 0.0) is None
    for number in range(10):
        assert kept.begin("a", str(number), b"x", number) is None
        kept.end("a", str(number), Answer(b"0123456789"))
    with pytest.raises(KeyInUse):
        kept.begin("a", "slow", b"x", KEPT_S + 1)
    kept.end("a", "slow", Answer(b"0"))
    assert kept.begin("a", "slow", b"x", 10.0) == Answer(b"0")


def test_the_eldest_answers_go_when_all_together_are_too_long() -> None:
    kept = Idempotency(limit_bytes=25)
    for key in ("a", "b", "c"):
        kept.begin("me", key, b"x", 0.0)
        kept.end("me", key, Answer(b"0123456789"))
    assert [kept.begin("me", key, b"x", 0.0) is None for key in ("c", "b", "a")] == [False, False, True]
    kept.end("me", "a", Answer(b"0" * 100))
    assert all(kept.begin("me", key, b"x", 0.0) is None for key in ("a", "b", "c"))
