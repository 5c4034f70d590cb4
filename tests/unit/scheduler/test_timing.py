"""The keys that say when an entry is due, and the instants they mean."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.clock import SECOND_US, instant, microseconds
from daemon.public import Public
from daemon.scheduler.catalog import make_entry
from daemon.scheduler.model import Entry, Expectation, Limit, Overlap, OverlapPolicy, Rate
from daemon.scheduler.timing import TimingInvalid
from daemon.scheduler.triggers import Crontab, FromStart, Interval, Relative
from daemon.settings.entry_section import EntrySection

PARIS = Public("Europe/Paris")
HOUR_US = 3600 * SECOND_US


def entry(toml: str, *, zone: Public = PARIS, name: str = "x") -> Entry:
    data: Mapping[str, Any] = tomllib.loads(toml)
    target = {} if {"task", "chain", "group", "chord"} & data.keys() else {"task": "t"}
    return make_entry(Public(name), EntrySection.model_validate({**target, **data}), zone)


def fires(toml: str, after: str, count: int, *, zone: Public = PARIS) -> list[str]:
    """Give the first occurrences after an instant as UTC text, to the minute."""
    trigger = entry(toml, zone=zone).trigger
    found: list[str] = []
    at_us: int | None = microseconds(datetime.fromisoformat(after).replace(tzinfo=UTC))
    while at_us is not None and len(found) < count:
        at_us = trigger.next_after(at_us)
        found.append("never" if at_us is None else f"{instant(at_us):%Y-%m-%d %H:%M}")
    return found


TIMINGS = {
    "an instant": ("at = 2026-05-01T08:00:00Z", "2026-01-01", ["2026-05-01 08:00", "never"]),
    "an instant on the local clock": ("at = 2026-05-01T08:00:00", "2026-01-01", ["2026-05-01 06:00", "never"]),
    "an instant of another zone": (
        'at = "2026-05-01T08:00:00"\ntimezone = "America/New_York"',
        "2026-01-01",
        ["2026-05-01 12:00", "never"],
    ),
    "an instant in the gap": ("at = 2026-03-29T02:30:00", "2026-01-01", ["2026-03-29 01:30", "never"]),
    "an instant that comes twice": ("at = 2026-10-25T02:30:00", "2026-01-01", ["2026-10-25 00:30", "never"]),
    "several instants": (
        'at = [2026-05-02T08:00:00Z, "2026-05-01T08:00:00+02:00"]',
        "2026-01-01",
        ["2026-05-01 06:00", "2026-05-02 08:00", "never"],
    ),
    "a rule of RFC 5545": (
        'rrule = "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9"',
        "2026-06-01",
        ["2026-06-01 07:00", "2026-07-06 07:00"],
    ),
    "a rule that begins at start": (
        'rrule = "FREQ=WEEKLY;INTERVAL=2"\nstart = 2026-06-03T09:00:00',
        "2026-01-01",
        ["2026-06-03 07:00", "2026-06-17 07:00"],
    ),
    "a rule with a start of its own": (
        'rrule = "DTSTART:20260603T090000\\nRRULE:FREQ=WEEKLY;INTERVAL=2"\nstart = 2026-06-10',
        "2026-01-01",
        ["2026-06-17 07:00", "2026-07-01 07:00"],
    ),
    "several rules": (
        'triggers = [{ every = "6h" }, { cron = "0 8 * * *" }, { cron = "0 8 * * *", timezone = "UTC" }]',
        "2026-06-01T01:00",
        ["2026-06-01 06:00", "2026-06-01 08:00", "2026-06-01 12:00"],
    ),
    "without holidays": (
        'cron = "0 8 * * *"\nexcept = { dates = [2026-05-01, "05-08"], weekdays = ["sat", "Sunday"] }',
        "2026-04-30T12:00",
        ["2026-05-04 06:00", "2026-05-05 06:00", "2026-05-06 06:00", "2026-05-07 06:00", "2026-05-11 06:00"],
    ),
    "without ranges": (
        (
            'cron = "0 8 * * *"\nexcept = { ranges = [{ from = 2026-05-02, to = 2026-05-03 }, '
            '{ from = 2026-05-04T00:00:00, to = "2026-05-05T08:00:00+02:00" }] }'
        ),
        "2026-04-30T12:00",
        ["2026-05-01 06:00", "2026-05-05 06:00", "2026-05-06 06:00"],
    ),
    "without nights": (
        'every = "4h"\nexcept = { cron = ["* 22-23 * * *", "* 0-6 * * *"] }',
        "2026-05-01T12:00",
        ["2026-05-01 16:00", "2026-05-02 08:00"],
    ),
    "from start to end": (
        'every = "12h"\nstart = 2026-05-01T12:00:00Z\nend = 2026-05-02T12:00:00Z',
        "2026-01-01",
        ["2026-05-01 12:00", "2026-05-02 00:00", "2026-05-02 12:00", "never"],
    ),
    "from a day to a day": (
        'every = "12h"\nstart = 2026-05-01\nend = "2026-05-01"',
        "2026-01-01",
        ["2026-05-01 00:00", "2026-05-01 12:00", "never"],
    ),
    "rounded": ('every = "6h"\nrelative = true', "2026-05-01T00:30", ["2026-05-01 06:00", "2026-05-01 12:00"]),
    "with Celery's crontab": ('cron = "30 2 * * *"\ndst = "celery"', "2026-03-28T12:00", ["2026-03-29 01:30"]),
    "with a policy of its own": (
        'cron = "30 2 * * *"\ndst = { gap = "skip", fold = "last" }',
        "2026-03-28T12:00",
        ["2026-03-30 00:30"],
    ),
}


@pytest.mark.parametrize(("toml", "after", "expected"), TIMINGS.values(), ids=TIMINGS)
def test_the_keys_mean_these_instants(toml: str, after: str, expected: list[str]) -> None:
    assert fires(toml, after, len(expected)) == expected


def test_an_event_of_the_sun_comes_every_day() -> None:
    found = fires('solar = { event = "solar_noon", latitude = 48.85, longitude = 2.35 }', "2026-05-01", 2)
    assert found == ["2026-05-01 11:47", "2026-05-02 11:47"]


@pytest.mark.parametrize(
    ("toml", "kind"),
    [
        ('every = "1h"', Interval),
        ('every = "1h"\nanchor = "epoch"', Interval),
        ('every = "1h"\nanchor = "start"', FromStart),
        ('every = "1h"\nrelative = true', Relative),
        ('cron = "0 8 * * *"\ndst = "celery"', Crontab),
    ],
)
def test_a_plain_rule_is_wrapped_in_nothing(toml: str, kind: type) -> None:
    assert type(entry(toml).trigger) is kind


def test_an_interval_from_the_start_counts_from_when_the_entry_began() -> None:
    trigger = entry('every = "1h"\nanchor = "start"').trigger.begun(17)
    assert trigger.next_after(17) == 17 + HOUR_US


def test_spread_moves_all_occurrences_alike_and_each_entry_otherwise() -> None:
    toml = 'cron = "0 * * * *"\nspread = "10m"'
    offsets = {}
    for name in ("a", "b", "c"):
        trigger = entry(toml, name=name).trigger
        first = trigger.next_after(0)
        assert first is not None
        assert trigger.next_after(first) == first + HOUR_US
        offsets[name] = first % HOUR_US
    assert len(set(offsets.values())) == 3
    assert max(offsets.values()) < 600 * SECOND_US


def test_an_id_keeps_the_offset_over_a_change_of_name() -> None:
    toml = 'id = "one"\ncron = "0 * * * *"\nspread = "10m"\njitter = "30s"'
    assert entry(toml, name="a").revision == entry(toml, name="b").revision
    assert entry(toml, name="a").id == "one"


def test_jitter_delays_each_occurrence_by_less_than_it_says() -> None:
    trigger = entry('every = "1h"\njitter = "30s"').trigger
    late = set()
    for hour in range(50):
        at_us = trigger.next_after(hour * HOUR_US - 1)
        assert at_us is not None
        late.add(at_us - hour * HOUR_US)
    assert len(late) == 50
    assert min(late) >= 0
    assert max(late) < 30 * SECOND_US


REFUSED = {
    "an interval too short": ('every = "50ms"', ("every",), "every 0.05 s is shorter than 0.1 s"),
    "a cron that cannot be read": ('cron = "61 * * * *"', ("cron",), "minute"),
    "a policy nobody knows": ('cron = "0 8 * * *"\ndst = "zelery"', ("dst",), '"zelery" is no policy'),
    "a crontab Celery would misread": ('cron = "0 8 * * mon#5"\ndst = "celery"', ("cron",), "mon#5"),
    "a rounded interval that is not whole": ('every = "90s"\nrelative = true', ("every",), "whole number of minutes"),
    "an event nobody knows": (
        'solar = { event = "noon", latitude = 1, longitude = 2 }',
        ("solar",),
        '"noon" is not an event of the sun',
    ),
    "the sun at the pole": (
        'solar = { event = "sunset", latitude = 90, longitude = 0 }',
        ("solar",),
        "it never fires",
    ),
    "a rule that cannot be read": ('rrule = "FREQ=SOMETIMES"', ("rrule",), "needs FREQ"),
    "a rule for a date that does not exist": (
        'rrule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"',
        ("rrule",),
        "it never fires",
    ),
    "one of several": (
        'triggers = [{ every = "1h" }, { cron = "0 25 * * *" }]',
        ("triggers", 1, "cron"),
        'hour "25" cannot be read',
    ),
    "the end before the start": (
        'every = "1h"\nstart = 2026-05-02\nend = 2026-05-01',
        ("end",),
        "ends before it starts",
    ),
    "nothing between start and end": (
        'cron = "0 8 * * *"\nstart = 2026-05-02T09:00:00\nend = 2026-05-03T07:00:00',
        ("end",),
        "it never fires from start to end",
    ),
    "nothing left": ('cron = "0 8 * * *"\nexcept = { cron = "* 6-9 * * *" }', ("except",), "nothing is left"),
    "an instant that is left out": (
        "at = 2026-05-01T08:00:00\nexcept = { dates = [2026-05-01] }",
        ("except",),
        "nothing is left",
    ),
    "a range the wrong way round": (
        'every = "1h"\nexcept = { ranges = [{ from = 2026-05-01, to = 2026-05-02 }, { from = 2026-06-02, to = 2026-06-01 }] }',
        ("except", "ranges", 1),
        "ends before it begins",
    ),
    "seconds in what is left out": (
        'every = "1h"\nexcept = { cron = "* * * * * 30" }',
        ("except", "cron"),
        "has seconds or years",
    ),
    "jitter of days": ('every = "30d"\njitter = "2d"', ("jitter",), "longer than a day"),
}


@pytest.mark.parametrize(("toml", "path", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_where_it_stands(toml: str, path: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(TimingInvalid) as caught:
        entry(toml)
    assert caught.value.path == path
    assert message in str(caught.value)
    assert caught.value.hint


def test_all_that_others_decide_by_is_taken_over() -> None:
    made = entry(
        """id = "nightly-one"
every = "1h"
start_deadline = "5m"
overlap = { policy = "queue-one", stale_after = "2h" }
limit = { concurrency = 3, rate = "10/m" }
expect = { start_within = "1m", finish_within = "1h", ping = "https://hc.example/abc" }
max_runs = 5
"""
    )
    assert (made.name, made.identity, made.zone) == ("x", "nightly-one", "Europe/Paris")
    assert (made.start_deadline_us, made.max_runs) == (300 * SECOND_US, 5)
    assert made.overlap == Overlap(OverlapPolicy.QUEUE_ONE, 2 * HOUR_US)
    assert made.limit == Limit(3, Rate(10, 60 * SECOND_US))
    assert made.expect == Expectation(60 * SECOND_US, HOUR_US, "https://hc.example/abc")


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        (
            'every = 60\nchain = [{ task = "a", args = [1] }, { task = "b", kwargs = { c = 2 }, immutable = true }]',
            {
                "kind": "chain",
                "tasks": [{"task": "a", "args": [1]}, {"task": "b", "kwargs": {"c": 2}, "immutable": True}],
            },
        ),
        (
            'every = 60\ngroup = [{ task = "a", options = { queue = "q", expires = "1h" } }, { task = "b" }]',
            {"kind": "group", "tasks": [{"task": "a", "options": {"queue": "q", "expires": 3600.0}}, {"task": "b"}]},
        ),
        (
            'every = 60\nchord = { header = [{ task = "a" }, { task = "a" }], body = { task = "c" } }',
            {"kind": "chord", "header": [{"task": "a"}, {"task": "a"}], "body": {"task": "c"}},
        ),
    ],
)
def test_a_canvas_is_kept_as_data(toml: str, expected: Mapping[str, Any]) -> None:
    made = entry(toml)
    assert made.canvas == expected
    assert made.task == expected["kind"]


def test_asking_fifty_times_for_the_next_instant_takes_no_time_to_speak_of() -> None:
    # Not a measurement: a search that starts over at each question would take minutes.
    made = entry(
        'triggers = [{ cron = "*/5 * * * *" }, { every = "1s" }]\njitter = "1h"\nspread = "1h"\n'
        'except = { cron = ["* * * 1-6 *", "* * 1-20 * *", "* 0-22 * * *"], dates = ["12-25"] }'
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found = {made.trigger.next_after(microseconds(at + timedelta(days=day))) for day in range(50)}
    assert len(found) == 1
