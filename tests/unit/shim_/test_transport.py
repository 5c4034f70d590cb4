"""Names of the lists a queue is made of."""

from __future__ import annotations

import pytest

from shim.routing import Target
from shim.transport import RedisTransport


@pytest.mark.parametrize(
    ("priority", "key"),
    [
        *((0, "q"), (1, "q"), (2, "q"), (3, "q\x06\x163"), (5, "q\x06\x163"), (6, "q\x06\x166"), (8, "q\x06\x166")),
        (9, "q\x06\x169"),
    ],
)
def test_a_priority_falls_to_the_largest_step_not_above_it(priority: int, key: str) -> None:
    assert RedisTransport().list_key(Target("q", priority)) == key


def test_prefix_steps_and_separator_are_those_given() -> None:
    transport = RedisTransport(key_prefix="site:", priority_steps=(0, 5), separator=":")
    assert [transport.list_key(Target("q", priority)) for priority in (4, 5)] == ["site:q", "site:q:5"]


def test_the_lists_of_a_queue_are_named_the_one_served_first_in_front() -> None:
    assert RedisTransport(key_prefix="p").list_keys("q") == ("pq", "pq\x06\x163", "pq\x06\x166", "pq\x06\x169")


def test_a_priority_below_every_step_goes_where_kombu_puts_it() -> None:
    transport = RedisTransport(priority_steps=(3, 6), separator=":")
    assert transport.list_key(Target("q", 0)) == "q:6"
    assert transport.list_keys("q") == ("q:3", "q:6")
