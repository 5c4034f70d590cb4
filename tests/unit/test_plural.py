"""Numbers of things, in words."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from daemon.plural import counted, numbered
from daemon.public import Public


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 errors"), (1, "1 error"), (2, "2 errors"), (11, "11 errors"), (21, "21 errors")]
)
def test_only_one_thing_is_named_in_the_singular(count: int, text: str) -> None:
    assert counted(count, "error") == text


def test_a_word_with_a_plural_of_its_own_is_given_with_it() -> None:
    assert [counted(number, "entry", "entries") for number in range(3)] == ["0 entries", "1 entry", "2 entries"]


def test_a_number_of_things_may_be_shown() -> None:
    assert type(counted(3, "feed")) is Public


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([7], "message 7"),
        ([8, 7, 7], "messages 7-8"),
        ([20, 7, 21, 22, 13], "messages 7, 13, 20-22"),
        (range(1, 80, 2), f"messages {', '.join(map(str, range(1, 40, 2)))}, …"),
    ],
)
def test_messages_are_named_by_their_numbers(numbers: Iterable[int], text: str) -> None:
    assert numbered(numbers) == text
