"""What a reply's header shows, and which probes are chosen."""

from __future__ import annotations

import pytest

from daemon.hl7listener.judging.finding import judge
from daemon.hl7listener.wire.framer import Block, Framer
from daemon.sender.probing.facts import fault_of_form, fault_of_type, faults_of_parties, read_reply
from daemon.sender.probing.messages import Composer, header_of
from daemon.sender.probing.suite import PROBES
from daemon.sender.probing.verdict import chosen
from tests.support.builders import MARKER
from tests.support.feeds import answer, feed


def ours(message: bytes) -> bytes:
    """Write what our own listener answers."""
    [block] = Framer(1 << 20).feed(answer(judge(message, feed())))
    assert isinstance(block, Block)
    return block.data


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.3.1", "2.4", "2.5.1", "2.8"])
def test_an_answer_of_our_own_shows_no_fault(version: str) -> None:
    message = Composer("ADT^A01", "0000").message(version=version)
    reply, sent = read_reply(ours(message)), header_of(message)
    assert (faults_of_parties(reply, sent), fault_of_type(reply, sent), fault_of_form(reply)) == ([], "", "")
    assert (reply.code, reply.is_positive, reply.has_err) == ("AA", True, False)
    assert reply.own_id != sent.control_id


GOOD = b"MSH|^~\\&|LISTENER^4.5.6^ISO|SITE|CARILLON^1.2.3^ISO|PROBE|2026||ACK^A01^ACK|R1|T|2.5\rMSA|AA|M1\r"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"", b"", ""),
        (b"ACK^A01^ACK", b"ACK", "MSH-9 has 1 components instead of 3"),
        (b"ACK^A01^ACK", b"ACK^A01^ADT_A01", "MSH-9.3 is the structure of the message, not ACK"),
        (b"ACK^A01^ACK", b"ADT^A01", "MSH-9 is not ACK"),
    ],
)
def test_what_is_wrong_with_the_type_of_an_answer_is_named(old: bytes, new: bytes, fault: str) -> None:
    sent = header_of(Composer("ADT^A01", "0000").message())
    assert fault_of_type(read_reply(GOOD.replace(old, new)), sent) == fault


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (GOOD, ""),
        (GOOD[:-1], "the last segment does not end in CR"),
        (GOOD.replace(b"MSA|AA|M1\r", b"ERR|x\rMSA|AA|M1\r"), "MSA does not follow MSH"),
        (b"hello", "the reply does not begin with MSH"),
    ],
)
def test_what_is_wrong_with_the_form_of_an_answer_is_named(data: bytes, fault: str) -> None:
    assert fault_of_form(read_reply(data)) == fault


def test_parties_that_are_not_swapped_are_named_and_a_reply_shows_nothing_of_itself() -> None:
    sent = header_of(Composer("ADT^A01", "0000").message())
    reply = read_reply(GOOD.replace(b"CARILLON^1.2.3^ISO", b"CARILLON") + MARKER.encode())
    assert faults_of_parties(reply, sent) == ["MSH-5 is not the message's MSH-3"]
    assert repr(reply) == "Reply(AA)"
    assert read_reply(GOOD.replace(b"|AA|", b"|" + MARKER.encode() + b"|")).code == "??"


def test_probes_are_chosen_by_group_by_name_or_by_both() -> None:
    assert chosen(PROBES, ()) == PROBES
    assert {one.group for one in chosen(PROBES, ("limits", "charset"))} == {"limits", "charset"}
    assert [one.name for one in chosen(PROBES, ("endless", "framing/plain"))] == ["framing/plain", "limits/endless"]
    with pytest.raises(KeyError):
        chosen(PROBES, ("nothing",))
