"""What a person types and reads: every command as a process, with its output and exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import ADT_FEED, adt, framed, site_text, write_site
from tests.support.command import carillon
from tests.support.process import ROOT, DaemonProcess
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker

# -- check -------------------------------------------------------------------------------------------------------------


def test_check_accepts_the_sites_that_are_shipped() -> None:
    for path in sorted((ROOT / "config").glob("*.toml")):
        done = carillon("check", "-c", path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ok, " in done.stdout


def test_check_reports_every_problem_with_its_place_and_exits_with_78(tmp_path: Path) -> None:
    site = write_site(
        tmp_path,
        """[site]
name = "x"
state_dir = "s"
timezone = "Europe/Lodon"

[schedule.a]
task = "t"
cron = "0 0 31 2 *"

[schedule.b]
task = "t"
evry = "5m"

[feed.one]
listen = "127.0.0.1:2575"
[[feed.one.route]]
task = "t"
kwargs = { mrn = "PID3.1" }

[feed.two]
listen = "0.0.0.0:2575"
unrouted = "park"
""",
    )
    done = carillon("check", "-c", site)
    assert done.returncode == 78
    assert done.stdout.splitlines() == [
        f'{site}:4 site.timezone: "Europe/Lodon" is not a known time zone; did you mean "Europe/London"?',
        f'{site}:8 schedule.a.cron: "0 0 31 2 *" never fires; no month it names has such a day',
        f'{site}:12 schedule.b.evry: unknown key; did you mean "every"?',
        (
            f'{site}:18 feed.one.route[0].kwargs.mrn: "PID3.1" is not an HL7 path; '
            'write "PID-3", "PID-3.1", "PID-3[2].4.1", "PID-3[*].1" or "OBX[2]-5"'
        ),
        (
            f"{site}:21 feed.two.listen: warning: 0.0.0.0:2575 takes patient data unencrypted from the network; "
            'write [feed.….tls], put a TLS terminator in front, or say plaintext = "accepted"'
        ),
        f"{site}:21 feed.two.listen: 0.0.0.0:2575 is already taken by feed.one.listen; give each feed a port of its own",
    ]


@pytest.mark.parametrize(
    ("text", "last_line"),
    [
        ('[schedule.a]\ntask = "t"\nevery = "1h"\n', "ok, 1 entry, 0 feeds"),
        ("schedule = {}\n", "ok, 0 entries, 0 feeds"),
        ('[feed.a]\nlisten = "0.0.0.0:2575"\n[[feed.a.route]]\ntask = "t"\n', "ok, 0 entries, 1 feed, 1 warning"),
        ('[feed.a]\nlisten = "0.0.0.0:2575"\nunrouted = "park"\nnope = 1\n', "1 error, 1 warning"),
        ("[api]\nnope = 1\nmore = 2\n", "2 errors"),
    ],
)
def test_check_ends_with_numbers_and_words_that_agree(tmp_path: Path, text: str, last_line: str) -> None:
    site = write_site(tmp_path, f'site = {{ name = "x", state_dir = "s" }}\n{text}')
    done = carillon("check", "-c", site)
    assert (done.stdout + done.stderr).splitlines()[-1] == f"{site}: {last_line}"


def test_check_speaks_json(tmp_path: Path) -> None:
    done = carillon("check", "-c", write_site(tmp_path, "[site]\nnam = 1\n"), "--json")
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert {problem["key"] for problem in report["problems"]} >= {"site.nam", "site.name", "site.state_dir"}


def test_check_of_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    done = carillon("check", "-c", tmp_path / "none.toml")
    assert done.returncode == 78
    assert "No such file" in done.stdout


# -- run ---------------------------------------------------------------------------------------------------------------


def test_run_refuses_a_wrong_site_with_all_its_problems(tmp_path: Path) -> None:
    done = carillon(
        "run", "-c", write_site(tmp_path, '[site]\nname = "x"\nstate_dir = "s"\n[schedule.a]\ntask = "t"\n')
    )
    assert done.returncode == 78
    assert "exactly one of every, cron, at, solar, rrule and triggers is needed" in done.stderr


def test_run_says_which_port_is_taken(tmp_path: Path, valkey: ValkeyServer) -> None:
    port = valkey.port
    site = write_site(
        tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    )
    done = carillon("run", "-c", site)
    assert done.returncode == 71
    assert f"feed adt: cannot listen on 127.0.0.1:{port} (Address already in use)" in done.stderr
    assert "ss -ltnp" in done.stderr


def test_run_with_require_celery_and_no_broker_ends_with_69(tmp_path: Path) -> None:
    site = write_site(
        tmp_path,
        site_text(broker_url=f"redis://127.0.0.1:{free_port()}/0", schedule='[schedule.a]\ntask="t"\nevery="1h"\n'),
    )
    done = carillon("run", "-c", site, environment={"REQUIRE_CELERY": "true"})
    assert done.returncode == 69
    assert "site.require_celery is set and the broker does not answer" in done.stderr


# -- next --------------------------------------------------------------------------------------------------------------


def test_next_writes_one_json_object_a_line_and_notes_the_clock_change() -> None:
    done = carillon(
        *("next", "--cron", "30 1 * * *", "--timezone", "Europe/London"),
        *("--from", "2026-03-28T00:00:00Z", "--count", "3", "--json"),
    )
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"entry": "cron", "at": "2026-03-28T01:30:00Z", "local": "2026-03-28T01:30:00+00:00", "note": ""},
        {
            "entry": "cron",
            "at": "2026-03-29T01:00:00Z",
            "local": "2026-03-29T02:00:00+01:00",
            "note": "2026-03-29 01:30 does not exist, the clocks go forward; fires right after",
        },
        {"entry": "cron", "at": "2026-03-30T00:30:00Z", "local": "2026-03-30T01:30:00+01:00", "note": ""},
    ]


def test_next_of_a_site_lists_the_coming_fires_of_all_entries_in_order() -> None:
    done = carillon("next", "-c", ROOT / "config" / "demo.toml", "--count", "6", "--from", "2026-01-01T00:00:59Z")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0] == ["ENTRY", "LOCAL", "IN", "UTC", "NOTE"]
    assert [row[3] for row in rows[1:]] == sorted(row[3] for row in rows[1:])
    assert {row[0] for row in rows[1:]} == {"bell", "census", "minute-report"}


def test_next_of_an_unknown_entry_suggests_the_nearest() -> None:
    done = carillon("next", "-c", ROOT / "config" / "demo.toml", "cencus")
    assert done.returncode == 64
    assert 'did you mean "census"?' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cron", "@daily", "--timezone", "Europe/Lodon"), 'did you mean "Europe/London"?'),
        (("--cron", "@daily", "--from", "9999-12-31T23:59:59Z"), "1970 to 2999"),
        (("--cron", "@daily", "--from", "0001-01-01T00:00:00+14:00"), "1970 to 2999"),
        (("--cron", "@daily", "--from", "2026-01-01"), "has no offset"),
        (("--cron", "@daily", "nightly"), "not both"),
        (("-c", ROOT / "config" / "demo.toml", "--timezone", "UTC"), "belong to --cron"),
    ],
)
def test_next_refuses_what_it_cannot_read_or_would_not_heed(arguments: tuple[str, ...], message: str) -> None:
    done = carillon("next", *arguments)
    assert done.returncode == 64
    assert message in done.stderr


# -- send --------------------------------------------------------------------------------------------------------------


def test_send_prints_the_id_and_waits_for_the_result(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, celery=f'result_backend = "{valkey.url}"'))
    with Worker(valkey.url):
        done = carillon(
            "send", "-c", site, "recording.tick", "--args", "[1]", "--kwargs", '{"a": "ü"}', "--wait", "--json"
        )
        failed = carillon("send", "-c", site, "recording.fail", "--wait")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["state"] == "SUCCESS"
    assert report["result"] == {"args": [1], "kwargs": {"a": "ü"}}
    assert failed.returncode == 1
    assert "FAILURE" in failed.stdout


def test_send_with_the_same_id_happens_once(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url))
    for _ in range(2):
        assert carillon("send", "-c", site, "app.task", "--id", "just-one", "--queue", "q").stdout == "just-one\n"
    assert valkey.client.llen("q") == 1


def test_send_to_a_broker_that_is_down_exits_with_69(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url=f"redis://127.0.0.1:{free_port()}/0"))
    done = carillon("send", "-c", site, "app.task")
    assert done.returncode == 69
    assert "nothing was enqueued" in done.stderr


def test_send_to_a_broker_that_refuses_says_why(tmp_path: Path, valkey: ValkeyServer) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "+@all", "~carillon:*")
    site = write_site(tmp_path, site_text(broker_url=valkey.url.replace("//", "//narrow:pw@")))
    done = carillon("send", "-c", site, "app.task")
    assert done.returncode == 69
    assert "NOPERM" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--args", "{}"), "--args must be a JSON list"),
        (("--kwargs", "nope"), "--kwargs is not JSON"),
        (("--header", "x"), "write NAME=VALUE"),
        (("--countdown", "-1"), "--countdown"),
        (("--eta", "tomorrow"), "is not an instant"),
    ],
)
def test_send_refuses_what_it_cannot_read(
    tmp_path: Path, valkey: ValkeyServer, arguments: tuple[str, ...], message: str
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url))
    done = carillon("send", "-c", site, "app.task", *arguments)
    assert done.returncode == 64
    assert message in done.stderr


def test_send_refuses_what_no_worker_could_take(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url))
    done = carillon("send", "-c", site, "app.task", "--header", "timelimit=5")
    assert done.returncode == 65
    assert "belongs to Celery's protocol" in done.stderr
    assert valkey.client.keys("*") == []


# -- hl7 send ----------------------------------------------------------------------------------------------------------


def test_hl7_send_prints_each_acknowledgement_and_tells_by_its_exit_code(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=ADT_FEED))
    one, many, refused = tmp_path / "one.hl7", tmp_path / "many.hl7", tmp_path / "refused.hl7"
    one.write_bytes(adt("M1", end="\n"))
    many.write_bytes(framed(adt("M2"), adt("M3")))
    refused.write_bytes(adt("M4").replace(b"ADT^A01", b"ORU^R01"))
    with DaemonProcess(site) as daemon:
        to = f"127.0.0.1:{daemon.ready().port()}"
        good = carillon("hl7", "send", one, many, "--to", to)
        bad = carillon("hl7", "send", refused, "--to", to, "--json")
        assert daemon.terminate() == 0
    assert good.returncode == 0
    assert [line.split()[:2] for line in good.stdout.splitlines()] == [["AA", "M1"], ["AA", "M2"], ["AA", "M3"]]
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["code"] == "AR"
    assert json.loads(bad.stdout)["text"] == "Unsupported message type"


def test_hl7_send_to_nobody_exits_with_69(tmp_path: Path) -> None:
    path = tmp_path / "one.hl7"
    path.write_bytes(adt())
    done = carillon("hl7", "send", path, "--to", f"127.0.0.1:{free_port()}")
    assert done.returncode == 69
    assert "refused" in done.stderr


def test_hl7_send_of_a_file_without_messages_exits_with_65(tmp_path: Path) -> None:
    path = tmp_path / "none.txt"
    path.write_text("hello")
    done = carillon("hl7", "send", path, "--to", "127.0.0.1:1")
    assert done.returncode == 65
    assert "no line begins with MSH" in done.stderr


# -- all ---------------------------------------------------------------------------------------------------------------


COMMANDS = (
    "", "check", "run", "next", "send", "tasks", "tasks cancel", "workers", "workers list", "queues", "queues purge", "hl7",
    "hl7 send", "hl7 simulate", "hl7 probe", "hl7 listen", "shadow", "demo",
)  # fmt: skip


@pytest.mark.parametrize("command", [words.split() for words in COMMANDS], ids=COMMANDS)
def test_every_command_explains_itself(command: list[str]) -> None:
    done = carillon(*command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage:")
    assert "\\b" not in done.stdout  # click's own mark, shown when it is misplaced
    assert done.stderr == ""


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion() -> None:
    done = carillon("chekc")
    assert done.returncode == 64
    assert 'did you mean "check"?' in done.stderr


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ([], "run check next shadow send tasks workers queues feeds audit hl7 demo"),
        (["hl7"], "send simulate probe listen list show quarantine replay release export"),
    ],
)
def test_the_list_of_commands_loads_none_of_them(group: list[str], names: str) -> None:
    heavy = "{'aiohttp', 'anyio', 'celery', 'pydantic', 'redis', 'rich', 'uvloop'}"
    script = (
        "import sys\nfrom daemon.cli.main import carillon\n"
        f"carillon.main({[*group, '--help']}, standalone_mode=False)\n"
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]"), done.stdout
    for name in names.split():
        assert f"\n  {name} " in done.stdout
