"""Keys of lanes that wait behind parked messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.lanes.hold import Hold

KEY, OTHER = (0, 17), (0, 18)


def test_what_has_the_key_of_a_parked_message_waits_and_nothing_else_does() -> None:
    hold = Hold()
    hold.add(5, [KEY])
    assert hold.is_behind([KEY], 6)
    assert hold.is_behind([OTHER, KEY], 6)
    assert not hold.is_behind([OTHER], 6)
    assert not hold.is_behind([], 6)
    assert not hold.is_behind([(1, 17)], 6)


def test_an_older_message_does_not_wait_for_a_younger_one() -> None:
    hold = Hold()
    hold.add(5, [KEY])
    assert not hold.is_behind([KEY], 4)
    assert not hold.is_behind([KEY], 5)


def test_the_copy_of_a_parked_message_takes_its_place() -> None:
    hold = Hold()
    for seq in (5, 7, 8):
        hold.add(seq, [KEY])
    assert hold.is_behind([KEY], 20, origin_seq=7)
    assert not hold.is_behind([KEY], 20, origin_seq=5)
    hold.remove(5)
    assert not hold.is_behind([KEY], 21, origin_seq=7)
    assert hold.is_behind([KEY], 22)
    hold.remove(7)
    hold.remove(8)
    assert not hold.is_behind([KEY], 23)
    assert len(hold) == 0


def test_a_message_that_came_in_a_batch_waits_by_its_own_number() -> None:
    hold = Hold()
    hold.add(5, [KEY])
    assert hold.is_behind([KEY], 6, origin_seq=3)


def test_beyond_its_limit_everything_with_a_key_waits_but_the_copies_of_what_is_remembered() -> None:
    hold = Hold(limit=2)
    for seq in (1, 2, 3):
        hold.add(seq, [KEY])
    assert (len(hold), hold.has_overflowed, 3 in hold) == (2, True, False)
    assert hold.is_behind([OTHER], 9)
    assert not hold.is_behind([], 9)
    assert not hold.is_behind([KEY], 9, origin_seq=1)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 30)), max_size=60))
def test_messages_of_a_key_are_handed_on_in_their_order_whatever_is_parked_and_released(
    steps: list[tuple[int, bool, int]],
) -> None:
    """Each step stores a message of a key, which no worker may be able to take, or releases a parked one."""
    hold, parked, passed = Hold(), dict[int, int](), dict[int, list[int]]()
    stores_from = 20
    for seq, (key, is_poison, release) in enumerate(steps, 1):
        if release < stores_from and parked:
            origin = sorted(parked)[release % len(parked)]
            if not hold.is_behind([(0, parked[origin])], seq, origin):
                hold.remove(origin)
                passed.setdefault(parked.pop(origin), []).append(origin)
        elif is_poison or hold.is_behind([(0, key)], seq):
            hold.add(seq, [(0, key)])
            parked[seq] = key
        else:
            passed.setdefault(key, []).append(seq)
    for key, done in passed.items():
        assert done == sorted(done)
        assert not any(waits < max(done) for waits, its in parked.items() if its == key)
