"""``[schedule.NAME]``: what its keys refuse, and the way back to plain data."""

from __future__ import annotations

import tomllib
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.public import Public
from daemon.scheduler.catalog import make_entry, read_entries, read_limit
from daemon.scheduler.model import Limit, Rate
from daemon.settings.entry_section import EntrySection, section_as_data
from daemon.settings.values import LONGEST_S, parse_duration_s, show_duration
from tests.support.site_files import HEAD, loaded, problem_lines

TASK = "[schedule.x]\ntask = 't'\n"
EVERY = f"{TASK}every = '1h'\n"
MOMENT_HINT = "write 2026-01-31T08:00:00, with Z or an offset if it is not the entry's local time"

WRONG = {
    "no rule among several": (
        f"{TASK}triggers = [{{ anchor = 'start' }}]\n",
        (
            "site.toml:6 schedule.x.triggers[0]: exactly one of every, cron, at, solar and rrule is needed; "
            'write every = "15m" or cron = "0 2 * * *"'
        ),
    ),
    "several beside one": (
        f"{EVERY}triggers = [{{ every = '1h' }}]\n",
        (
            "site.toml:4 schedule.x: exactly one of every, cron, at, solar, rrule and triggers is needed; "
            'write every = "15m" or cron = "0 2 * * *"'
        ),
    ),
    "an empty list of rules": (
        f"{TASK}triggers = []\n",
        "site.toml:6 schedule.x.triggers: list should have at least 1 item after validation, not 0",
    ),
    "an unknown key of a rule": (
        f"{TASK}triggers = [{{ evry = '1h' }}]\n",
        'site.toml:6 schedule.x.triggers[0].evry: unknown key; did you mean "every"?',
    ),
    "relative without an interval": (
        f"{TASK}cron = '0 8 * * *'\nrelative = true\n",
        (
            "site.toml:4 schedule.x: relative belongs to every; it rounds to the minute, hour or day "
            "that the interval is counted in"
        ),
    ),
    "relative with an anchor": (
        f"{EVERY}relative = true\nanchor = 'start'\n",
        "site.toml:4 schedule.x: relative and anchor exclude each other; relative rounds to the clock by itself",
    ),
    "an anchor that is a word": (
        f"{EVERY}anchor = 'now'\n",
        'site.toml:7 schedule.x.anchor: not an anchor; write 2026-01-01T00:00:00Z, "epoch" or "start"',
    ),
    "an anchor in a rule for dates": (
        f"{TASK}rrule = 'FREQ=DAILY'\nanchor = 'start'\n",
        (
            "site.toml:4 schedule.x: anchor belongs to every; a cron expression needs none, "
            "and a rule of RFC 5545 has start"
        ),
    ),
    "a zone for an instant that has one": (
        f"{TASK}at = 2026-01-01T08:00:00Z\ntimezone = 'UTC'\n",
        (
            "site.toml:4 schedule.x: timezone has nothing to act on; "
            "an interval is counted from its anchor, whatever clocks show"
        ),
    ),
    "a date for an instant": (f"{TASK}at = 2026-01-01\n", f"site.toml:6 schedule.x.at: not a moment; {MOMENT_HINT}"),
    "no instants": (f"{TASK}at = []\n", "site.toml:6 schedule.x.at: 1 to 1000 moments are needed"),
    "an instant before computers": (
        f"{TASK}at = 1912-01-01T00:00:00Z\n",
        f"site.toml:6 schedule.x.at: the year is not from 1970 to 9000; {MOMENT_HINT}",
    ),
    "a latitude that is none": (
        f"{TASK}solar = {{ event = 'sunset', latitude = 91, longitude = 0 }}\n",
        "site.toml:6 schedule.x.solar.latitude: input should be less than or equal to 90",
    ),
    "a place without longitude": (
        f"{TASK}solar = {{ event = 'sunset', latitude = 9 }}\n",
        "site.toml:6 schedule.x.solar.longitude: is missing",
    ),
    "an unknown key of what is left out": (
        f"{EVERY}except = {{ date = ['12-25'] }}\n",
        'site.toml:7 schedule.x.except.date: unknown key; did you mean "dates"?',
    ),
    "nothing left out": (
        f"{EVERY}except = {{}}\n",
        ('site.toml:7 schedule.x.except: nothing is left out; write except = { dates = ["12-25"] } or leave it out'),
    ),
    "a date that does not exist": (
        f"{EVERY}except = {{ dates = ['02-30'] }}\n",
        (
            'site.toml:7 schedule.x.except.dates[0]: "02-30" is not a date; '
            'write "2026-12-25", or "12-25" for every year'
        ),
    ),
    "a weekday that does not exist": (
        f"{EVERY}except = {{ weekdays = ['sat', 'noday'] }}\n",
        (
            "site.toml:7 schedule.x.except.weekdays[1]: not a day of the week; "
            "it takes mon, tue, wed, thu, fri, sat, sun"
        ),
    ),
    "a range without an end": (
        f"{EVERY}except = {{ ranges = [{{ from = 2026-01-01 }}] }}\n",
        "site.toml:7 schedule.x.except.ranges[0].to: is missing",
    ),
    "a number for a cron that is left out": (
        f"{EVERY}except = {{ cron = 5 }}\n",
        (
            "site.toml:7 schedule.x.except.cron: not a cron expression, nor a list of them; "
            'write cron = "* * 24-26 12 *"'
        ),
    ),
    "no runs at all": (
        f"{EVERY}max_runs = 0\n",
        "site.toml:7 schedule.x.max_runs: input should be greater than or equal to 1",
    ),
    "a policy that is a number": (
        f"{TASK}cron = '0 8 * * *'\ndst = 5\n",
        (
            "site.toml:7 schedule.x.dst: not a policy for clock changes; "
            'write "cron", or a table such as { gap = "skip", fold = "first" }'
        ),
    ),
    "an overlap that is misspelt": (
        f"{EVERY}overlap = 'skp'\n",
        (
            "site.toml:7 schedule.x.overlap: not one of allow, skip, queue-one, queue-all, cancel-other, "
            'terminate-other; did you mean "skip"?'
        ),
    ),
    "an overlap that nobody watches": (
        f"{EVERY}overlap = {{ stale_after = '1h' }}\n",
        (
            "site.toml:7 schedule.x.overlap: stale_after does not go with allow; "
            "runs are not watched where they may overlap"
        ),
    ),
    "a limit of nothing": (
        f"{EVERY}limit = {{}}\n",
        'site.toml:7 schedule.x.limit: nothing is limited; write concurrency = 3 or rate = "10/m", or leave it out',
    ),
    "a rate below one": (
        f"{EVERY}limit = {{ rate = '0.5/s' }}\n",
        'site.toml:7 schedule.x.limit.rate: not a rate; write "10/m": a whole number from 1 on, and s, m, h or d',
    ),
    "a rate of none": (
        "[queue.q]\nrate = '0/s'\n",
        'site.toml:5 queue.q.rate: not a rate; write "10/m": a whole number from 1 on, and s, m, h or d',
    ),
    "an expectation of nothing": (
        f"{EVERY}expect = {{}}\n",
        'site.toml:7 schedule.x.expect: nothing is expected; write finish_within = "1h", or leave it out',
    ),
    "an end expected before the start": (
        f"{EVERY}expect = {{ start_within = '2h', finish_within = '1h' }}\n",
        "site.toml:7 schedule.x.expect: start_within is longer than finish_within; a run starts before it ends",
    ),
    "an address that is none": (
        f"{EVERY}expect = {{ ping = 'ftp://x' }}\n",
        'site.toml:7 schedule.x.expect.ping: not an address to ping; write "https://hc-ping.com/…"',
    ),
    "two targets": (
        f"{EVERY}chain = [{{ task = 'a' }}]\n",
        ("site.toml:4 schedule.x: task and chain exclude each other; write one of task, chain, group and chord"),
    ),
    "arguments beside a chain": (
        "[schedule.x]\nevery = 60\nargs = [1]\nchain = [{ task = 'a' }]\n",
        "site.toml:4 schedule.x: args and kwargs belong to the tasks of the chain; write them there",
    ),
    "a step without a task": (
        "[schedule.x]\nevery = 60\nchain = [{ args = [1] }]\n",
        "site.toml:6 schedule.x.chain[0].task: is missing",
    ),
    "a chord without a body": (
        "[schedule.x]\nevery = 60\nchord = { header = [{ task = 'a' }] }\n",
        "site.toml:6 schedule.x.chord.body: is missing",
    ),
    "an unknown key of a queue": (
        "[queue.'a b']\nrat = '1/s'\nconcurrency = 1\n",
        'site.toml:5 queue."a b".rat: unknown key; did you mean "rate"?',
    ),
    "one id for two entries": (
        f"{EVERY}[schedule.y]\nid = 'x'\ntask = 't'\nevery = 60\n",
        'site.toml:8 schedule.y.id: "x" is what "x" is known by already; an id belongs to one entry',
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense_is_located_and_explained(tmp_path: Path, text: str, expected: str) -> None:
    assert problem_lines(tmp_path, HEAD + text) == [expected]


EVERYTHING = """
id = "one"
task = "t"
triggers = [
  { every = "1h30m", anchor = 2026-01-01T00:00:00Z }, { every = "2h", relative = true }, { every = 1, anchor = "start" },
  { cron = "0 2 * * *", timezone = "Europe/Paris", dst = { gap = "skip", fold = "both" } },
  { at = 2026-01-01T08:00:00 }, { at = ["2026-01-01T08:00:00Z", 2026-01-02T08:00:00+01:00] },
  { solar = { event = "sunset", latitude = 48.85, longitude = 2.35 } }, { rrule = "FREQ=MONTHLY;BYDAY=1MO" },
]
except = { dates = [2026-12-25, "01-01"], ranges = [{ from = 2026-08-01, to = 2026-08-15T12:00:00 }], weekdays = ["sat"], cron = "* 0 * * *" }
start = 2026-01-01
end = 2030-01-01T00:00:00Z
max_runs = 100
jitter = "30s"
spread = "250ms"
timezone = "America/New_York"
args = [1, "two", { three = [3.0] }]
kwargs = { a = { b = true } }
options = { queue = "q", priority = 3, expires = "1h", headers = { h = "v" } }
catch_up = { policy = "all", window = "6h" }
start_deadline = "1m30s"
overlap = "queue-one"
limit = { concurrency = 3, rate = "10/m" }
expect = { start_within = "1m", finish_within = "1h", ping = "https://hc.example/abc" }
enabled = false
"""


def _same(one: EntrySection, other: EntrySection) -> bool:
    zone = Public("UTC")
    return one == other and make_entry(Public("x"), one, zone).revision == make_entry(Public("x"), other, zone).revision


def test_a_section_goes_through_json_and_comes_back_the_same() -> None:
    section = EntrySection.model_validate(tomllib.loads(EVERYTHING))
    data = section_as_data(section)
    assert _same(EntrySection.model_validate(orjson.loads(orjson.dumps(data))), section)
    assert list(data)[:2] == ["id", "task"]
    assert data["triggers"][0] == {"every": "1h30m", "anchor": "2026-01-01T00:00:00+00:00"}
    assert (data["overlap"], data["limit"]) == ("queue-one", {"concurrency": 3, "rate": "10/m"})
    assert data["except"]["dates"] == ["2026-12-25", "01-01"]
    assert section_as_data(EntrySection.model_validate(data)) == data


def test_only_the_keys_that_are_set_are_given() -> None:
    section = EntrySection.model_validate({"task": "t", "cron": "0 2 * * *", "catch_up": "skip"})
    assert section_as_data(section) == {"task": "t", "cron": "0 2 * * *", "catch_up": "skip"}


@pytest.mark.parametrize("kind", ["chain", "group"])
def test_a_canvas_comes_back_too(kind: str) -> None:
    data = {kind: [{"task": "a", "args": [1]}, {"task": "b", "immutable": True}], "every": "1m"}
    assert section_as_data(EntrySection.model_validate(data)) == data


@given(
    st.one_of(st.floats(0.0005, LONGEST_S), st.integers(1, int(LONGEST_S)).map(float), st.sampled_from((0.25, 90.5)))
)
def test_a_duration_that_is_written_is_read_as_the_same(seconds: float) -> None:
    assert parse_duration_s(show_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(5400.0, "1h30m"), (0.25, "250ms"), (604_800.0, "1w"), (61.5, "1m1s500ms"), (1e-6, 1e-6)]
)
def test_a_duration_is_written_with_units_where_they_reach(seconds: float, text: str | float) -> None:
    assert show_duration(seconds) == text


def test_queues_have_limits_of_their_own(tmp_path: Path) -> None:
    found = loaded(tmp_path, f"{HEAD}[queue.batch]\nconcurrency = 4\n[queue.'llm.gpu']\nrate = '2/s'\n")
    assert found.settings is not None
    assert found.problems == ()
    assert {str(name): read_limit(section) for name, section in found.settings.queue.items()} == {
        "batch": Limit(4, None),
        "llm.gpu": Limit(None, Rate(2, 1_000_000)),
    }


def test_an_id_that_another_entry_has_leaves_the_first_alone(tmp_path: Path) -> None:
    found = loaded(tmp_path, f"{HEAD}{EVERY}id = 'z'\n[schedule.y]\nid = 'z'\ntask = 't'\nevery = 60\n")
    assert found.settings is not None
    [entry], [problem] = read_entries(found.settings)
    assert (entry.name, entry.id) == ("x", "z")
    assert problem.path == ("schedule", "y", "id")
