"""``hl7 send`` over real sockets, to a listener that answers as it is told."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from daemon.sender.tls import server_context
from tests.support.builders import adt, framed
from tests.support.certificates import Authority
from tests.support.command_here import Done, carillon_here
from tests.support.sinking import sinking


def send(*arguments: str | Path, given: str = "") -> Done:
    return carillon_here("hl7", "send", *arguments, given=given)


def put(path: Path, *ids: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"".join(adt(name) for name in ids))
    return path


def summary(done: Done) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])["summary"]
    return found


def test_folders_and_standard_input_are_sent_as_well(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.hl7", "M1")
    put(tmp_path / "in" / "b.hl7", "M2")
    put(tmp_path / "in" / ".hidden", "M8")
    put(tmp_path / "in" / "deep" / "c.hl7", "M3")
    with sinking() as sunk:
        done = send(tmp_path / "in", "-", "--to", sunk.to, given=adt("M4").decode())
        assert [line.split()[1] for line in done.stdout.splitlines()] == ["M1", "M2", "M4"]
        deep = send(tmp_path / "in", "--recursive", "--to", sunk.to)
        assert [line.split()[1] for line in deep.stdout.splitlines()] == ["M1", "M2", "M3"]
    assert (done.code, deep.code) == (0, 0)


def test_a_batch_goes_out_as_one_block(tmp_path: Path) -> None:
    path = tmp_path / "batch.hl7"
    path.write_bytes(b"BHS|^~\\&|A||||||||B1\r" + adt("M1") + adt("M2") + b"BTS|2\r")
    with sinking() as sunk:
        assert send(path, "--to", sunk.to).code == 0
        assert len(sunk.wait(2)) == 2
        done = send(path, "--to", sunk.to, "--batch")
        assert sunk.wait(3)[2].data == path.read_bytes()
    assert done.stdout.split()[0] == "AR"  # the sink takes no batches


def test_many_connections_each_ahead_of_its_answers_send_everything_once(tmp_path: Path) -> None:
    path = put(tmp_path / "a.hl7", "M1", "M2", "M3")
    with sinking() as sunk:
        options = ("--count", "500", "--new-ids", "--connections", "4", "--pipeline", "8", "--quiet", "--json")
        done = send(path, "--to", sunk.to, *options)
        received = sunk.wait(500)
    assert done.code == 0
    assert len({one.data.split(b"|")[9] for one in received}) == 500
    assert len({one.peer for one in received}) == 4
    assert summary(done) | {"lasted_s": 0, "p50_ms": 0, "p99_ms": 0} == {
        "sent": 500, "accepted": 500, "refused": 0, "unanswered": 0, "sent_again": 0, "stray_replies": 0,
        "further_replies": 0, "codes": {"AA": 500}, "lasted_s": 0, "p50_ms": 0, "p99_ms": 0,
    }  # fmt: skip


def test_one_connection_ahead_of_its_answers_keeps_the_order(tmp_path: Path) -> None:
    names = [f"M{number}" for number in range(300)]
    with sinking() as sunk:
        assert send(put(tmp_path / "a.hl7", *names), "--to", sunk.to, "--pipeline", "50", "--quiet").code == 0
        assert [one.data.split(b"|")[9].decode() for one in sunk.wait(300)] == names


def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_message(tmp_path: Path) -> None:
    """The first answer comes after its time is over, while the second message waits for one that says no."""
    path = put(tmp_path / "a.hl7", "M1", "M2")
    with sinking("2:AE", "1:delay=900ms") as sunk:
        done = send(path, "--to", sunk.to, "--timeout", "600ms", "--keep-going", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["code"], line["control_id"]) for line in lines[:-1]] == [("AE", "M2")]
    assert summary(done)["unanswered"] == 1
    assert done.code == 1


def test_a_message_without_an_answer_does_not_cost_the_others_theirs(tmp_path: Path) -> None:
    path = put(tmp_path / "a.hl7", *(f"M{number}" for number in range(1, 7)))
    with sinking("3:none") as sunk:
        done = send(path, "--to", sunk.to, "--pipeline", "6", "--timeout", "1s", "--keep-going", "--json")
        assert len(sunk.received) == 6
    counts = summary(done)
    assert (counts["accepted"], counts["unanswered"]) == (4, 2)
    assert done.code == 1


def test_an_answer_to_another_message_is_counted_and_not_believed(tmp_path: Path) -> None:
    path = put(tmp_path / "a.hl7", "M1")
    with sinking("none") as sunk:
        done = send(path, "--to", sunk.to, "--timeout", "200ms")
    assert (done.code, done.stdout) == (69, "")
    assert "gave no reply within 0.2 s" in done.stderr


def test_a_message_whose_connection_breaks_is_sent_again(tmp_path: Path) -> None:
    path = put(tmp_path / "a.hl7", "M1", "M2")
    with sinking("3:drop") as sunk:
        assert send(path, "--to", sunk.to, "--quiet").code == 0
        done = send(path, "--to", sunk.to, "--retries", "2", "--json")
        ids = [one.data.split(b"|")[9] for one in sunk.wait(5)]
    assert ids == [b"M1", b"M2", b"M1", b"M1", b"M2"]
    assert done.code == 0
    assert summary(done)["sent_again"] == 1


@pytest.mark.parametrize(
    ("ack", "expect", "code", "codes"),
    [
        ("AA", "AA", 0, ["AA"]),
        ("AE", "AE|AR", 0, ["AE"]),
        ("CA", "AA", 1, ["CA"]),
        ("msh", "CA,AA", 0, ["CA", "AA"]),
        ("msh", "CA,AE", 1, ["CA", "AA"]),
    ],
)
def test_the_exit_code_is_held_against_what_is_expected(
    tmp_path: Path, ack: str, expect: str, code: int, codes: list[str]
) -> None:
    path = tmp_path / "a.hl7"
    path.write_bytes(adt("M1", accept="AL", application="AL"))
    with sinking(ack) as sunk:
        done = send(path, "--to", sunk.to, "--expect", expect)
    assert [line.split()[0] for line in done.stdout.splitlines()] == codes
    assert done.code == code


def test_commit_blocks_of_release_2_are_understood_and_sent(tmp_path: Path) -> None:
    path = put(tmp_path / "a.hl7", "M1", "M2")
    with sinking(release=2) as sunk:
        done = send(path, "--to", sunk.to, "--release", "2")
        plain = send(path, "--to", sunk.to)
        assert len(sunk.wait(3)) >= 3
        assert all(not one.deviations for one in sunk.received)
    assert done.code == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["AA", "M1"], ["AA", "M2"]]
    assert plain.code == 69
    assert "speaks MLLP release 2" in plain.stderr


def test_tls_is_spoken_with_a_certificate_of_our_own_and_the_listeners_is_checked(tmp_path: Path) -> None:
    good, other = Authority(tmp_path / "ca", "good"), Authority(tmp_path / "ca", "other")
    server, client = good.sign("listener", "DNS:elsewhere"), good.sign("sender", "DNS:sender")
    path = put(tmp_path / "a.hl7", "M1")
    context: ssl.SSLContext = server_context(*server, good.certificate)
    mine = ("--cert", client[0], "--key", client[1], "--timeout", "10s")
    with sinking(tls=context) as sunk:
        named = send(path, "--to", sunk.to, "--ca", good.certificate, "--server-name", "elsewhere", *mine)
        unnamed = send(path, "--to", sunk.to, "--ca", good.certificate, "--insecure", *mine)
        wrong_name = send(path, "--to", sunk.to, "--ca", good.certificate, *mine)
        wrong_authority = send(path, "--to", sunk.to, "--ca", other.certificate, "--insecure", *mine)
    assert (named.code, unnamed.code) == (0, 0)
    assert (wrong_name.code, wrong_authority.code) == (69, 69)
    assert "the certificate is not accepted" in wrong_name.stderr
    assert "the certificate is not accepted" in wrong_authority.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--expect", "XX"), 'write AA, "AA|CA" or CA,AA'),
        (("--key", "{file}"), "--key needs --cert"),
        (("--cert", "{file}"), "PEM files are needed"),
        (("--rate", "0"), "not in the range"),
        (("--connections", "0"), "not in the range"),
    ],
)
def test_options_that_cannot_be_used_are_usage_errors(tmp_path: Path, options: tuple[str, str], sentence: str) -> None:
    path = put(tmp_path / "a.hl7", "M1")
    done = send(path, "--to", "127.0.0.1:1", options[0], options[1].format(file=path))
    assert done.code == 64
    assert sentence in done.stderr


def test_blocks_of_a_file_are_sent_as_they_were_framed(tmp_path: Path) -> None:
    path = tmp_path / "framed.hl7"
    path.write_bytes(framed(adt("M1"), adt("M2")))
    with sinking() as sunk:
        assert send(path, "--to", sunk.to).code == 0
        assert [one.data for one in sunk.wait(2)] == [adt("M1"), adt("M2")]
