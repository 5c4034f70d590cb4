"""What senders do that no sender should: forty kinds by number, each with its defined outcome, against a real daemon.

Whatever was sent, at the end of each test every feed takes the next message and no line of the log asks for anybody. Limits of time
are short here, and waited for by their events; no duration is judged.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from daemon.hl7listener.wire.framer import frame
from tests.support.builders import adt, framed, site_text, write_site
from tests.support.hostile import FEEDS, SMALL_BYTES, Hospital
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shared_valkey: ValkeyServer) -> Iterator[Hospital]:
    site = write_site(tmp_path_factory.mktemp("site"), site_text(broker_url=shared_valkey.url, feeds=FEEDS))
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        yield Hospital(daemon.ready(), shared_valkey)
        assert daemon.terminate() == 0


@pytest.fixture
def hospital(running: Hospital) -> Iterator[Hospital]:
    yield running
    running.serves()


# -- what ends its connection ------------------------------------------------------------------------------------------


class Ending(NamedTuple):
    """Bytes that end their connection: for which reason, on which feed, and whether something is answered before."""

    stream: bytes
    reason: str
    feed: str = "adt"
    answer: bytes = b""


ENDINGS = {
    "framing-03-noise-without-a-block": Ending(b"x" * (1024 * 1024), "noise-without-blocks"),
    "framing-08-endless-block": Ending(
        b"\x0b" + adt("H8") + b"x" * (2 * SMALL_BYTES), "endless-block", "short", b"MSA|AR|H8|"
    ),
    "framing-09-a-block-that-never-completes": Ending(b"\x0bMSH|^~\\&|", "block-not-completed", "short"),
    "framing-15-tls-hello-on-a-plain-port": Ending(HELLO, "tls-on-plain-port"),
    "framing-21-http-request": Ending(b"POST /hl7 HTTP/1.1\r\nHost: x\r\n\r\n", "http-on-mllp-port"),
    "framing-22-proxy-header": Ending(b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n", "proxy-header"),
    "framing-22-proxy-header-of-version-2": Ending(
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12), "proxy-header"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_what_cannot_become_a_message_is_closed_by_its_name(hospital: Hospital, ending: Ending) -> None:
    answered = hospital.ends(ending.stream, ending.reason, ending.feed)
    if ending.answer:
        assert ending.answer in answered
        assert answered.count(b"\x0b") == 1
    else:
        assert answered == b""


# -- what is refused, on a connection that goes on -------------------------------------------------------------------


class Refused(NamedTuple):
    """The data of one block, how it is answered, and why it is kept aside."""

    data: bytes
    code: str
    reason: str
    feed: str = "adt"


def charset(name: str, rest: bytes, control_id: str) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|20261122||ADT^A01|{control_id}|P|2.5||||||{name}\rPID|1||".encode() + rest + b"\r"


REFUSED = {
    "framing-07-over-the-limit": Refused(adt("R7") + b"NTE|1||" + b"x" * SMALL_BYTES, "AR", "over-the-limit", "short"),
    "framing-23-empty-block": Refused(b"", "AR", "empty-block"),
    "content-24-no-msh": Refused(b"PID|1||2\r", "AR", "no-msh"),
    "content-24-lower-case-msh": Refused(adt("R24").replace(b"MSH", b"msh"), "AR", "no-msh"),
    "content-25-one-delimiter": Refused(b"MSH|^|A|B\r", "AR", "bad-delimiters"),
    "content-25-no-delimiters": Refused(b"MSH|||||||\r", "AR", "bad-delimiters"),
    "content-25-doubled-delimiters": Refused(b"MSH||||||A|B\r", "AR", "bad-delimiters"),
    "content-25-one-character-four-times": Refused(b"MSH|^^^^|A|B\r", "AR", "bad-delimiters"),
    "content-26-letters": Refused(b"MSHabcdeXaY\r", "AR", "bad-delimiters"),
    "content-26-digits": Refused(b"MSH|1234|A|B\r", "AR", "bad-delimiters"),
    "content-26-nul": Refused(b"MSH\x00^~\\&\x00A\x00B\r", "AR", "bad-delimiters"),
    "content-26-carriage-return": Refused(b"MSH|^\r\\&|A|B|C\r", "AR", "bad-delimiters"),
    "content-30-utf-8-that-is-none": Refused(charset("UNICODE UTF-8", b"\xff\xfe", "R30"), "AE", "not-in-its-charset"),
    "content-30-shift-jis-that-is-none": Refused(
        charset("ISO IR14", b"\xfd\xfe\xff", "R30J"), "AE", "not-in-its-charset"
    ),
    "content-31-surrogates-in-utf-8": Refused(
        charset("UNICODE UTF-8", b"\xed\xa0\x80", "R31"), "AE", "not-in-its-charset"
    ),
    "content-33-no-control-id": Refused(adt(""), "AE", "no-control-id"),
    "content-39-unknown-type-of-fifty-components": Refused(
        adt("R39").replace(b"ADT^A01^ADT_A01", b"^".join(b"ZZ%d" % number for number in range(50))),
        "AR",
        "type-not-routed",
    ),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_for_us_is_refused_and_kept_and_the_connection_goes_on(
    hospital: Hospital, refused: Refused
) -> None:
    before = hospital.quarantined(refused.feed, refused.reason)
    assert hospital.codes(framed(refused.data), 1, refused.feed) == [refused.code]
    hospital.daemon.wait_metric(before + 1, "carillon_feed_quarantined_total", feed=refused.feed, reason=refused.reason)


# -- what is taken as it is --------------------------------------------------------------------------------------------


def oru(control_id: str, rest: bytes) -> bytes:
    return f"MSH|^~\\&|LAB|B|C|D|20261122||ORU^R01^ORU_R01|{control_id}|P|2.5.1\rPID|1||7\r".encode() + rest


def stamped(control_id: str, stamp: str) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|{stamp}||ADT^A01|{control_id}|P|2.5\rPID|1||7\r".encode()


ODD_IDS = {
    "of-ten-kilobytes": "I" * 10_000,
    "with-a-line-feed": "a\nb",
    "with-quotes-and-sql": "'; DROP TABLE message; --\"",
    "with-a-path": "../../../etc/passwd",
    "with-percent-and-braces": "%s%n{0}${x}`id`",
}
SHOWY = "<script>alert(1)</script>{{7*7}}${jndi:ldap://x}=cmd()|@SUM(1)"
TAKEN = {
    "content-24-byte-order-mark": (b"\xef\xbb\xbf" + adt("T24"), "T24"),
    "content-27-a-hundred-thousand-segments": (oru("T27a", b"NTE|1||a\r" * 100_000), "T27a"),
    "content-27-a-million-fields": (oru("T27b", b"OBX" + b"|1" * 1_000_000 + b"\r"), "T27b"),
    "content-27-sixty-thousand-repetitions": (oru("T27c", b"PID|1||" + b"~".join([b"9"] * 60_000) + b"\r"), "T27c"),
    "content-28-a-field-of-ten-megabytes": (oru("T28", b"OBX|1|ED|||" + b"A" * 10_000_000 + b"\r"), "T28"),
    "content-29-escapes-without-end": (
        oru("T29a", b"OBX|1|TX|||\\X41" + b"\\" * 9 + b"\\E\\F" * 99 + b"\\X4\\\r"),
        "T29a",
    ),
    "content-29-a-megabyte-of-hex": (oru("T29b", b"OBX|1|TX|||\\X" + b"41" * 500_000 + b"\\\r"), "T29b"),
    "content-30-no-charset-and-no-utf-8": (adt("T30", ward="\u00fc").decode().encode("latin-1"), "T30"),
    "content-31-surrogates-without-a-charset": (adt("T31", ward="X").replace(b"X^101", b"\xed\xa0\x80^101"), "T31"),
    "content-32-nul-escape-and-marks-of-direction": (
        charset("UNICODE UTF-8", "\x00\x1b[2J\x07\u202e\u2028\u200f\x85".encode(), "T32"),
        "T32",
    ),
    **{f"content-33-a-control-id-{name}": (adt(odd), odd) for name, odd in ODD_IDS.items()},
    **{
        f"content-38-{name}": (stamped(f"T38{number}", stamp), f"T38{number}")
        for number, (name, stamp) in enumerate(
            {
                "year-0": "00000101",
                "year-9999": "99991231235959.9999+1400",
                "month-13": "20261301",
                "offset-99": "20261122040506+9999",
                "words": "yesterday",
                "digits-without-end": "2" * 5000,
            }.items()
        )
    },
    "content-39-a-known-type-with-fifty-components": (
        adt("T39").replace(b"ADT^A01^ADT_A01", b"ADT" + b"^Z99" * 50),
        "T39",
    ),
    "content-40-names-that-want-to-be-run": (adt("T40", patient=SHOWY.replace("|", "/"), ward="=cmd()"), "T40"),
}


@pytest.mark.parametrize(("message", "control_id"), TAKEN.values(), ids=TAKEN)
def test_what_is_odd_but_a_message_is_taken_byte_by_byte_and_once(
    hospital: Hospital, message: bytes, control_id: str
) -> None:
    [answer] = hospital.answers(framed(message), 1)
    assert (answer.code, answer.control_id, answer.text) == ("AA", control_id, "")
    document = hospital.check_kept(message, control_id)
    assert "\ufffd" not in document["text"]


def test_content_39_an_unknown_type_is_kept_without_a_task_where_the_feed_says_so(hospital: Hospital) -> None:
    assert hospital.codes(framed(adt("P39").replace(b"ADT^A01", b"ZZZ^Z01")), 1, "parking") == ["AA"]
    hospital.task(hospital.answers(framed(adt("P39-NEXT")), 1)[0].control_id)
    assert "P39" not in hospital.tasks()


# -- framing -----------------------------------------------------------------------------------------------------------


def test_framing_01_many_blocks_in_one_packet_are_answered_in_order(hospital: Hospital) -> None:
    ids = [f"F1-{number}" for number in range(200)]
    answers = hospital.answers(framed(*(adt(one) for one in ids)), len(ids))
    assert [(answer.code, answer.control_id) for answer in answers] == [("AA", one) for one in ids]
    found = hospital.tasks(ids)
    assert [one for one in found if one in set(ids)] == ids
    assert all(len(found[one]) == 1 for one in ids)


def test_framing_02_however_the_bytes_are_cut_the_answers_are_the_same(hospital: Hospital) -> None:
    chance = random.Random(2)
    for _ in range(40):
        ids = [hospital.new_id() for _ in range(3)]
        stream, place = framed(*(adt(one) for one in ids)), 0
        with hospital.calling() as peer:
            while place < len(stream):
                size = chance.choice((1, 2, 3, 50, 400))
                peer.send(stream[place : place + size])
                place += size
            assert [(answer.code, answer.control_id) for answer in peer.acks(3)] == [("AA", one) for one in ids]


def test_framing_04_a_start_within_a_block_begins_it_anew_and_makes_one_task(hospital: Hospital) -> None:
    stream = b"\x0b" + adt("F4-CUT")[:60] + frame(adt("F4"))
    assert hospital.answers(stream, 1)[0].control_id == "F4"
    hospital.check_kept(adt("F4"), "F4")
    assert "F4-CUT" not in hospital.tasks()


def test_framing_05_an_fs_without_a_cr_is_no_end(hospital: Hospital) -> None:
    message = adt("F5").replace(b"ICU", b"I\x1cCU")
    assert hospital.answers(frame(message), 1)[0].control_id == "F5"
    hospital.check_kept(message, "F5")


@pytest.mark.parametrize("end", [b"\r\x1c\r", b"\n\x1c\r", b"\r\r\x1c\r", b"\x1c\n", b"\x1c\r\n", b"\x1c\r\r\n"])
def test_framing_06_ends_of_blocks_that_differ_are_ends_all_the_same(hospital: Hospital, end: bytes) -> None:
    control_id = hospital.new_id()
    message = adt(control_id)[:-1]
    assert hospital.answers(b"\x0b" + message + end, 1)[0].control_id == control_id
    assert hospital.task(control_id)["text"].startswith(message.decode())


def test_framing_09_one_byte_a_second_ends_its_connection_and_no_other(hospital: Hospital) -> None:
    before = hospital.closed("short", "block-not-completed")
    with hospital.calling("short") as slow, hospital.calling("short") as quick:
        slow.send(b"\x0bM")
        while hospital.closed("short", "block-not-completed") == before:
            slow.socket.send(b"S")
            control_id = hospital.new_id()
            quick.send(framed(adt(control_id)))
            assert quick.acks()[0].control_id == control_id
        assert b"MSA|AA" not in slow.rest()


def test_framing_10_idle_connections_beyond_the_limit_are_turned_away_and_a_busy_feed_does_not_notice(
    hospital: Hospital,
) -> None:
    def refused() -> float:
        return hospital.daemon.metric(
            "carillon_feed_refused_connections_total", feed="narrow", reason="too-many-connections"
        )

    before = refused()
    idle = [hospital.calling("narrow") for _ in range(200)]
    try:
        assert hospital.codes(framed(*(adt(hospital.new_id()) for _ in range(100))), 100) == ["AA"] * 100
        hospital.daemon.wait_metric(
            before + 190, "carillon_feed_refused_connections_total", feed="narrow", reason="too-many-connections"
        )
        turned_away = [peer for peer in idle if _is_closed(peer)]
        assert len(turned_away) == 190
    finally:
        for peer in idle:
            peer.socket.close()
    hospital.daemon.wait_metric(0, "carillon_feed_connections", feed="narrow")


def _is_closed(peer: Peer) -> bool:
    peer.socket.settimeout(0)
    try:
        return peer.socket.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_framing_11_three_thousand_who_connect_and_leave_leave_nothing_behind(hospital: Hospital) -> None:
    process = hospital.daemon.process
    assert process is not None
    descriptors = Path(f"/proc/{process.pid}/fd")
    hospital.daemon.wait_metric(0, "carillon_feed_connections", feed="adt")
    before = len(list(descriptors.iterdir()))
    address = ("127.0.0.1", hospital.daemon.port())
    for number in range(3000):
        with socket.create_connection(address) as passing:
            if number % 3 == 1:
                passing.send(b"\x0b")
    hospital.daemon.wait_metric(0, "carillon_feed_connections", feed="adt")
    assert len(list(descriptors.iterdir())) <= before + 2


def test_framing_12_a_reset_within_a_block_is_counted_and_makes_no_task(hospital: Hospital) -> None:
    before = hospital.closed("adt", "connection-lost") + hospital.closed("adt", "peer-closed")
    with hospital.calling() as peer:
        peer.send(framed(adt("F12-WHOLE")))
        assert peer.acks()[0].control_id == "F12-WHOLE"
        peer.send(b"\x0b" + adt("F12-CUT"))
        peer.reset()
    hospital.wait_until(
        lambda: hospital.closed("adt", "connection-lost") + hospital.closed("adt", "peer-closed") > before
    )
    hospital.task("F12-WHOLE")
    assert "F12-CUT" not in hospital.tasks()


def test_framing_13_a_side_shut_after_the_last_block_gets_every_answer_before_the_end(hospital: Hospital) -> None:
    with hospital.calling() as peer:
        peer.send(framed(*(adt(f"F13-{number}") for number in range(300))))
        peer.socket.shutdown(socket.SHUT_WR)
        assert [answer.control_id for answer in peer.acks(300)] == [f"F13-{number}" for number in range(300)]
        assert peer.rest() == b""


def test_framing_14_a_sender_that_never_reads_is_not_read_either_and_closed(hospital: Hospital) -> None:
    """It sends until nobody reads it any more: what is kept for it is bounded. A sender beside it does not notice."""
    before = hospital.closed("short", "peer-does-not-read")
    burst = framed(*(adt("F14") for _ in range(1000)))
    with hospital.calling("short") as deaf, hospital.calling("short") as quick:
        deaf.socket.settimeout(0.3)
        place = _send_until_refused(deaf, burst, 0)
        control_id = hospital.new_id()
        quick.send(framed(adt(control_id)))
        assert quick.acks()[0].control_id == control_id

        def is_closed() -> bool:
            nonlocal place
            place = _send_until_refused(deaf, burst, place)  # the daemon may only have been slow before
            return hospital.closed("short", "peer-does-not-read") == before + 1

        hospital.wait_until(is_closed)


def _send_until_refused(peer: Peer, burst: bytes, place: int) -> int:
    """Send the same again and again until nothing is taken for a moment; go on at a place, and give the next one."""
    try:
        while True:
            place = (place + peer.socket.send(burst[place:])) % len(burst)
    except OSError:  # a time limit is one
        return place


# -- who is who --------------------------------------------------------------------------------------------------------


def test_content_34_the_same_again_gets_the_same_bytes_and_no_second_task(hospital: Hospital) -> None:
    message = adt("C34")
    with hospital.calling() as peer:
        peer.send(framed(message))
        [first] = peer.replies(1)
    with hospital.calling() as peer:
        peer.send(framed(message, message))
        assert peer.replies(2) == [first, first]
    hospital.check_kept(message, "C34")


def test_content_35_the_same_control_id_with_other_bytes_is_another_message(hospital: Hospital) -> None:
    one, two = adt("C35", ward="ICU"), adt("C35", ward="MED")
    assert hospital.codes(framed(one, two), 2) == ["AA", "AA"]
    hospital.task(hospital.answers(framed(adt("C35-NEXT")), 1)[0].control_id)
    assert [found["text"].encode() for found in hospital.tasks()["C35"]] == [one, two]


def test_content_36_an_acknowledgement_is_not_answered(hospital: Hospital) -> None:
    ack = b"MSH|^~\\&|A|B|C|D|20261122||ACK^A01|C36|P|2.5\rMSA|AA|1\r"
    disguised = adt("C36-2") + b"MSA|AE|1\r"
    answers = hospital.answers(framed(ack, disguised, adt("C36-NEXT")), 1)
    assert [answer.control_id for answer in answers] == ["C36-NEXT"]


def batch(name: str, count: str, *messages: bytes) -> bytes:
    return f"BHS|^~\\&|A|B|C|D|20261122||||{name}\r".encode() + b"".join(messages) + f"BTS|{count}\r".encode()


def test_content_37_a_batch_whose_count_is_wrong_is_refused_whole_and_a_right_one_taken_once(
    hospital: Hospital,
) -> None:
    before = hospital.quarantined("adt", "batch-count-wrong")
    messages = [adt("C37-1"), adt("C37-2"), adt("C37-3")]
    with hospital.calling() as peer:
        peer.send(framed(batch("B1", "2", *messages)))
        assert [answer.code for answer in peer.acks()] == ["AE"]
        hospital.daemon.wait_metric(
            before + 1, "carillon_feed_quarantined_total", feed="adt", reason="batch-count-wrong"
        )
        peer.send(framed(batch("B2", "3", *messages)))
        [reply] = peer.replies(1)
        assert reply.count(b"\rMSA|AA|C37-") == 3
        peer.send(framed(batch("B2", "3", *messages)))
        assert peer.replies(1) == [reply]
    for number, message in enumerate(messages, 1):
        hospital.check_kept(message, f"C37-{number}")


def test_content_40_what_wants_to_be_run_is_in_no_log_and_no_metric(hospital: Hospital) -> None:
    message = adt("C40", patient="${jndi:ldap://x}").replace(b"SENDAPP", b"<script>alert(1)</script>")
    assert hospital.codes(framed(message), 1) == ["AA"]
    written = "\n".join(hospital.daemon.lines) + hospital.daemon.get("/metrics")[1]
    assert "<script>" not in written
    assert "jndi" not in written
