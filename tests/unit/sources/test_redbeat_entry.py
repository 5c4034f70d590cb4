"""RedBeat's texts as entries of a site file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.public import Public
from daemon.sources.fitting import fitted
from daemon.sources.redbeat_entry import LOST_NTH, NO_ZONE, RedbeatHash, redbeat_entries
from daemon.sources.sourced import SourcedEntry

DEFINITION: dict[str, Any] = {
    "name": "count", "task": "wards.count", "args": None, "kwargs": None, "options": {}, "enabled": True,
    "schedule": {"__type__": "interval", "every": 30.0, "relative": False},
}  # fmt: skip
CRONTAB = {
    "__type__": "crontab",
    "minute": "0",
    "hour": [2, 3],
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
}


def read(definition: object, meta: str | None = None, zone: str | None = None) -> SourcedEntry:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    sourced = redbeat_entries([RedbeatHash("count", text, meta)], zone)
    assert sourced.left == ()
    [entry] = sourced.entries
    fitted(entry.name, entry.data, Public("UTC"))
    return entry


def test_an_interval_and_its_call_are_brought_over() -> None:
    entry = read({**DEFINITION, "args": [1], "kwargs": {"a": "b"}, "options": {"queue": "q", "expires": 5}})
    assert entry.data == {
        "task": "wards.count", "every": "30s", "anchor": "start", "args": [1], "kwargs": {"a": "b"},
        "options": {"queue": "q", "expires": "5s"},
    }  # fmt: skip


def test_a_crontab_has_no_zone_of_its_own_which_is_said() -> None:
    entry = read({**DEFINITION, "schedule": CRONTAB})
    assert entry.data["cron"] == "0 2,3 * * *"
    assert entry.data["timezone"] == "UTC"
    assert NO_ZONE in entry.differences
    told = read({**DEFINITION, "schedule": CRONTAB}, zone="Europe/Berlin")
    assert told.data["timezone"] == "Europe/Berlin"
    assert told.differences == ()


def test_a_weekday_of_the_month_is_said_to_be_lost() -> None:
    rule = {
        "__type__": "rrule", "freq": 1, "interval": 1, "dtstart": 1_767_600_000, "dtstart_tz": 60.0,
        "byweekday": [{"__type__": "weekday", "wkday": 0}], "until": None, "count": None, "wkst": None,
    }  # fmt: skip
    entry = read({**DEFINITION, "schedule": rule})
    assert entry.data["rrule"] == "FREQ=MONTHLY;BYDAY=MO"
    assert entry.data["start"] == datetime.fromtimestamp(1_767_600_000, UTC)
    assert entry.data["timezone"] == "Etc/GMT-1"
    assert LOST_NTH in entry.differences
    weekly = read({**DEFINITION, "schedule": {**rule, "freq": 2}})
    assert LOST_NTH not in weekly.differences


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", 3600])
def test_the_last_run_is_read(zone: str | int) -> None:
    at = {"__type__": "datetime", "year": 2026, "month": 1, "day": 2, "hour": 3, "minute": 4, "second": 5, "microsecond": 6,
          "timezone": zone}  # fmt: skip
    hour = 3 if zone == "UTC" else 2
    entry = read(DEFINITION, json.dumps({"last_run_at": at, "total_run_count": 3}))
    assert entry.last_run_at == datetime(2026, 1, 2, hour, 4, 5, 6, tzinfo=UTC)


def test_a_moment_among_the_arguments_is_one() -> None:
    at = {"__type__": "datetime", "year": 2026, "month": 1, "day": 2, "timezone": "UTC"}
    assert read({**DEFINITION, "args": [[at]]}).data["args"] == [[datetime(2026, 1, 2, tzinfo=UTC)]]


def test_what_is_paused_stays_paused() -> None:
    entry = read({**DEFINITION, "enabled": False})
    assert entry.data["enabled"] is False
    assert not entry.enabled


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (None, "no definition"),
        ("{", "not JSON"),
        ("[]", "no object"),
        ({**DEFINITION, "task": None}, "names no task"),
        ({**DEFINITION, "schedule": "daily"}, "no schedule"),
        ({**DEFINITION, "schedule": {"__type__": "moon"}}, '"moon"'),
        ({**DEFINITION, "schedule": {"__type__": "interval", "every": "x"}}, "no number"),
        ({**DEFINITION, "schedule": {**CRONTAB, "day_of_week": "7"}}, "Sunday is 0"),
    ],
)
def test_what_redbeat_never_fires_is_named_with_the_reason(definition: Any, said: str) -> None:
    text = definition if definition is None or isinstance(definition, str) else json.dumps(definition)
    sourced = redbeat_entries([RedbeatHash("bad", text, None), RedbeatHash("count", json.dumps(DEFINITION), None)])
    assert [entry.original for entry in sourced.entries] == ["count"]
    [left] = sourced.left
    assert left.original == "bad"
    assert said in left.reason


def test_nothing_shows_arguments() -> None:
    text = json.dumps({**DEFINITION, "args": ["secret"]})
    assert "secret" not in repr(RedbeatHash("count", text, None))
    assert "secret" not in repr(read({**DEFINITION, "args": ["secret"]}))
