"""Choosing the master from what sentinels say."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.master_choice import Sighting, choose, read_sighting

OLD = Sighting("old", 1, 4, is_up=True, other_sentinels=2)
NEW = Sighting("new", 2, 5, is_up=True, other_sentinels=2)
DOWN = NEW._replace(is_up=False)


def described(flags: str = "master") -> list[bytes]:
    fields = {"name": "mymaster", "ip": "10.0.0.1", "port": 6379, "flags": flags}
    return [str(part).encode() for pair in fields.items() for part in pair]


def test_the_replies_of_a_sentinel_are_read() -> None:
    fields = [*described(), *(b"config-epoch", b"7", b"num-other-sentinels", b"2")]
    seen = read_sighting([b"10.0.0.1", b"6379"], fields)
    assert seen == Sighting("10.0.0.1", 6379, 7, is_up=True, other_sentinels=2)


@pytest.mark.parametrize(
    ("flags", "is_up"),
    [
        *(("master", True), ("master,disconnected", True), ("s_down,master", False), ("s_down,o_down,master", False)),
        *(("slave", False), ("", False), ("master,failover_in_progress,o_down", False)),
    ],
)
def test_a_server_is_up_if_the_sentinel_sees_it_and_takes_it_for_a_master(flags: str, is_up: bool) -> None:  # noqa: FBT001
    assert read_sighting([b"10.0.0.1", b"6379"], described(flags=flags)).is_up is is_up


def test_a_replica_just_promoted_is_up_though_the_server_it_follows_is_described_as_down() -> None:
    seen = read_sighting([b"10.0.0.2", b"6379"], described(flags="s_down,o_down,master,failover_in_progress"))
    assert (seen.host, seen.is_up) == ("10.0.0.2", True)


@pytest.mark.parametrize("place", [[b"h"], [b"h", b"port"], [], [b"h", b"1", b"2"]])
def test_a_reply_of_another_form_is_an_error_that_the_caller_expects(place: list[bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
        read_sighting(place, described())


def test_fields_in_odd_number_are_an_error_that_the_caller_expects() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
        read_sighting([b"h", b"1"], [b"name"])


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ([], None),
        ([OLD], OLD),
        ([OLD, NEW], NEW),
        ([OLD, DOWN], None),
        ([OLD, DOWN, NEW], NEW),
        ([OLD, OLD._replace(is_up=False)], OLD),
        ([DOWN], None),
    ],
)
def test_the_master_of_the_latest_fail_over_is_chosen_and_never_an_older_one(
    said: list[Sighting], chosen: Sighting | None
) -> None:
    for order in permutations(said):
        assert choose(order) == chosen


def test_a_sentinel_that_sees_too_few_others_is_not_believed() -> None:
    alone = NEW._replace(other_sentinels=0)
    assert choose([alone], min_other_sentinels=1) is None
    assert choose([OLD, alone], min_other_sentinels=2) == OLD
    assert choose([OLD], min_other_sentinels=3) is None


sightings = st.builds(Sighting, st.just("h"), st.integers(1, 3), st.integers(0, 3), st.booleans(), st.integers(0, 2))


@given(st.lists(sightings, max_size=6), st.integers(0, 2))
def test_what_is_chosen_was_seen_up_by_someone_believed_and_nobody_believed_knows_a_later_one(
    said: list[Sighting], fewest: int
) -> None:
    chosen = choose(said, min_other_sentinels=fewest)
    if chosen is not None:
        assert chosen in said
        assert chosen.is_up
        assert all(one.epoch <= chosen.epoch for one in said if one.other_sentinels >= fewest)
