"""The sending side: messages out of files, one reply for each, and exit codes that say how it went."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.main import carillon
from daemon.hl7listener.wire.framer import Block, Framer, frame
from daemon.sender.acknowledgement import read_acknowledgement
from daemon.sender.files import UnfinishedBlock, messages_in
from tests.support.builders import adt, framed
from tests.support.systemd import bound

M1, M2, M3 = adt("M1"), adt("M2"), adt("M3")
LF1, LF2 = adt("M1", end="\n"), adt("M2", end="\n")
CRLF1, CRLF2 = adt("M1", end="\r\n"), adt("M2", end="\r\n")
BOM = b"\xef\xbb\xbf"


def ack(control_id: str, code: str = "AA", text: str = "") -> bytes:
    return f"MSH|^~\\&|B||A||20261122||ACK|X|P|2.5\rMSA|{code}|{control_id}|{text}\r".encode()


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        pytest.param(M1, [M1], id="one message with CR"),
        pytest.param(LF1, [M1], id="one message with LF"),
        pytest.param(CRLF1, [M1], id="one message with CR LF"),
        pytest.param(M1.rstrip(b"\r"), [M1], id="without a last line end"),
        pytest.param(M1 + M2, [M1, M2], id="many with CR"),
        pytest.param(LF1 + LF2, [M1, M2], id="many with LF"),
        pytest.param(CRLF1 + CRLF2, [M1, M2], id="many with CR LF"),
        pytest.param(LF1 + b"\n\n" + LF2 + b"\n", [M1, M2], id="with empty lines between"),
        pytest.param(M1 + LF2, [M1, M2], id="with other line ends in each"),
        pytest.param(b"# a note\n" + LF1, [M1], id="with a note before the first"),
        pytest.param(BOM + LF1 + LF2, [M1, M2], id="with a byte order mark"),
        pytest.param(framed(M1), [M1], id="one block"),
        pytest.param(framed(M1, M2, M3), [M1, M2, M3], id="many blocks"),
        pytest.param(b"\r\n".join((framed(M1), framed(M2))), [M1, M2], id="blocks with line ends between"),
        pytest.param(framed(LF1), [M1], id="a block with LF inside"),
        pytest.param(framed(M1 + M2), [M1 + M2], id="a block of two is sent as it was framed"),
        pytest.param(b"MSH|^~\\&|A\rNTE|1||MSH|x\r", [b"MSH|^~\\&|A\rNTE|1||MSH|x\r"], id="MSH within a line"),
        pytest.param(b"MSH#*~\\&#A\rMSHX|no\r", [b"MSH#*~\\&#A\rMSHX|no\r"], id="other delimiters"),
        pytest.param(b"MSH|a\rOBX|1|two\nlines\r", [b"MSH|a\rOBX|1|two\nlines\r"], id="LF within a segment"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"hello\nworld\n", [], id="no HL7"),
        pytest.param(b"PID|1\r", [], id="no header"),
    ],
)
def test_messages_are_found_and_their_segments_end_in_cr(content: bytes, messages: list[bytes]) -> None:
    assert messages_in(content) == messages


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_the_envelope_of_a_batch_belongs_to_no_message(end: bytes) -> None:
    lines = [b"FHS|^~\\&|A", b"BHS|^~\\&|A", b"@1", b"@2", b"BTS|2", b"BHS|^~\\&|A", b"@3", b"BTS", b"FTS|2"]
    batch = end.join(lines) + end
    for number, message in enumerate((M1, M2, M3), 1):
        batch = batch.replace(b"@%d" % number + end, message.replace(b"\r", end))
    assert messages_in(batch) == [M1, M2, M3]


@pytest.mark.parametrize("content", [LF1, CRLF1, M1, CRLF1.rstrip(b"\r\n")])
def test_as_it_is_a_message_keeps_its_line_ends(content: bytes) -> None:
    assert messages_in(content, as_it_is=True) == [content]
    assert messages_in(frame(content), as_it_is=True) == [content]


def test_a_file_that_ends_within_a_block_is_refused_as_a_whole() -> None:
    with pytest.raises(UnfinishedBlock):
        messages_in(frame(M1) + frame(M2)[:-2])


def test_the_cr_after_the_last_block_may_be_missing() -> None:
    assert messages_in(frame(M1) + frame(M2)[:-1]) == [M1, M2]


# -- a listener with a script ------------------------------------------------------------------------------------------


@contextmanager
def listener(replies: Sequence[bytes | None]) -> Iterator[tuple[str, list[bytes]]]:
    """Answer the n-th message with the n-th bytes, then close; ``None`` stays silent until the sender gives up."""
    received: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            framer = Framer(1 << 20)
            waiting = list(replies)
            while data := connection.recv(65_536):
                for event in framer.feed(data):
                    assert isinstance(event, Block)
                    received.append(event.data)
                    reply = waiting.pop(0)
                    if reply is not None:
                        connection.sendall(reply)
                        if not waiting:
                            connection.shutdown(socket.SHUT_WR)

    with bound() as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", received
        thread.join(30)


def send(*arguments: str | Path) -> Result:
    return CliRunner().invoke(carillon, ["hl7", "send", *map(str, arguments)], standalone_mode=False)


def put(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number}.hl7" for number in range(1, len(contents) + 1)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


# -- exit codes --------------------------------------------------------------------------------------------------------


def test_every_message_of_every_file_is_sent_in_order_over_one_connection(tmp_path: Path) -> None:
    files = put(tmp_path, LF1 + LF2, framed(M3))
    with listener([framed(ack(name)) for name in ("M1", "M2", "M3")]) as (to, received):
        done = send(*files, "--to", to)
    assert received == [M1, M2, M3]
    assert done.return_value == 0
    assert [line.split()[:2] for line in lines(done)] == [["AA", "M1"], ["AA", "M2"], ["AA", "M3"]]
    assert [line.split()[-1] for line in lines(done)] == [f"{files[0]}:1", f"{files[0]}:2", f"{files[1]}:1"]
    assert done.stderr.startswith("3 sent, 3 accepted, 0 refused, AA 3, p50 ")


def test_raw_sends_the_bytes_as_they_are(tmp_path: Path) -> None:
    with listener([framed(ack("M1"))]) as (to, received):
        assert send(*put(tmp_path, LF1), "--to", to, "--raw").return_value == 0
    assert received == [LF1]


@pytest.mark.parametrize(
    ("reply", "code", "word"),
    [
        (ack("M1"), 0, "AA"),
        (ack("M1", "CA"), 0, "CA"),
        (ack("M1", "AE", "no room"), 1, "AE"),
        (ack("M1", "AR"), 1, "AR"),
        (ack("M1", "CR"), 1, "CR"),
        (b"hello", 1, "??"),
        (M1, 1, "??"),
    ],
)
def test_the_exit_code_says_whether_the_message_was_accepted(
    tmp_path: Path, reply: bytes, code: int, word: str
) -> None:
    with listener([frame(reply)]) as (to, _):
        done = send(*put(tmp_path, M1), "--to", to)
    assert done.return_value == code
    assert lines(done)[0].split()[0] == word


def test_one_refusal_among_many_is_told_and_the_rest_is_sent_all_the_same(tmp_path: Path) -> None:
    replies = [framed(ack("M1")), framed(ack("M2", "AE", "no room")), framed(ack("M3"))]
    with listener(replies) as (to, received):
        done = send(*put(tmp_path, M1 + M2 + M3), "--to", to)
    assert len(received) == 3
    assert done.return_value == 1
    assert lines(done)[1].endswith("no room")
    assert done.stderr.startswith("3 sent, 2 accepted, 1 refused, AA 2 AE 1, p50 ")


def test_json_is_one_object_a_line_and_nothing_else(tmp_path: Path) -> None:
    [file] = put(tmp_path, M1 + M2)
    with listener([framed(ack("M1")), framed(ack("M2", "AE", "no room"))]) as (to, _):
        done = send(file, "--to", to, "--json")
    records = [json.loads(line) for line in lines(done)]
    assert records.pop()["summary"]["codes"] == {"AA": 1, "AE": 1}
    assert all(record.pop("took_ms") >= 0 for record in records)
    assert records == [
        {"file": str(file), "number": 1, "code": "AA", "control_id": "M1", "text": ""},
        {"file": str(file), "number": 2, "code": "AE", "control_id": "M2", "text": "no room"},
    ]
    assert done.stderr == ""


def test_two_acknowledgements_for_one_message_are_not_taken_for_the_next_one(tmp_path: Path) -> None:
    replies = [framed(ack("M1", "CA"), ack("M1")), framed(ack("M2", "AE"))]
    with listener(replies) as (to, _):
        done = send(*put(tmp_path, M1 + M2), "--to", to)
    assert [line.split()[:2] for line in lines(done)] == [["CA", "M1"], ["AE", "M2"]]
    assert done.return_value == 1


def test_an_acknowledgement_with_a_foreign_control_id_is_not_believed(tmp_path: Path) -> None:
    with listener([framed(ack("OTHER"), ack("M1", "AE"))]) as (to, _):
        done = send(*put(tmp_path, M1), "--to", to, "--quiet")
    assert done.stderr.startswith("1 sent, 0 accepted, 1 refused, 1 stray replies, AE 1, p50 ")
    assert done.return_value == 1


def test_an_acknowledgement_without_a_control_id_is_taken_where_one_message_alone_waits(tmp_path: Path) -> None:
    with listener([framed(ack(""))]) as (to, _):
        done = send(*put(tmp_path, M1), "--to", to)
    assert [line.split()[:2] for line in lines(done)] == [["AA", "-"]]


def test_a_code_that_is_none_reaches_no_terminal_as_it_is(tmp_path: Path) -> None:
    with listener([framed(ack("M1", "\x1b[2J"))]) as (to, _):
        done = send(*put(tmp_path, M1), "--to", to, "--expect", "AA")
    assert "\x1b[2J" not in done.stdout
    assert done.return_value == 1
    with listener([framed(ack("M1", "\x1b[2J"))]) as (to, _):
        assert ", ?? 1, " in send(*put(tmp_path, M1), "--to", to, "--quiet").stderr


def test_of_two_messages_with_one_control_id_each_gets_its_reply(tmp_path: Path) -> None:
    with listener([framed(ack("M1")), framed(ack("M1", "AE"))]) as (to, _):
        done = send(*put(tmp_path, M1 + M1), "--to", to)
    assert [line.split()[:2] for line in lines(done)] == [["AA", "M1"], ["AE", "M1"]]


@pytest.mark.parametrize(
    ("replies", "options", "sentence"),
    [
        ([None], ("--timeout", "200ms"), "gave no reply within 0.2 s"),
        ([b""], (), "closed the connection without a reply"),
        ([frame(ack("M1"))[:-2]], (), "closed the connection without a reply"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100_000], (), "does not speak MLLP"),
    ],
    ids=["silence", "a close", "half a reply", "another protocol"],
)
def test_without_a_reply_the_exit_code_is_69_and_the_sentence_names_the_listener(
    tmp_path: Path, replies: list[bytes | None], options: tuple[str, ...], sentence: str
) -> None:
    with listener(replies) as (to, _):
        done = send(*put(tmp_path, M1), "--to", to, *options)
    assert done.return_value == 69
    assert done.stderr == f"carillon: {to} {sentence}\n"
    assert done.stdout == ""


def test_where_nobody_listens_the_sentence_is_the_systems_own(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        to = f"127.0.0.1:{taken.getsockname()[1]}"
        done = send(*put(tmp_path, M1), "--to", to, "--timeout", "3")
    assert done.return_value == 69
    assert done.stderr == f"carillon: {to}: Connection refused; does a listener run there?\n"


def test_a_file_without_messages_keeps_all_files_from_being_sent(tmp_path: Path) -> None:
    files = put(tmp_path, M1, b"hello")
    done = send(*files, "--to", "127.0.0.1:1")
    assert done.return_value == 65
    assert done.stderr == f"carillon: {files[1]} holds no HL7 message (no line begins with MSH)\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--to", "nowhere"), "nowhere"),
        (("--to", "127.0.0.1:99999"), "99999"),
        (("--to", "nowhere"), 'write "127.0.0.1:2575"'),
        (("--to", "127.0.0.1:1", "--timeout", "soon"), "soon"),
        (("--to", "127.0.0.1:1", "--timeout", "soon"), 'write "15m"'),
        (("--to", "127.0.0.1:1", "--timeout", "²"), "²"),
        ((), "Missing parameter: to"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    done = send(*put(tmp_path, M1), *options)
    assert type(done.exception).__name__ in ("UsageError", "MissingParameter")
    assert sentence in str(done.exception)


# -- acknowledgements --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "control_id", "text"),
    [
        (ack("M1"), "AA", "M1", ""),
        (ack("M1", "AE", "no room"), "AE", "M1", "no room"),
        (b"MSH|^~\\&\rMSA|AA\r", "AA", "", ""),
        (b"MSH|^~\\&\rMSA|AR|M1\rERR||MSH^1^9|200^Unsupported\r", "AR", "M1", "MSH 1 9 200 Unsupported"),
        (b"MSH#*~\\&\rMSA#AA#M1#\r", "AA", "M1", ""),
        (b"MSH|^~\\&|A\rPID|1\r", "", "", "the reply has no MSA segment"),
        (b"\xff\x00", "", "", "the reply is no HL7 message (no-msh)"),
    ],
)
def test_an_acknowledgement_is_read_whatever_it_is(reply: bytes, code: str, control_id: str, text: str) -> None:
    found = read_acknowledgement(reply)
    assert (found.code, found.control_id, found.text) == (code, control_id, text)
    assert found.is_positive is (code == "AA")
