"""Stored messages as text: nothing a sender wrote steers the terminal it is shown on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.cli.hl7_printing import ReplyPrinter
from daemon.cli.json_text import json_text
from daemon.cli.message_lines import found_lines
from daemon.hl7listener.spool.query import Found, State, StoredMessage
from daemon.sender.acknowledgement import Acknowledgement
from daemon.sender.outgoing import Outgoing
from tests.support.command_here import carillon_here

EVIL = "\x1b]0;owned\x07\x9b2J\x7f\u202e\u200b\n"
NAMES = ("type", "event", "control_id", "application", "facility", "version", "peer", "code")


@pytest.mark.parametrize("name", NAMES)
def test_no_header_field_of_a_sender_reaches_the_terminal_as_it_came(name: str) -> None:
    values = dict.fromkeys(NAMES, "A") | {name: EVIL}
    found = Found(seq=1, epoch="e", feed="adt", received_us=0, state=State.PARKED, reason="", size_bytes=1, **values)  # type: ignore[arg-type]
    message = StoredMessage(found, b"", b"\rMSA|" + EVIL.encode() + b"|1\r")
    assert all(line.isprintable() for line in found_lines(message, [], {}))


def test_json_shows_what_a_sender_wrote_in_escapes_and_loses_nothing_of_it() -> None:
    text = json_text({"type": EVIL + "\U000e0001", "name": "Müller 山田"})
    assert text.isprintable()
    assert "Müller 山田" in text
    assert json.loads(text) == {"type": EVIL + "\U000e0001", "name": "Müller 山田"}


@pytest.mark.parametrize("as_json", [False, True])
def test_neither_a_file_name_nor_an_answer_steers_the_terminal(
    as_json: bool,  # noqa: FBT001 - a case
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = ReplyPrinter(as_json=as_json, is_quiet=False)
    answer = Acknowledgement(code=EVIL, control_id=EVIL, text=EVIL)
    printer.print(Outgoing(f"{EVIL}.hl7", 1, b"", EVIL), (answer,), 0.001, is_good=False)
    assert all(line.isprintable() for line in capsys.readouterr().out.rstrip("\n").split("\n"))


def test_the_name_of_a_file_does_not_steer_the_terminal_where_an_error_names_it(tmp_path: Path) -> None:
    path = tmp_path / f"{EVIL.strip()}.hl7"
    path.write_bytes(b"no message")
    done = carillon_here("hl7", "send", path, "--to", "127.0.0.1:1")
    assert done.code == 65
    assert all(line.isprintable() for line in done.stderr.splitlines())
