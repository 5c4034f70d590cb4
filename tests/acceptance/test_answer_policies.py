"""What a feed accepts and how it answers: each policy through a real socket, its default and its option."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.acks import Ack, read_ack
from tests.support.builders import adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess

POLICIES = {
    "plain": "",
    "production": 'processing_id = ["P", "D"]',
    "versions": 'versions = ["2.3", "2.5.1"]',
    "made": 'control_id = "made"',
    "silent": 'no_header = "silence"',
    "closing": 'no_header = "close"\nframe_limit = "1KiB"',
    "strict-id": 'same_id = "refuse"',
    "short": 'ack_type = "ACK"',
    "always": 'ack = "always-aa"\nprocessing_id = ["P"]',
    "never": 'ack = "none"',
    "counted": "sequence = true",
}


def feeds(*names: str) -> str:
    return "".join(
        f'[feed.{name}]\nlisten = "127.0.0.1:0"\n{POLICIES[name]}\n[[feed.{name}.route]]\ntype = ["ADT", "ORR"]\n'
        f'task = "recording.message"\n'
        for name in names
    )


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("policies")
    with DaemonProcess(write_site(folder, site_text(feeds=feeds(*POLICIES)))) as process:
        yield process.ready()


def ask(daemon: DaemonProcess, feed: str, *messages: bytes) -> list[Ack]:
    with Peer(daemon.port(feed)) as peer:
        peer.send(framed(*messages))
        return [read_ack(reply) for reply in peer.replies(len(messages))]


def codes(acks: list[Ack]) -> list[tuple[bytes, bytes]]:
    return [(ack.msa[1], ack.err[3][:3] if ack.err is not None else b"") for ack in acks]


def in_training(control_id: str) -> bytes:
    return adt(control_id).replace(b"|P|2.5|", b"|T^I|2.5|")


def test_any_processing_id_is_taken_unless_the_feed_names_those_it_takes(daemon: DaemonProcess) -> None:
    assert codes(ask(daemon, "plain", adt("P1"), in_training("P2"))) == [(b"AA", b""), (b"AA", b"")]
    assert codes(ask(daemon, "production", adt("P1"), in_training("P2"))) == [(b"AA", b""), (b"AR", b"202")]
    daemon.wait_metric(1, "carillon_feed_quarantined_total", feed="production", reason="processing-id-not-taken")


def test_any_version_two_is_taken_unless_the_feed_names_those_it_takes(daemon: DaemonProcess) -> None:
    messages = [adt(f"V{version}", version=version) for version in ("2.3", "2.5.1", "2.5", "2.9")]
    assert {code for code, _ in codes(ask(daemon, "plain", *messages))} == {b"AA"}
    assert [code for code, _ in codes(ask(daemon, "versions", *messages))] == [b"AA", b"AA", b"AR", b"AR"]


def test_a_message_without_control_id_is_an_error_unless_one_is_made(daemon: DaemonProcess) -> None:
    assert codes(ask(daemon, "plain", adt(""))) == [(b"AE", b"101")]
    first, again = ask(daemon, "made", adt(""), adt(""))
    assert first == again
    assert first.msa[1] == b"AA"
    assert len(first.msa[2]) == 20


def test_a_block_without_header_is_rejected_and_the_connection_goes_on(daemon: DaemonProcess) -> None:
    assert codes(ask(daemon, "plain", b"garbage", adt("H1"))) == [(b"AR", b"100"), (b"AA", b"")]


def test_a_block_without_header_gets_no_answer_where_the_feed_is_silent(daemon: DaemonProcess) -> None:
    with Peer(daemon.port("silent")) as peer:
        peer.send(framed(b"garbage", adt("H2")))
        assert read_ack(peer.replies(1)[0]).msa[2] == b"H2"
    daemon.wait_metric(1, "carillon_feed_quarantined_total", feed="silent", reason="no-msh")


def test_a_block_without_header_ends_the_connection_where_the_feed_closes(daemon: DaemonProcess) -> None:
    with Peer(daemon.port("closing")) as peer:
        peer.send(framed(adt("H3")))
        assert peer.acks()[0].code == "AA"
        peer.send(framed(b"garbage"))
        assert peer.rest() == b""
    daemon.wait_metric(1, "carillon_feed_quarantined_total", feed="closing", reason="no-msh")
    with Peer(daemon.port("closing")) as peer:
        peer.send(framed(b"garbage" * 200))
        assert peer.rest() == b""
    daemon.wait_metric(1, "carillon_feed_quarantined_total", feed="closing", reason="over-the-limit")


def test_a_control_id_used_again_is_accepted_and_told(daemon: DaemonProcess) -> None:
    first, other, again = ask(daemon, "plain", adt("R1"), adt("R1", patient="P2"), adt("R1"))
    assert codes([first, other]) == [(b"AA", b""), (b"AA", b"")]
    assert again == first != other
    daemon.wait_metric(1, "carillon_feed_reused_control_ids_total", feed="plain")
    daemon.wait_for("message.control-id-reused", feed="plain", is_refused=False)


def test_a_control_id_used_again_is_refused_where_the_feed_says_so(daemon: DaemonProcess) -> None:
    first, other, again, third = ask(
        daemon, "strict-id", adt("R1"), adt("R1", patient="P2"), adt("R1"), adt("R1", patient="P2")
    )
    assert codes([first, other]) == [(b"AA", b""), (b"AE", b"207")]
    assert again == first
    assert third == other
    assert other.msa[3] == b"control id used before for another message"


def test_the_same_control_id_of_another_sender_is_another_message(daemon: DaemonProcess) -> None:
    other = adt("R2").replace(b"SENDFAC", b"ELSEWHERE")
    assert codes(ask(daemon, "strict-id", adt("R2"), other)) == [(b"AA", b""), (b"AA", b"")]


def test_the_type_of_the_acknowledgement_is_as_short_as_the_feed_says(daemon: DaemonProcess) -> None:
    [long], [short] = ask(daemon, "plain", adt("T1")), ask(daemon, "short", adt("T1"))
    assert (long.msh[9], short.msh[9]) == (b"ACK^A01^ACK", b"ACK")


def test_a_feed_may_say_aa_to_everything_or_nothing_at_all(daemon: DaemonProcess) -> None:
    assert codes(ask(daemon, "always", in_training("A1"), b"garbage")) == [(b"AA", b""), (b"AA", b"")]
    with Peer(daemon.port("never")) as peer:
        peer.send(framed(adt("N1"), b"garbage"))
        peer.socket.shutdown(1)
        assert peer.rest() == b""


def test_an_unknown_condition_is_taken_as_always_and_told(daemon: DaemonProcess) -> None:
    with Peer(daemon.port("plain")) as peer:
        peer.send(framed(adt("C1", accept="yes", application="NE")))
        assert peer.acks()[0].code == "CA"
    daemon.wait_metric(1, "carillon_feed_deviations_total", feed="plain", kind="unknown-ack-condition")


def test_an_answer_with_results_becomes_a_task_and_gets_no_answer(daemon: DaemonProcess) -> None:
    result = adt("O1").replace(b"ADT^A01^ADT_A01", b"ORR^O02^ORR_O02") + b"MSA|AA|X\r"
    with Peer(daemon.port("plain")) as peer:
        peer.send(framed(result, adt("O2")))
        assert [ack.control_id for ack in peer.acks()] == ["O2"]


# -- sequence numbers ----------------------------------------------------------------------------------------------------


def counted(number: int | str, control_id: str | None = None, sender: str = "SENDAPP") -> bytes:
    data = adt(control_id or f"S{number}").replace(b"|P|2.5|||", f"|P|2.5|{number}||".encode())
    return data.replace(b"SENDAPP", sender.encode())


def turns(acks: list[Ack]) -> list[tuple[bytes, bytes]]:
    return [(ack.msa[1], ack.msa[4]) for ack in acks]


def test_numbers_must_follow_each_other_and_msa_4_says_what_comes_next(daemon: DaemonProcess) -> None:
    acks = ask(daemon, "counted", *(counted(number) for number in (0, 5, 6, 8, 7)))
    assert turns(acks) == [(b"AA", b"-1"), (b"AA", b"6"), (b"AA", b"7"), (b"AR", b"7"), (b"AA", b"8")]
    acks = ask(daemon, "counted", counted(8), counted(0, "again"), counted(9))
    assert turns(acks) == [(b"AA", b"9"), (b"AA", b"9"), (b"AA", b"10")]


def test_a_resend_gets_its_first_answer_and_a_number_used_for_something_else_is_refused(daemon: DaemonProcess) -> None:
    first = ask(daemon, "counted", counted(1, sender="TWO"), counted(2, sender="TWO"))
    assert ask(daemon, "counted", counted(1, sender="TWO")) == first[:1]
    other = counted(1, "OTHER", sender="TWO")
    assert turns(ask(daemon, "counted", other)) == [(b"AR", b"3")]
    assert turns(ask(daemon, "counted", counted(3, sender="TWO"), other)) == [(b"AA", b"4"), (b"AR", b"4")]


def test_what_is_refused_for_something_else_has_used_its_number(daemon: DaemonProcess) -> None:
    bad = counted(2, sender="THREE").replace(b"|S2|", b"||")
    acks = ask(daemon, "counted", counted(1, sender="THREE"), bad, counted(3, sender="THREE"))
    assert turns(acks) == [(b"AA", b"2"), (b"AE", b"3"), (b"AA", b"4")]


def test_a_message_without_number_is_refused_and_minus_one_forgets_the_count(daemon: DaemonProcess) -> None:
    messages = [counted(1, sender="FOUR"), counted("", "E1", sender="FOUR"), counted("x", "E2", sender="FOUR")]
    messages += [counted(-1, "E3", sender="FOUR"), counted(70, sender="FOUR")]
    assert turns(ask(daemon, "counted", *messages)) == [
        (b"AA", b"2"),
        (b"AR", b"2"),
        (b"AR", b"2"),
        (b"AA", b"-1"),
        (b"AA", b"71"),
    ]


def test_a_sender_that_never_gets_it_right_is_told_to_a_person(daemon: DaemonProcess) -> None:
    ask(daemon, "counted", counted(1, sender="FIVE"), *(counted(number, sender="FIVE") for number in (5, 6, 7)))
    daemon.wait_for("feed.sequence-stuck", feed="counted", refused=3, expected=2)


def test_counts_and_answers_outlive_a_kill(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=feeds("counted")))
    with DaemonProcess(site) as first:
        first.ready()
        acks = ask(first, "counted", counted(1), counted(2), counted(4), counted(1, sender="OTHER"))
        first.kill()
    with DaemonProcess(site) as second:
        second.ready()
        assert ask(second, "counted", counted(2)) == acks[1:2]
        assert turns(ask(second, "counted", counted(4, "later"), counted(3), counted(4))) == [
            (b"AR", b"3"),
            (b"AA", b"4"),
            (b"AA", b"5"),
        ]
        assert turns(ask(second, "counted", counted(2, sender="OTHER"))) == [(b"AA", b"3")]
        second.wait_metric(0, "carillon_feed_out_of_sequence_total", feed="counted", turn="repeated")
        second.terminate()
    with sqlite3.connect(tmp_path / "state" / "spool.sqlite") as db:
        assert db.execute("SELECT count(*) FROM message WHERE disposition = 1").fetchone() == (6,)
