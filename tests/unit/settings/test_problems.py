"""What is wrong with a site file, in words."""

from __future__ import annotations

from daemon.settings.problems import KEYS_LISTED, known_keys


def test_known_keys_are_listed_in_order_of_the_alphabet() -> None:
    assert known_keys(("task", "every", "cron")) == "known here: cron, every, task"


def test_of_a_table_without_keys_nothing_is_said() -> None:
    assert known_keys(()) == ""


def test_a_long_list_of_known_keys_is_cut_and_says_so() -> None:
    names = [f"k{number:02}" for number in range(KEYS_LISTED + 3)]
    assert known_keys(names) == f"known here: {', '.join(names[:KEYS_LISTED])} and 3 more"
    assert known_keys(names[:KEYS_LISTED]).endswith(names[KEYS_LISTED - 1])
