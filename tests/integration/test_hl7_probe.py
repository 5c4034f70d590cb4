"""``hl7 probe`` against listeners whose faults are known, and against our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.sender.probing.messages import PREFIX
from daemon.sender.probing.suite import PROBES
from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.command_here import Done, carillon_here
from tests.support.process import DaemonProcess
from tests.support.sinking import always_aa, python_hl7, sinking
from tests.support.valkey import ValkeyServer

Verdicts = dict[str, tuple[str, str]]


def probe(*arguments: str) -> Done:
    return carillon_here("hl7", "probe", *arguments)


def verdicts(done: Done) -> Verdicts:
    document = json.loads(done.stdout)
    return {one["name"]: (one["verdict"], one["observation"]) for one in document["probes"]}


def only(*names: str) -> list[str]:
    return [word for name in names for word in ("--only", name)]


def test_there_are_probes_enough_and_each_says_what_it_is_about() -> None:
    names = [one.name for one in PROBES]
    assert len(set(names)) == len(names) >= 40
    assert all(one.sent and one.wanted for one in PROBES)
    assert {one.group for one in PROBES} == {
        "framing", "robustness", "acknowledgement", "charset", "content", "limits",
    }  # fmt: skip


def test_our_own_listener_passes_all_of_it(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    with DaemonProcess(site) as daemon:
        done = probe(f"127.0.0.1:{daemon.ready().port()}", "--aggressive", "--json", "--timeout", "10")
        assert daemon.terminate() == 0
    assert {name: found for name, found in verdicts(done).items() if found[0] != "pass"} == {}
    assert done.code == 0


def test_the_known_faults_of_python_hl7s_server_are_found() -> None:
    """Of the behaviour that was measured: what kills its handler leaves a connection that never answers again."""
    zombies = ("framing/noise", "framing/line-ends", "robustness/no-msh", "charset/utf-8", "content/100-kb")
    healthy = ("framing/one-packet", "framing/pipelined", "framing/bytewise", "framing/interleaved", "content/lf")
    with python_hl7() as to:
        well = verdicts(probe(to, "--json", *only(*healthy, "acknowledgement/parties")))
        done = probe(to, "--json", "--timeout", "0.5", *only(*zombies, "framing/no-cr"))
    assert {verdict for verdict, _ in well.values()} == {"pass"}
    ill = verdicts(done)
    assert ill.pop("framing/no-cr") == ("fail", "1 of 2 answers; a plain message that followed was answered")
    assert set(ill) == set(zombies)
    assert all(verdict == "fail" and "a zombie" in observation for verdict, observation in ill.values())
    assert done.code == 1


def test_a_server_that_says_aa_to_everything_is_found_out() -> None:
    faults = (
        "framing/one-packet", "framing/reply", "robustness/no-msh", "robustness/no-control-id", "acknowledgement/parties",
        "acknowledgement/own-id", "acknowledgement/echo", "acknowledgement/of-an-ack", "acknowledgement/delimiters",
    )  # fmt: skip
    with always_aa() as to:
        well = verdicts(probe(to, "--json", *only("framing/plain", "framing/bytewise", "framing/noise")))
        done = probe(to, "--json", "--timeout", "0.5", *only(*faults, "acknowledgement/al-ne"))
    assert {verdict for verdict, _ in well.values()} == {"pass"}
    ill = verdicts(done)
    assert ill.pop("acknowledgement/al-ne") == ("deviates", "answers AA, as if nothing had been asked for")
    assert {name: verdict for name, (verdict, _) in ill.items()} == dict.fromkeys(faults, "fail")
    assert done.code == 1


@pytest.mark.parametrize(
    ("ack", "observation"),
    [
        ("none", "no answer; a zombie: the connection stays open and answers nothing, not even a plain message"),
        ("drop", "no answer; it closed the connection"),
    ],
)
def test_where_a_plain_message_gets_no_answer_nothing_else_is_tried(ack: str, observation: str) -> None:
    with sinking(ack) as sunk:
        done = probe(sunk.to, "--json", "--timeout", "0.3", *only("framing/plain", "charset"))
    found = verdicts(done)
    assert found.pop("framing/plain")[1].replace("it broke", "it closed") == observation
    assert set(found.values()) == {("skipped", "a plain message is not answered")}
    assert done.code == 1
    assert len(sunk.received) <= 2


def test_a_listener_that_refuses_everything_is_not_blamed_for_that() -> None:
    with sinking("AR") as sunk:
        done = probe(sunk.to, "--json", *only("framing/one-packet", "framing/plain", "charset/utf-8"))
    assert {found[0] for found in verdicts(done).values()} == {"pass"}
    assert done.code == 0


def test_what_is_sent_is_recognised_and_marked_as_a_test() -> None:
    with sinking() as sunk:
        probe(sunk.to, "--json", "--type", "ORU^R01", *only("framing/in-turn", "acknowledgement/exact-id"))
    fields = [one.data.split(b"\r")[0].split(b"|") for one in sunk.received]
    assert {(one[8], one[10]) for one in fields} == {(b"ORU^R01^ORU_R01", b"T")}
    assert all(one[9].startswith(PREFIX.encode()) for one in fields)
    assert len({one[9] for one in fields}) == len(fields)


def test_the_list_is_printed_and_nothing_is_sent() -> None:
    lines = probe("--list").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == [one.name for one in PROBES]
    assert json.loads(probe("--list", "--json", "--only", "limits").stdout)[0]["group"] == "limits"


def test_lines_of_a_pipe_are_tab_separated_and_end_with_the_count() -> None:
    with sinking() as sunk:
        done = probe(sunk.to, *only("framing/plain", "endless"))
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        ["probe", "verdict"],
        ["framing/plain", "pass"],
        ["limits/endless", "skipped"],
    ]
    assert done.stderr == "1 pass, 0 deviates, 0 fail, 1 skipped\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 64, "HOST:PORT is needed"),
        (("127.0.0.1:1", "--only", "no-such"), 64, "--list shows them"),
        (("127.0.0.1:1", "--type", "ADT"), 64, "write ADT^A01"),
        (("127.0.0.1:1", "--type", "A|B^C"), 64, "write ADT^A01"),
        (("127.0.0.1:1",), 69, "does a listener run there?"),
    ],
)
def test_what_cannot_be_probed_is_said(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = probe(*arguments)
    assert done.code == code
    assert sentence in done.stderr
