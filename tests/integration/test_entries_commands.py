"""``carillon entries``: what is typed, what is kept, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.runtime_side import utc
from tests.support.builders import site_text, write_site
from tests.support.command_here import Done, carillon_here
from tests.support.valkey import ValkeyServer

SECRET = "ZZPATIENT"
SCHEDULE = f"""
[schedule.nightly]
task = "app.nightly"
cron = "30 1 * * *"
timezone = "Europe/London"
kwargs = {{ ward = "{SECRET}" }}
options = {{ queue = "night" }}

[schedule.renamed]
id = "old-name"
task = "app.tick"
every = "15m"

[schedule.off]
task = "app.off"
every = "1h"
enabled = false
"""
NOBODY = "no daemon is running: it counts when one does\n"


@pytest.fixture
def site(tmp_path: Path, valkey: ValkeyServer) -> Path:
    return write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))


def entries(site: Path, command: str, *arguments: str | Path, given: str = "") -> Done:
    return carillon_here("entries", command, "-c", site, *arguments, given=given)


def listed(site: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    found = json.loads(entries(site, "list", "--json", *arguments).stdout)
    return {row["entry"]: row for row in found["entries"]}


def shown(site: Path, name: str) -> dict[str, dict[str, Any]]:
    done = entries(site, "show", name, "--json")
    assert done.code == 0, done.stderr
    return {field["field"]: field for field in json.loads(done.stdout)["fields"]}


# -- fields ------------------------------------------------------------------------------------------------------------


def test_a_change_is_shown_with_who_made_it_why_and_until_when(site: Path) -> None:
    arguments = ("cron=0 2 * * *", "options.queue=late", "catch_up=skip", "--reason", "too early", "--for", "2h")
    done = entries(site, "set", "nightly", *arguments, "--author", "ada@desk")
    assert (done.code, done.stderr) == (0, NOBODY)
    fields = shown(site, "nightly")
    assert {name: (one["value"], one["from"]) for name, one in fields.items()} == {
        "catch_up": ('"skip"', "override"),
        "cron": ('"0 2 * * *"', "override"),
        "kwargs": ("(not shown; --arguments)", "site"),
        "options.queue": ('"late"', "override"),
        "task": ('"app.nightly"', "site"),
        "timezone": ('"Europe/London"', "site"),
    }
    assert (fields["cron"]["author"], fields["cron"]["reason"]) == ("ada@desk", "too early")
    assert fields["cron"]["at"] < fields["cron"]["until"]
    assert listed(site)["nightly"]["note"] == "changed: catch_up, cron, options.queue"


def test_a_field_falls_back_when_it_is_reverted(site: Path) -> None:
    entries(site, "set", "nightly", "every=5m", "args=[1]", "kwargs={}", "--reason", "x")
    assert shown(site, "nightly").keys() == {"task", "every", "args", "kwargs", "options.queue", "timezone"}
    assert entries(site, "revert", "nightly", "every").code == 0
    assert shown(site, "nightly")["cron"]["from"] == "site"
    assert entries(site, "revert", "nightly", "--all").code == 0
    assert {one["from"] for one in shown(site, "nightly").values()} == {"site"}
    assert entries(site, "revert", "nightly").code == 64


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("every=bla", 'nightly.every: "bla" is not a duration'),
        ("evry=5m", "nightly.evry: unknown key"),
        ("cron=0 0 31 2 *", 'nightly.cron: "0 0 31 2 *" never fires'),
        ("options.queue=", "nightly.options.queue: 1 to 255 printable characters are needed"),
        ("kwargs=[1]", "nightly.kwargs: a table is needed"),
        ('args=["{{ occurence }}"]', "occurence"),
        ("id=other", "id cannot be changed: it says which entry is meant"),
    ],
)
def test_what_would_be_no_entry_is_refused_and_not_kept(
    site: Path, valkey: ValkeyServer, field: str, told: str
) -> None:
    done = entries(site, "set", "nightly", field, "--reason", "x")
    assert done.code == 65
    assert told in done.stderr
    assert valkey.client.keys() == []


def test_a_field_without_a_value_is_a_wrong_command_line(site: Path) -> None:
    assert entries(site, "set", "nightly", "every", "--reason", "x").code == 64


def test_an_unknown_entry_is_named_with_the_nearest(site: Path) -> None:
    done = entries(site, "set", "nightli", "every=5m", "--reason", "x")
    assert done.code == 65
    assert 'no entry "nightli"\n  did you mean "nightly"?' in done.stderr


def test_an_entry_keeps_what_was_changed_of_it_when_it_is_renamed(site: Path, valkey: ValkeyServer) -> None:
    entries(site, "set", "renamed", "every=5m", "--reason", "x")
    assert valkey.client.hkeys("carillon:1:testsite:overrides") == [b"old-name"]
    site.write_text(site.read_text().replace("[schedule.renamed]", "[schedule.once-more]"))
    assert shown(site, "once-more")["every"]["value"] == '"5m"'
    assert shown(site, "old-name")["every"]["value"] == '"5m"'


def test_what_was_changed_of_an_entry_that_is_no_more_is_kept_and_reported(site: Path) -> None:
    entries(site, "pause", "nightly", "--note", "x")
    text = site.read_text()
    site.write_text(text.replace("[schedule.nightly]", "[schedule.daily]"))
    assert (listed(site)["nightly"]["state"], listed(site)["nightly"]["note"]) == ("stray", "applies to nothing")
    assert listed(site)["daily"]["state"] == "on"
    site.write_text(text)
    assert listed(site)["nightly"]["state"] == "paused"
    site.write_text(text.replace("[schedule.nightly]", "[schedule.daily]"))
    assert entries(site, "revert", "nightly", "--all").code == 0
    assert "nightly" not in listed(site)


def test_an_entry_that_cannot_be_as_it_was_set_is_listed_as_wrong(site: Path) -> None:
    entries(site, "set", "nightly", "dst=instant", "--reason", "x")
    site.write_text(site.read_text().replace('cron = "30 1 * * *"\ntimezone = "Europe/London"', 'every = "1h"'))
    done = entries(site, "list")
    assert done.code == 1
    assert listed(site)["nightly"]["state"] == "wrong"
    assert "disregarded: dst belongs to cron" in entries(site, "show", "nightly").stderr


# -- pausing and holding -----------------------------------------------------------------------------------------------


def test_entries_are_paused_with_a_note_and_resumed(site: Path) -> None:
    done = entries(
        site, "pause", "nightly", "renamed", "--note", "the ward moves", "--for", "2h", "--author", "ada@desk"
    )
    assert (done.code, done.stderr) == (0, "2 entries paused\n" + NOBODY)
    rows = listed(site)
    assert {name: row["state"] for name, row in rows.items()} == {
        "nightly": "paused",
        "renamed": "paused",
        "off": "disabled",
    }
    assert rows["nightly"]["note"].startswith("ada@desk until 20")
    assert rows["nightly"]["note"].endswith(": the ward moves")
    assert listed(site, "--state", "disabled").keys() == {"off"}
    assert entries(site, "resume", "--all").stderr.startswith("3 entries resumed\n")
    assert listed(site)["nightly"]["state"] == "on"
    assert entries(site, "pause", "--note", "x").code == 64


def test_all_schedules_are_held_and_released(site: Path, valkey: ValkeyServer) -> None:
    assert entries(site, "hold", "--reason", "works", "--for", "1h", "--author", "ada@desk").code == 0
    held = json.loads(valkey.client.get("carillon:1:testsite:hold"))
    assert (held["reason"], held["author"]) == ("works", "ada@desk")
    assert 3500 < valkey.client.ttl("carillon:1:testsite:hold") <= 3600
    shown_us = held["at"] // 1_000_000 * 1_000_000
    words = f"by ada@desk since {utc(shown_us)} until {utc(shown_us + 3_600_000_000)}: works"
    assert entries(site, "list").stderr == f"all schedules are held {words}\n"
    assert entries(site, "release").stderr == f"released; they were held {words}\n"
    assert valkey.client.get("carillon:1:testsite:hold") is None
    assert entries(site, "release").stderr == "they were not held\n"


# -- runs by hand ------------------------------------------------------------------------------------------------------


def test_a_run_by_hand_is_an_entry_of_its_own_with_what_its_entry_runs(site: Path, valkey: ValkeyServer) -> None:
    done = entries(
        site, "trigger", "nightly", "--overlap", "skip", "--author", "ada@desk", "--reason", "asked by phone"
    )
    assert done.code == 0
    [(key, text)] = valkey.client.hgetall("carillon:1:testsite:added").items()
    kept = json.loads(text)
    assert key.startswith(b"nightly.run.")
    assert kept["data"].pop("at") < "9"
    assert kept["data"] == {
        "task": "app.nightly", "kwargs": {"ward": SECRET}, "options": {"queue": "night"}, "overlap": "skip"
    }  # fmt: skip
    assert (kept["name"], kept["how"], kept["author"], kept["reason"]) == (
        "nightly",
        "manual",
        "ada@desk",
        "asked by phone",
    )
    assert kept["task_id"] == done.stdout.strip()
    assert entries(site, "trigger", "nightly").stdout != done.stdout


def test_a_window_of_the_past_becomes_one_entry_with_its_occurrences_in_order(site: Path, valkey: ValkeyServer) -> None:
    window = ("--from", "2026-03-27T00:00:00Z", "--to", "2026-03-31T00:00:00Z")
    done = entries(site, "backfill", "nightly", *window, "--overlap", "queue-all")
    assert done.stdout.startswith("4 occurrences as nightly.backfill.")
    kept = json.loads(valkey.client.hvals("carillon:1:testsite:added")[0])
    assert [at[:16] for at in kept["data"]["at"]] == [
        "2026-03-27T01:30", "2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"
    ]  # fmt: skip
    assert (kept["how"], kept["once"], kept["data"]["overlap"], kept["data"]["catch_up"]) == (
        "backfill",
        True,
        "queue-all",
        "all",
    )


def test_a_backfill_is_bounded_and_an_empty_one_is_told(site: Path, valkey: ValkeyServer) -> None:
    window = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-02-01T00:00:00Z")
    done = entries(site, "backfill", "nightly", *window, "--limit", "30")
    assert (done.code, "more than 30 occurrences in this window" in done.stderr) == (65, True)
    future = ("--from", "2190-01-01T00:00:00Z", "--to", "2190-02-01T00:00:00Z")
    assert (entries(site, "backfill", "nightly", *future).stdout, valkey.client.keys()) == ("0 occurrences\n", [])
    assert entries(site, "backfill", "nightly", *window[:2], "--to", "2025-01-01T00:00:00Z").code == 64


# -- whole entries -----------------------------------------------------------------------------------------------------


def test_an_entry_is_added_from_a_file_replaced_and_removed(site: Path, tmp_path: Path) -> None:
    source = tmp_path / "new.toml"
    source.write_text('task = "app.new"\ncron = "0 3 * * *"\noptions = { priority = 3 }\n')
    assert entries(site, "add", "new", "--file", source, "--reason", "a trial").code == 0
    row = listed(site)["new"]
    assert (row["state"], row["source"], row["note"]) == ("on", "added", "a trial")
    again = entries(site, "add", "new", "--file", "-", given='{"task": "app.new", "every": "1h"}')
    assert (again.code, '"new" is there already' in again.stderr) == (65, True)
    replaced = entries(site, "add", "new", "--file", "-", "--replace", given='{"task": "app.new", "every": "1h"}')
    assert replaced.code == 0
    assert shown(site, "new")["every"]["from"] == "added"
    assert entries(site, "set", "new", "every=2h", "--reason", "x").code == 0
    assert shown(site, "new")["every"]["value"] == '"2h"'
    assert entries(site, "remove", "new").stderr == "1 entry removed\n" + NOBODY
    assert "new" not in listed(site)
    assert entries(site, "remove", "new").code == 1


@pytest.mark.parametrize(
    ("name", "text", "code", "told"),
    [
        ("nightly", '{"task": "t", "every": "1h"}', 65, '"nightly" is an entry of the site'),
        ("A b", '{"task": "t", "every": "1h"}', 65, '"A b" is not a name'),
        ("x", '{"task": "t", "every": "1h", "id": "y"}', 65, "leave id out"),
        ("x", '{"task": "t"}', 65, "exactly one of"),
        ("x", '{"task": "t", "at": "2020-01-01T00:00:00Z"}', 65, "x would never fire: all its instants are past"),
        ("x", '{"task": "t", "every": "1h", "options": {"headers": {"task": 1}}}', 65, ""),
        ("x", "[]", 64, "a JSON object is needed"),
        ("x", "{", 64, "not JSON"),
    ],
)
def test_what_is_no_entry_is_not_added(
    site: Path, valkey: ValkeyServer, name: str, text: str, code: int, told: str
) -> None:
    done = entries(site, "add", name, "--file", "-", given=text)
    assert (done.code, told in done.stderr) == (code, True), done.stderr
    assert valkey.client.keys() == []


def test_an_entry_of_the_site_is_not_removed(site: Path) -> None:
    done = entries(site, "remove", "nightly")
    assert (done.code, '"nightly" was not added: it is an entry of the site' in done.stderr) == (65, True)


def lines(*names: str, at: str = "2199-01-01T00:00:00Z") -> str:
    return "".join(json.dumps({"name": name, "task": "app.visit", "at": at, "args": [SECRET]}) + "\n" for name in names)


def test_many_entries_are_loaded_again_and_again_and_what_is_past_is_left_out(
    site: Path, tmp_path: Path, valkey: ValkeyServer
) -> None:
    source = tmp_path / "entries.jsonl"
    source.write_text(lines(*(f"v{n}" for n in range(2500))) + "\n" + lines("gone", at="2020-01-01T00:00:00Z"))
    for _ in range(2):
        done = entries(site, "load", source)
        assert (done.code, done.stderr) == (
            0, "2500 entries added\n1 line of the past left out: nothing of them would ever fire\n"
        )  # fmt: skip
    assert valkey.client.hlen("carillon:1:testsite:added") == valkey.client.zcard("carillon:1:testsite:looks") == 2500
    found = entries(site, "list", "--limit", "10")
    assert "there are more" in found.stderr
    assert SECRET not in found.stdout + entries(site, "list", "--json").stdout


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1502: not JSON"),
        ("[1]", "line 1502: a JSON object is needed"),
        ('{"task": "t", "every": "1h"}', "line 1502: this is not a name"),
        ('{"name": "x", "task": "t", "every": "1q"}', 'line 1502: x.every: "1q" is not a duration'),
    ],
)
def test_a_wrong_line_is_named_and_those_before_it_are_kept(
    site: Path, tmp_path: Path, valkey: ValkeyServer, line: str, told: str
) -> None:
    source = tmp_path / "entries.jsonl"
    source.write_text(lines(*(f"v{n}" for n in range(1501))) + line + "\n" + lines("after"))
    done = entries(site, "load", source)
    assert (done.code, told in done.stderr) == (65, True), done.stderr
    assert valkey.client.hlen("carillon:1:testsite:added") == 1501
    source.write_text(source.read_text().replace(line + "\n", lines("mended")))
    assert entries(site, "load", source, "--skip", "1501").code == 0
    assert valkey.client.hlen("carillon:1:testsite:added") == 1503


def test_every_command_is_refused_where_the_broker_cannot_keep_it(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url="amqp://guest@127.0.0.1:1//", schedule=SCHEDULE))
    for command in (("list",), ("pause", "--all", "--note", "x"), ("trigger", "nightly"), ("hold", "--reason", "x")):
        done = entries(site, *command)
        assert (done.code, "on Redis and Valkey only" in done.stderr) == (78, True), done.stderr


# -- tasks held until their time ---------------------------------------------------------------------------------------


def test_a_task_with_a_countdown_is_held_by_the_schedule_and_can_be_called_off(
    site: Path, valkey: ValkeyServer
) -> None:
    options = ("--countdown", "1h", "--args", f'["{SECRET}"]', "--queue", "q", "--expires", "2h", "--header", "a=b")
    done = carillon_here("send", "-c", site, "app.task", *options, "--id", "promised")
    assert (done.code, done.stdout, done.stderr) == (0, "promised\n", NOBODY)
    kept = json.loads(valkey.client.hget("carillon:1:testsite:added", "held:promised"))
    assert (kept["name"], kept["how"], kept["task_id"], kept["once"]) == ("app.task", "held", "promised", True)
    assert kept["data"]["options"] == {"queue": "q", "expires": 3600.0, "headers": {"a": "b"}}
    held = carillon_here("tasks", "held", "-c", site, "--json")
    assert [(one["task_id"], one["task"]) for one in json.loads(held.stdout)] == [("promised", "app.task")]
    assert SECRET not in held.stdout + entries(site, "list", "--held").stdout
    shown = carillon_here("tasks", "show", "-c", site, "promised", "nobody", "--timeout", "100ms", "--json")
    assert [one["state"] for one in json.loads(shown.stdout)] == ["HELD", "UNKNOWN"]
    again = carillon_here("send", "-c", site, "app.task", "--countdown", "1h", "--id", "promised")
    assert (again.code, "is there already" in again.stderr) == (65, True)
    gone = carillon_here("tasks", "cancel", "-c", site, "promised")
    assert (gone.code, gone.stderr) == (0, "promised was held and is taken out of the schedule\n")
    assert carillon_here("tasks", "held", "-c", site, "--json").stdout == "[]\n"
    assert valkey.client.llen("q") == 0


def test_an_instant_is_kept_to_the_microsecond(site: Path, valkey: ValkeyServer) -> None:
    eta = "2199-01-01T00:00:00.123456+01:00"
    done = carillon_here("send", "-c", site, "app.task", "--eta", eta, "--id", "promised", "--json")
    assert json.loads(done.stdout)["held_until"] == "2198-12-31T23:00:00.123456+00:00"
    [(_, look)] = valkey.client.zrange("carillon:1:testsite:looks", 0, -1, withscores=True)
    assert 0 < 7_226_578_800_123_456 - look <= 2000


def test_a_worker_holds_it_if_that_is_asked_for(site: Path, valkey: ValkeyServer) -> None:
    done = carillon_here("send", "-c", site, "app.task", "--countdown", "1h", "--direct-eta", "--queue", "q")
    assert done.code == 0
    assert json.loads(valkey.client.lindex("q", 0))["headers"]["eta"] is not None
    assert valkey.client.hlen("carillon:1:testsite:added") == 0


def test_what_cannot_be_kept_with_a_held_task_is_refused(site: Path, valkey: ValkeyServer) -> None:
    for option, named in (
        (("--serializer", "yaml"), "--serializer"), (("--link", "t"), "--link"), (("--stamp", "a=b"), "--stamp"),
        (("--expires", "30m"), "--expires is before it is due"),
    ):  # fmt: skip
        done = carillon_here("send", "-c", site, "app.task", "--countdown", "1h", *option)
        assert (done.code, named in done.stderr) == (64, True), done.stderr
    assert valkey.client.keys() == []
