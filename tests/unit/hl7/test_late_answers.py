"""Late answers leave in the order of their blocks, each once, whatever is known first; and commit blocks in turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.ack.answers import LateAnswers
from daemon.hl7listener.wire.framer import Block, Framer, frame
from daemon.hl7listener.wire.release2 import TRIES, Release2


class Wire:
    """What was written, and whether the connection was ended."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.given_up = 0
        self.late = LateAnswers(self.written.append, self._give_up)

    def _give_up(self) -> None:
        self.given_up += 1


@given(st.permutations(range(6)))
def test_answers_leave_in_the_order_of_their_blocks(order: list[int]) -> None:
    wire = Wire()
    slots = [wire.late.reserve() for _ in order]
    known: set[int] = set()
    for number in order:
        slots[number].fill(b"%d" % number)
        known.add(number)
        ready = next((place for place in range(6) if place not in known), 6)
        assert wire.written == [b"%d" % place for place in range(ready)]
        assert len(wire.late) == 6 - ready
    assert not any(slot.is_wanted for slot in slots)


def test_an_answer_is_given_once() -> None:
    wire = Wire()
    first, second = wire.late.reserve(), wire.late.reserve()
    second.fill(b"2")
    second.fill(b"other")
    second.fill(None)
    first.fill(b"1")
    first.fill(b"again")
    assert (wire.written, wire.given_up) == ([b"1", b"2"], 0)


def test_an_answer_that_is_not_to_be_had_ends_the_connection_behind_those_before_it() -> None:
    wire = Wire()
    first, second, third = (wire.late.reserve() for _ in range(3))
    second.fill(None)
    third.fill(b"3")
    assert (wire.written, wire.given_up) == ([], 0)
    first.fill(b"1")
    assert (wire.written, wire.given_up, len(wire.late)) == ([b"1"], 1, 0)
    assert not third.is_wanted


def test_nobody_hears_an_answer_once_the_connection_is_gone() -> None:
    wire = Wire()
    slot = wire.late.reserve()
    wire.late.end()
    assert not slot.is_wanted
    slot.fill(b"1")
    slot.fill(None)
    assert (wire.written, wire.given_up) == ([], 0)


@given(st.lists(st.lists(st.sampled_from([b"CA", b"AA", b"AR"]), min_size=1, max_size=2), max_size=6))
def test_in_release_2_each_answer_waits_for_the_commit_of_the_one_before(offers: list[list[bytes]]) -> None:
    sender = Release2()
    sent = b"".join(sender.offer(b"".join(map(frame, offer))) for offer in offers)
    expected = [code for offer in offers for code in offer]
    got: list[bytes] = []
    while sent:
        [event] = Framer(100).feed(sent)
        assert isinstance(event, Block)
        got.append(event.data)
        assert sender.is_waiting
        following = sender.heard(is_positive=True)
        assert following is not None
        sent = following
    assert got == expected
    assert not sender.is_waiting


def test_in_release_2_an_answer_is_sent_again_so_often_and_then_no_more() -> None:
    sender = Release2()
    sent = sender.offer(frame(b"AA"))
    again = [sender.heard(is_positive=False) for _ in range(TRIES)]
    assert again == [sent] * (TRIES - 1) + [None]


def test_in_release_2_what_waits_is_given_at_the_end() -> None:
    sender = Release2()
    sender.offer(frame(b"1") + frame(b"2") + frame(b"3"))
    assert sender.rest() == frame(b"2") + frame(b"3")
    assert sender.rest() == b""
    assert sender.heard(is_positive=True) == b""


def test_an_empty_offer_sends_nothing() -> None:
    sender = Release2()
    assert sender.offer(b"") == b""
    assert not sender.is_waiting
