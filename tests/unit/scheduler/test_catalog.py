"""From the site file's ``[schedule.*]`` to entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.clock import SECOND_US
from daemon.scheduler.catalog import read_entries
from daemon.scheduler.model import CatchUp, CatchUpPolicy, Entry
from daemon.scheduler.triggers import Cron, Dst, Interval
from daemon.settings import Problem, Severity
from tests.support.site_files import HEAD, loaded


def _read(folder: Path, schedule: str, *, site: str = "") -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    found = loaded(folder, f"{HEAD}{site}\n{schedule}")
    assert found.settings is not None
    return read_entries(found.settings)


def _entry(folder: Path, lines: str, *, site: str = "") -> Entry:
    entries, problems = _read(folder, f'[schedule.x]\ntask = "t"\n{lines}\n', site=site)
    assert problems == ()
    [entry] = entries
    return entry


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('every = "15m"', Interval(900 * SECOND_US)),
        ("every = 0.1", Interval(100_000)),
        ('every = "1h30m"', Interval(5400 * SECOND_US)),
        ('every = "10m"\nanchor = 1970-01-01T00:03:00Z', Interval(600 * SECOND_US, 180 * SECOND_US)),
        ('every = "10m"\nanchor = 1970-01-01T01:03:00+01:00', Interval(600 * SECOND_US, 180 * SECOND_US)),
        ('every = "10m"\nanchor = 2026-01-01T00:13:00Z', Interval(600 * SECOND_US, 180 * SECOND_US)),
        ('every = "10m"\nanchor = 0001-01-01T00:03:00Z', Interval(600 * SECOND_US, 180 * SECOND_US)),
    ],
)
def test_every_becomes_an_interval_counted_from_its_anchor(tmp_path: Path, lines: str, expected: Interval) -> None:
    assert _entry(tmp_path, lines).trigger == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('cron = "0 2 * * *"', Cron("0 2 * * *", "Europe/Paris")),
        ('cron = "0 2 * * *"\ntimezone = "UTC"', Cron("0 2 * * *", "UTC")),
        ('cron = "0 2 * * *"\ndst = "instant"', Cron("0 2 * * *", "Europe/Paris", Dst.INSTANT)),
        ('cron = " @daily "', Cron("@daily", "Europe/Paris")),
    ],
)
def test_cron_is_read_in_the_zone_of_the_entry_or_of_the_site(tmp_path: Path, lines: str, expected: Cron) -> None:
    assert _entry(tmp_path, lines, site='timezone = "Europe/Paris"').trigger.describe() == expected.describe()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", CatchUp(CatchUpPolicy.ONE, None)),
        ('catch_up = "skip"', CatchUp(CatchUpPolicy.SKIP, None)),
        ('catch_up = { policy = "all", window = "6h" }', CatchUp(CatchUpPolicy.ALL, 21_600 * SECOND_US)),
        ('catch_up = { window = "1.5s" }', CatchUp(CatchUpPolicy.ONE, 1_500_000)),
    ],
)
def test_catching_up_is_a_policy_and_a_window(tmp_path: Path, lines: str, expected: CatchUp) -> None:
    assert _entry(tmp_path, f"every = 1\n{lines}").catch_up == expected


def test_all_that_a_message_needs_is_taken_over(tmp_path: Path) -> None:
    entry = _entry(
        tmp_path,
        """every = "1m"
args = [1, [2]]
kwargs = { three = { four = 4 } }
options = { queue = "q", priority = 3, expires = "1h", time_limit = 60, soft_time_limit = 50, headers = { a = "b" } }
""",
    )
    assert (entry.name, entry.task, entry.args, entry.kwargs) == ("x", "t", (1, [2]), {"three": {"four": 4}})
    assert (entry.queue, entry.priority, entry.expires_us) == ("q", 3, 3600 * SECOND_US)
    assert (entry.time_limit_s, entry.soft_time_limit_s, entry.headers) == (60.0, 50.0, {"a": "b"})


def test_arguments_are_left_out_of_the_representation(tmp_path: Path) -> None:
    entry = _entry(tmp_path, 'every = 1\nargs = ["ZZ1"]\nkwargs = { a = "ZZ2" }\noptions = { headers = { b = "ZZ3" } }')
    assert "ZZ" not in repr(entry)


def test_entries_keep_the_order_of_the_file_and_disabled_ones_are_left_out(tmp_path: Path) -> None:
    schedule = "".join(
        f'[schedule.{name}]\ntask = "t"\nevery = 1\nenabled = {enabled}\n'
        for name, enabled in (("c", "true"), ("a", "false"), ("b", "true"))
    )
    entries, problems = _read(tmp_path, schedule)
    assert [entry.name for entry in entries] == ["c", "b"]
    assert problems == ()


def test_an_entry_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    schedule = '[schedule.a]\ntask = "t"\ncron = "60 * * * *"\n[schedule.b]\ntask = "t"\nevery = 1\n'
    entries, [problem] = _read(tmp_path, schedule)
    assert [entry.name for entry in entries] == ["b"]
    assert problem.path == ("schedule", "a", "cron")
    assert problem.hint == "it takes 0-59; lists, ranges, steps"


@pytest.mark.parametrize(("soft", "hard", "warned"), [(5, 10, False), (10, 10, True), (11, 10, True)])
def test_a_soft_limit_not_below_the_hard_one_is_a_warning(
    tmp_path: Path, soft: int, hard: int, *, warned: bool
) -> None:
    schedule = f'[schedule.x]\ntask = "t"\nevery = 1\noptions = {{ soft_time_limit = {soft}, time_limit = {hard} }}\n'
    entries, problems = _read(tmp_path, schedule)
    assert len(entries) == 1
    assert [problem.severity for problem in problems] == ([Severity.WARNING] if warned else [])


def test_a_durations_microseconds_are_rounded_up(tmp_path: Path) -> None:
    assert _entry(tmp_path, "every = 1\noptions = { expires = 0.0000015 }").expires_us == 2
