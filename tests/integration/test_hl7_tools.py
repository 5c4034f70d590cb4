"""``hl7 simulate`` and ``hl7 listen``, at each other and at files."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.sender.files import messages_in
from tests.support.builders import MARKER, adt, framed
from tests.support.command_here import Done, carillon_here
from tests.support.peer import Peer
from tests.support.process import ROOT
from tests.support.sinking import sinking

START = ("--start", "2026-01-01T00:00:00Z")


def simulate(*arguments: str | Path) -> Done:
    return carillon_here("hl7", "simulate", *arguments)


# -- simulate ----------------------------------------------------------------------------------------------------------


def test_the_same_seed_and_start_write_the_same_file(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("1", "2", "3"))
    options = ("--count", "300", "--format", "mllp", "--versions", "2.3,2.5.1", "--charsets", "utf-8,8859/1", *START)
    for path, seed in ((one, "7"), (two, "7"), (other, "8")):
        assert simulate("--out", path, "--seed", seed, *options).code == 0
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    assert len(messages_in(one.read_bytes())) == 300


def test_plain_lines_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "plain.hl7"
    assert simulate("--out", path, "--count", "40", "--size", "10", *START).code == 0
    assert b"\r" not in path.read_bytes()
    with sinking() as sunk:
        assert carillon_here("hl7", "send", path, "--to", sunk.to, "--quiet").code == 0
        assert [one.data for one in sunk.wait(40)] == messages_in(path.read_bytes())


def test_a_hospital_is_sent_with_all_its_oddities_and_every_message_is_answered() -> None:
    with sinking() as sunk:
        options = ("--flat-out", "--deviations", "all", "--kinds", "ADT,ORU", "--count", "300", "--json", "--quiet")
        done = simulate("--to", sunk.to, *options)
    summary = json.loads(done.stdout)["summary"]
    assert done.code == 0
    assert (summary["sent"], summary["accepted"], summary["unanswered"]) == (300, 300, 0)
    resent = summary["sent_again"]
    assert resent > 5
    assert len(sunk.received) == 300 + resent
    named = {name for one in sunk.received for name in one.deviations}
    assert {"lf-for-cr", "crlf-for-cr", "no-cr-after-fs", "lf-after-fs", "double-start"} <= named


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "--to HOST:PORT or --out FILE"),
        (("--out", "-", "--to", "h:1"), "--to HOST:PORT or --out FILE"),
        (("--out", "-", "--size", "huge"), "not a size"),
        (("--out", "-", "--kinds", "MFN"), "nothing simulated"),
        (("--out", "-", "--versions", "3"), "no version"),
        (("--out", "-", "--charsets", "utf-16"), "no character set"),
        (("--out", "-", "--deviations", "rude"), "there are lf-ends"),
        (("--out", "-", "--start", "now"), "is not an instant"),
    ],
)
def test_a_hospital_that_cannot_be_is_a_usage_error(options: tuple[str, ...], sentence: str) -> None:
    done = simulate(*options)
    assert done.code == 64
    assert sentence in done.stderr


def test_ctrl_c_ends_a_simulation_with_its_numbers() -> None:
    with sinking() as sunk:
        command = [sys.executable, "-m", "daemon", "hl7", "simulate", "--to", sunk.to, "--rate", "200"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            sunk.wait(5)
            child.send_signal(signal.SIGINT)
            _, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert " sent, " in told


# -- listen ------------------------------------------------------------------------------------------------------------


class Listening:
    """``hl7 listen`` as a process."""

    def __init__(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "daemon", "hl7", "listen", "0", *map(str, arguments)]
        self._child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._child.stderr is not None
        self.port = int(self._child.stderr.readline().rsplit(b":", 1)[1])

    def interrupt(self) -> None:
        self._child.send_signal(signal.SIGINT)

    def ended(self) -> tuple[int, str, str]:
        out, err = self._child.communicate(timeout=30)
        return self._child.returncode, out.decode(), err.decode()


def test_a_sink_keeps_each_message_in_a_file_of_its_own_and_shows_headers_only(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    sink = Listening("--out", folder, "--count", "2")
    with Peer(sink.port) as peer:
        peer.send(framed(adt("M1")) + b"\x0b" + adt("M2", end="\n") + b"\x1c\n")
        assert [ack.code for ack in peer.acks(2)] == ["AA", "AA"]
    code, out, err = sink.ended()
    files = sorted(folder.iterdir())
    assert code == 0
    assert [path.read_bytes() for path in files] == [adt("M1"), adt("M2", end="\n")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[3] for row in rows] == ["control id", "M1", "M2"]
    assert rows[2][-1] == "lf-after-fs lf-for-cr"
    assert MARKER not in out + err
    assert "deviations: lf-after-fs 1 lf-for-cr 1" in err


def test_a_sink_answers_as_it_is_told_and_ends_on_ctrl_c() -> None:
    sink = Listening("--ack", "AA", "--ack", "2:AE", "--ack", "3:drop", "--json")
    with Peer(sink.port) as peer:
        for name, said in (("M1", "AA"), ("M2", "AE")):
            peer.send(framed(adt(name)))
            assert peer.acks()[0].code == said
        peer.send(framed(adt("M3")))
        assert peer.rest() == b""
    sink.interrupt()
    code, out = sink.ended()[:2]
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 130
    assert [record["answer"] for record in records if "answer" in record] == ["AA", "AE", "drop"]
    assert records[-1]["summary"]["received"] == 3


def test_content_is_shown_only_where_that_is_asked_for() -> None:
    sink = Listening("--show", "--count", "1")
    with Peer(sink.port) as peer:
        peer.send(framed(adt("M1")))
        peer.acks()
    assert MARKER in sink.ended()[1]


def test_what_is_no_mllp_is_named() -> None:
    with sinking() as sunk:
        with Peer(sunk.port) as peer:
            peer.send(b"GET / HTTP/1.1\r\n\r\n")
            assert peer.rest() == b""
        with Peer(sunk.port) as peer:
            peer.send(b"\x0bMSH|^~")
            peer.reset()
        with sunk.more:
            assert sunk.more.wait_for(lambda: len(sunk.notes) >= 2, 30)
    assert sunk.notes == ["does not speak MLLP: http-on-mllp-port", "broke off within a block"]


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (("nowhere",), "has no port", 64),
        (("0", "--ack", "maybe"), "is no answer", 64),
        (("0", "--key", __file__), "need --cert", 64),
        (("192.0.2.1:1",), "cannot listen", 71),
    ],
)
def test_a_sink_that_cannot_be_says_why(arguments: tuple[str, ...], sentence: str, code: int) -> None:
    done = carillon_here("hl7", "listen", *arguments)
    assert done.code == code
    assert sentence in done.stderr
