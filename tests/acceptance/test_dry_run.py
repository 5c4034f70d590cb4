"""``carillon next`` over a whole site: every occurrence of a day, and how much a month is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.process import ROOT

RESIDENCY = ROOT / "config" / "sites" / "residency.toml"
DECEMBER = ("--from", "2026-12-01T00:00:00Z", "--until", "2027-01-01T00:00:00Z")


def test_every_occurrence_of_a_day_is_listed_in_order() -> None:
    done = carillon(
        "next", "-c", RESIDENCY, "--from", "2026-12-01T00:00:00Z", "--until", "2026-12-02T00:00:00Z", "--json"
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["at"] for one in found] == sorted(one["at"] for one in found)
    assert sum(one["entry"] == "export-run-scheduled" for one in found) == 288
    assert [one["at"] for one in found if one["entry"] == "budget-monthly-rollup"] == ["2026-12-01T01:00:00Z"]
    assert found[0]["at"] == "2026-12-01T00:00:00Z"
    assert found[-1]["at"] < "2026-12-02"
    assert done.stderr == ""


def test_a_summary_says_how_much_each_entry_fires_and_when_most_is_due() -> None:
    done = carillon("next", "-c", RESIDENCY, *DECEMBER, "--summary")
    rows = {row[0]: row[1:] for row in (line.split("\t") for line in done.stdout.splitlines())}
    assert rows["ENTRY"] == ["COUNT", "FIRST", "LAST"]
    assert rows["export-run-scheduled"] == ["8,928", "2026-12-01T00:00:00Z", "2026-12-31T23:55:00Z"]
    assert rows["security-cleanup-rotation-history"] == ["1", "2026-12-01T02:00:00Z", "2026-12-01T02:00:00Z"]
    assert len(rows) == 22
    assert done.stderr == "23,761 in all; most in the minute of 2026-12-01T01:00:00Z: 7\n"


def test_a_summary_speaks_json() -> None:
    done = carillon("next", "-c", RESIDENCY, *DECEMBER, "--summary", "--json")
    *entries, total = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(entries) == 21
    assert sum(one["count"] for one in entries) == total["total"]
    assert total == {
        "total": 23_761, "busiest_minute": "2026-12-01T01:00:00Z", "busiest_count": 7, "complete": True,
    }  # fmt: skip


def test_a_list_that_is_cut_says_so(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule='[schedule.often]\ntask = "t"\nevery = "1s"\n'))
    done = carillon("next", "-c", site, *DECEMBER)
    assert len(done.stdout.splitlines()) == 10_001
    assert done.stderr == "cut after 10,000 occurrences; --summary counts them all\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--summary",), "--summary counts everything before an instant"),
        ((*DECEMBER, "--summary", "--count", "3"), "takes no --count"),
        (("--from", "2026-12-01T00:00:00Z", "--until", "2026-12-01T00:00:00Z"), "is not after the beginning"),
    ],
)
def test_what_makes_no_sense_together_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = carillon("next", "-c", RESIDENCY, *arguments)
    assert done.returncode == 64
    assert message in done.stderr
