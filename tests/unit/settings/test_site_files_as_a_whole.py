"""What ``carillon check`` says of a site file as a whole: contradictions, several problems at once, forms that are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.site_files import (
    ENTRY,
    FEED,
    HEAD,
    OPEN_FEED,
    lines_of,
    problem_lines,
    put_site,
)

# -- what contradicts something else in the file ----------------------------------------------------------------------

COLLISIONS = {
    "the same address": ("127.0.0.1:2575", "127.0.0.1:2575"),
    "a wildcard before": ("0.0.0.0:2575", "127.0.0.1:2575"),
    "a wildcard after": ("127.0.0.1:2575", "0.0.0.0:2575"),
    "the wildcard of both families": ("[::]:2575", "127.0.0.1:2575"),
}


@pytest.mark.parametrize(("first", "second"), COLLISIONS.values(), ids=COLLISIONS)
def test_two_feeds_cannot_have_one_address(tmp_path: Path, first: str, second: str) -> None:
    text = f"{HEAD}[feed.a]\nlisten = '{first}'\nunrouted = 'park'\n[feed.b]\nlisten = '{second}'\nunrouted = 'park'\n"
    errors = [line for line in problem_lines(tmp_path, text) if ": warning: " not in line]
    assert errors == [
        f"site.toml:8 feed.b.listen: {second} is already taken by feed.a.listen; give each feed a port of its own"
    ]


def test_a_feed_cannot_have_the_address_of_the_api(tmp_path: Path) -> None:
    text = f"{HEAD}[feed.a]\nlisten = '127.0.0.1:8674'\nunrouted = 'park'\n"
    assert problem_lines(tmp_path, text) == [
        "site.toml:5 feed.a.listen: 127.0.0.1:8674 is already taken by api.listen; give each feed a port of its own"
    ]


def test_ports_the_system_chooses_never_collide(tmp_path: Path) -> None:
    feeds = "".join(f"[feed.{name}]\nlisten = '127.0.0.1:0'\nunrouted = 'park'\n" for name in "abc")
    assert problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '127.0.0.1:0'\n{feeds}") == []


def test_a_feed_open_to_the_network_is_warned_of_and_runs(tmp_path: Path) -> None:
    text = f"{HEAD}[feed.a]\nlisten = '0.0.0.0:2575'\nunrouted = 'park'\n"
    assert problem_lines(tmp_path, text) == [f"site.toml:5 feed.a.listen: warning: 0.0.0.0:2575 {OPEN_FEED}"]


def test_a_soft_limit_that_never_acts_is_warned_of(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}options = {{ time_limit = 10, soft_time_limit = 10 }}\n"
    assert problem_lines(tmp_path, text) == [
        (
            "site.toml:7 schedule.x.options.soft_time_limit: warning: the soft limit is not below the hard one, "
            "so it never acts"
        )
    ]


def test_a_path_that_is_not_hl7_is_refused(tmp_path: Path) -> None:
    [line] = problem_lines(tmp_path, f"{HEAD}{FEED}[[feed.x.route]]\ntask = 't'\nkwargs = {{ mrn = 'PID3.1' }}\n")
    assert line.startswith('site.toml:8 feed.x.route[0].kwargs.mrn: "PID3.1" is not an HL7 path; write "PID-3"')


# -- several at once ---------------------------------------------------------------------------------------------------


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
[feed.adt]
listen = "127.0.0.1:2575"
conections = 3
[[feed.adt.route]]
task = "t"

[schedule.b]
task = "t"
cron = "61 * * * *"

[schedule.a]
evry = "1m"

[celery]
broker_url = "rediscluster://h"

[site]
name = "Lab"
state_dir = "s"

[feed.oru]
listen = "127.0.0.1:8674"
[[feed.oru.route]]
task = "t"
kwargs = { mrn = "PID" }
"""
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, text)]
    assert places == [
        "site.toml:4 feed.adt.conections",
        "site.toml:10 schedule.b.cron",
        "site.toml:12 schedule.a.task",
        "site.toml:13 schedule.a.evry",
        "site.toml:16 celery.broker_url",
        "site.toml:19 site.name",
        "site.toml:23 feed.oru.listen",
        "site.toml:26 feed.oru.route[0].kwargs.mrn",
    ]


def test_several_problems_on_one_line_are_all_told(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}options = {{ queue = 5, priority = 12, expires = 'soon' }}\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, text)]
    assert places == [f"site.toml:7 schedule.x.options.{key}" for key in ("queue", "priority", "expires")]


def test_a_problem_in_one_key_does_not_hide_what_is_wrong_with_its_neighbours(tmp_path: Path) -> None:
    text = f'{HEAD}colour = "red"\n[celery]\nbroker_url = "redi://localhost"\ntask_routes = {{ "a.*" = {{ queu = "x" }} }}\n'
    assert [line.split(": ")[0].split()[1] for line in problem_lines(tmp_path, text)] == [
        "site.colour",
        "celery.broker_url",
        'celery.task_routes."a.*".queu',
    ]


def test_a_wrong_key_of_an_entry_or_feed_does_not_hide_what_its_other_keys_mean(tmp_path: Path) -> None:
    entry = "[schedule.x]\ntask = 't'\ncron = '0 0 31 2 *'\noverlap = 'skp'\n"
    feed = f"{FEED}charset = 'utf-16'\nconections = 3\n[[feed.x.route]]\ntask = 't'\ntyp = 'ADT'\nkwargs = {{ mrn = 'PID' }}\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, HEAD + entry + feed)]
    assert places == [
        "site.toml:6 schedule.x.cron",
        "site.toml:7 schedule.x.overlap",
        "site.toml:10 feed.x.charset",
        "site.toml:11 feed.x.conections",
        "site.toml:14 feed.x.route[0].typ",
        "site.toml:15 feed.x.route[0].kwargs.mrn",
    ]


@pytest.mark.parametrize("limit", ["0", "1023", "'1B'"])
def test_a_limit_that_no_message_fits_is_refused(tmp_path: Path, limit: str) -> None:
    text = f"{HEAD}{FEED}unrouted = 'park'\nframe_limit = {limit}\n"
    assert problem_lines(tmp_path, text) == [
        'site.toml:7 feed.x.frame_limit: no message would fit; write at least "1KiB"; the default is "16MiB"'
    ]


@pytest.mark.parametrize("limit", ["'33MiB'", "'100TiB'"])
def test_a_limit_above_what_a_task_can_hold_is_refused(tmp_path: Path, limit: str) -> None:
    text = f"{HEAD}{FEED}unrouted = 'park'\nframe_limit = {limit}\n"
    assert problem_lines(tmp_path, text) == [
        'site.toml:7 feed.x.frame_limit: larger messages could be stored and not be handed on; write at most "32MiB"'
    ]


def test_a_zone_is_refused_beside_an_interval(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, f"{HEAD}{ENTRY}timezone = 'Europe/London'\n") == [
        (
            "site.toml:4 schedule.x: timezone has nothing to act on; "
            "an interval is counted from its anchor, whatever clocks show"
        )
    ]


@pytest.mark.parametrize("key", ["dst = 'instant'", "dst = 'cron'"])
def test_a_policy_for_clock_changes_is_refused_beside_an_interval(tmp_path: Path, key: str) -> None:
    [line] = problem_lines(tmp_path, f"{HEAD}{ENTRY}{key}\n")
    assert line.startswith("site.toml:4 schedule.x: dst belongs to cron; ")


def test_a_problem_in_one_entry_does_not_hide_what_is_wrong_with_another(tmp_path: Path) -> None:
    entries = "[schedule.bool]\ntask = 't'\nevery = 'x'\n[schedule.str]\ntask = 't'\ncron = '0 0 31 2 *'\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, HEAD + entries)]
    assert places == ["site.toml:6 schedule.bool.every", "site.toml:9 schedule.str.cron"]


def test_each_problem_is_one_line_of_printable_characters(tmp_path: Path) -> None:
    text = f'{HEAD}[schedule."\\n\\u001b[2J\\u202e"]\ntask = "a\\nb"\ncron = "\\n\\u001b"\n["x\\r\\n"]\n'
    lines = problem_lines(tmp_path, text)
    assert lines
    assert [line for line in lines if not line.isprintable()] == []


# -- forms that are right ----------------------------------------------------------------------------------------------


def test_a_byte_order_mark_and_windows_line_ends_change_neither_meaning_nor_lines(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}evry = 1\n".replace("\n", "\r\n")
    assert problem_lines(tmp_path, b"\xef\xbb\xbf" + text.encode()) == [
        'site.toml:7 schedule.x.evry: unknown key; did you mean "every"?'
    ]


def test_a_file_with_every_section_is_sound(tmp_path: Path) -> None:
    text = f"""{HEAD}timezone = "Europe/London"
require_celery = true
drain_timeout = "5s"
[celery]
broker_url = "redis://localhost/0"
result_backend = "redis://localhost/1"
task_default_queue = "default"
task_routes = {{ "apps.*" = "llm", "other" = {{ queue = "q", priority = 3 }} }}
broker_transport_options = {{ global_keyprefix = "p:", priority_steps = [0, 5], sep = ":" }}
result_backend_transport_options = {{ global_keyprefix = "r:" }}
[embedded_broker]
port = 6400
appendfsync = "always"
{ENTRY}anchor = 2026-01-01T00:00:00Z
args = [1, "two", [3.0], true]
kwargs = {{ a = {{ b = 1 }} }}
options = {{ queue = "q", expires = "1h", priority = 3, time_limit = 60, soft_time_limit = 50, headers = {{ a = 1 }} }}
catch_up = {{ policy = "all", window = "6h" }}
overlap = "allow"
[schedule.cron]
task = "t"
cron = "0 2 * * *"
timezone = "Australia/Lord_Howe"
dst = "instant"
catch_up = "skip"
enabled = false
{FEED}ack = "enhanced"
charset = "utf-8"
frame_limit = "1MiB"
connections = 2
[[feed.x.route]]
type = "ADT"
event = ["A01", "A02"]
task = "t"
kwargs = {{ mrn = "PID-3.1" }}
[spool]
retention = "1w"
size_limit = "1GiB"
[api]
listen = "[::1]:0"
"""
    assert problem_lines(tmp_path, text) == []


def test_the_example_of_the_design_names_just_what_this_version_lacks(tmp_path: Path) -> None:
    text = """[site]
name = "aegis"
timezone = "America/New_York"
state_dir = "/var/lib/carillon"

[celery]
broker_url = "redis://localhost:6379/0"        # "embedded" = a private Valkey in state_dir
result_backend = "redis://localhost:6379/0"
task_default_queue = "default"
task_routes = { "apps.hai_detection.tasks.*" = { queue = "llm" } }
app = "aegis_project"                            # optional
app_python = "/opt/aegis/venv/bin/python"        # by asking this interpreter

[schedule.monitor-mdro]
task = "apps.mdro.tasks.monitor_mdro"
every = "15m"

[schedule.nhsn-nightly-extract]
task = "apps.nhsn_reporting.tasks.nhsn_nightly_extract"
cron = "0 2 * * *"
timezone = "America/New_York"
dst = "cron"
options = { queue = "batch", expires = "1h", priority = 3 }
catch_up = { policy = "one", window = "6h" }     # skip | one | all
overlap = "skip"                                 # allow | skip | queue-one | cancel-other

[feed.adt]
listen = "0.0.0.0:2575"
ack = "msh"                                      # msh | original | enhanced | always-aa | none
ack_when = "stored"                              # stored | enqueued | succeeded
[[feed.adt.route]]
type = "ADT"
event = ["A01", "A02", "A03", "A08"]
task = "apps.surgical_prophylaxis.tasks.handle_adt"
kwargs = { mrn = "PID-3.1", location = "PV1-3.1" }   # HL7 paths
lane_by = "PID-3.1"                              # ordered lanes

[api]
listen = "127.0.0.1:8674"
"""
    assert [line for line in problem_lines(tmp_path, text) if ": warning: " not in line] == [
        "site.toml:12 celery.app_python: /opt/aegis/venv/bin/python: No such file or directory",
    ]


def test_the_file_handed_to_the_loader_may_be_named_relative_to_the_folder_we_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_site(tmp_path, f"{HEAD}x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert lines_of(Path("site.toml")) == [
        "site.toml:4 site.x: unknown key; known here: drain_timeout, name, require_celery, state_dir, timezone"
    ]
