"""Words and globs that values are compared with."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.hl7listener.routes.words import parse_glob, words


@pytest.mark.parametrize(
    ("pattern", "word", "matches"),
    [
        ("A*", "A01", True),
        ("A*", "B01", False),
        ("A0?", "A01", True),
        ("A0?", "A011", False),
        ("A0[12]", "A02", False),
        ("A0[12]", "A0[12]", True),
        ("*", "", True),
        ("?*", "", False),
        ("?*", "x", True),
        ("A01", "a01", False),
        ("A.1", "A01", False),
        ("(A)", "A", False),
        ("A0*", "A0\n1", True),
        ("a?c*", "a\nc", True),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("*a?c*d*", "..abc..abd", True),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_words_are_exact_and_globs_know_star_and_question_mark_alone(pattern: str, word: str, *, matches: bool) -> None:
    assert words([pattern]).match(word) is matches


@given(st.text("ab?*", max_size=8), st.text("ab\n", max_size=12))
@example("*??*a?b*", "ab\naab")
@example("?*?", "a")
def test_a_glob_matches_what_the_regular_expression_for_it_matches(glob: str, value: str) -> None:
    pattern = "".join({"*": ".*", "?": "."}.get(mark, re.escape(mark)) for mark in glob)
    assert parse_glob(glob).match(value) is (re.fullmatch(pattern, value, re.DOTALL) is not None)


def test_words_and_globs_can_be_mixed() -> None:
    mixed = words(["A01", "B*"])
    assert mixed.exact == frozenset(("A01",))
    assert [mixed.match(word) for word in ("A01", "B99", "A02")] == [True, True, False]


@pytest.mark.parametrize(
    "pattern", ["*a" * 30 + "*b*", "*a*a?a*a?a*a?b*", "*" * 200 + "b", "a*" * 100 + "?b*", "*aaaaaaaaab*"]
)
def test_a_pattern_written_in_haste_cannot_stop_the_feed(pattern: str) -> None:
    # With backtracking each of these would take longer than the universe has existed.
    assert not words([pattern]).match("a" * 32 * 1024 * 1024)


def test_none_and_no_words_match_everything() -> None:
    assert words(None).match("anything")
    assert words([]).match("")


def test_the_empty_word_matches_what_is_absent_alone() -> None:
    assert words([""]).match("")
    assert not words([""]).match("x")
