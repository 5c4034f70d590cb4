"""A reply belongs to the message that MSA-2 names, and to no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.sender.acknowledgement import Acknowledgement
from daemon.sender.matching import REMEMBERED, Matcher


def reply(control_id: str, code: str = "AA", *, is_batch: bool = False) -> Acknowledgement:
    return Acknowledgement(code, control_id, "", is_batch=is_batch)


def test_a_late_reply_is_not_taken_for_the_answer_to_the_next_message() -> None:
    matcher = Matcher()
    lost = matcher.expect("M1")
    matcher.forget(lost)
    following = matcher.expect("M2")
    assert matcher.take(reply("M1")) is None
    assert not following.is_complete
    assert matcher.take(reply("M2")) is following
    assert (matcher.strays, matcher.further) == (0, 1)


def test_a_reply_to_what_was_never_sent_is_a_stray() -> None:
    matcher = Matcher()
    waiting = matcher.expect("M1")
    assert matcher.take(reply("OTHER")) is None
    assert matcher.strays == 1
    assert not waiting.is_complete


def test_a_reply_without_a_control_id_is_believed_where_one_message_alone_waits() -> None:
    matcher = Matcher()
    waiting = matcher.expect("M1")
    assert matcher.take(reply("")) is waiting
    matcher.expect("M2")
    matcher.expect("M3")
    assert matcher.take(reply("")) is None
    assert matcher.strays == 1


def test_a_message_without_a_control_id_gets_the_reply_without_one() -> None:
    matcher = Matcher()
    bare, named = matcher.expect(""), matcher.expect("M1")
    assert matcher.take(reply("")) is bare
    assert matcher.take(reply("M1")) is named


def test_two_replies_complete_a_message_that_waits_for_two() -> None:
    matcher = Matcher()
    waiting = matcher.expect("M1", 2)
    assert matcher.take(reply("M1", "CA")) is waiting
    assert not waiting.is_complete
    matcher.take(reply("M1", "AA"))
    assert [one.code for one in waiting.replies] == ["CA", "AA"]
    assert len(matcher) == 0


def test_a_batch_is_answered_by_one_block_or_by_a_reply_to_each_of_its_messages() -> None:
    matcher = Matcher()
    whole = matcher.expect("B1", members=("M1", "M2"))
    assert matcher.take(reply("B1", is_batch=True)) is whole
    assert whole.is_complete
    single = matcher.expect("B2", members=("M3", "M4"))
    matcher.take(reply("M3"))
    assert not single.is_complete
    matcher.take(reply("M4"))
    assert single.is_complete


def test_what_was_answered_is_forgotten_after_a_while_and_then_is_a_stray() -> None:
    matcher = Matcher()
    for number in range(REMEMBERED + 1):
        matcher.expect(f"M{number}")
        matcher.take(reply(f"M{number}"))
    matcher.take(reply("M0"))
    matcher.take(reply("M1"))
    assert (matcher.strays, matcher.further) == (1, 1)


@given(st.lists(st.sampled_from("ABCDE"), max_size=30), st.data())
def test_whatever_the_order_of_replies_each_message_gets_as_many_as_came_for_its_control_id(
    sent: list[str], data: st.DataObject
) -> None:
    matcher = Matcher()
    waiting = [(control_id, matcher.expect(control_id)) for control_id in sent]
    came = data.draw(st.permutations(sent))
    for control_id in came:
        owner = matcher.take(reply(control_id))
        assert owner is not None
        assert owner.control_id == control_id
    assert all(pending.is_complete for _, pending in waiting)
    assert (len(matcher), matcher.strays, matcher.further) == (0, 0, 0)
