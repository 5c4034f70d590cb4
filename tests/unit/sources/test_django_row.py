"""Rows of django-celery-beat as entries of a site file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.public import Public
from daemon.sources.django_row import DjangoRow, django_entries, django_sourced
from daemon.sources.fitting import fitted
from daemon.sources.sourced import SourcedEntry

ROW = DjangoRow(1, "nightly", "wards.count", interval=(5, "minutes"))
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def only(row: DjangoRow) -> SourcedEntry:
    [[placed], left] = django_entries([row])
    assert left == ()
    assert placed.pk == row.pk
    fitted(placed.entry.name, placed.entry.data, Public("UTC"))
    return placed.entry


def reason_of(row: DjangoRow) -> str:
    placed, [left] = django_entries([row])
    assert placed == ()
    assert left.original == row.name
    return left.reason


@pytest.mark.parametrize(
    ("more", "data"),
    [
        ({"interval": (5, "minutes")}, {"every": "5m", "anchor": "start"}),
        ({"interval": (2, "days")}, {"every": "2d", "anchor": "start"}),
        ({"interval": (200_000, "microseconds")}, {"every": "200ms", "anchor": "start"}),
        (
            {"crontab": {"minute": "0, 30", "hour": "2", "timezone": "Europe/Berlin"}},
            {"cron": "0,30 2 * * *", "dst": "celery", "timezone": "Europe/Berlin"},
        ),
        ({"solar": ("sunset", 48.1, 11.5)}, {"solar": {"event": "sunset", "latitude": 48.1, "longitude": 11.5}}),
        ({"clocked": datetime(2027, 1, 1), "one_off": True}, {"at": datetime(2027, 1, 1, tzinfo=UTC)}),  # noqa: DTZ001 - as SQLite has it
        ({"start_time": AT}, {"every": "5m", "anchor": "start", "start": AT}),
        ({"expires": AT}, {"every": "5m", "anchor": "start", "end": AT - timedelta(microseconds=1), "options": {"expires": AT}}),
        (
            {"one_off": True, "date_changed": AT, "start_time": AT - timedelta(days=1)},
            {"every": "5m", "anchor": "start", "max_runs": 1, "start": AT},
        ),
    ],
)  # fmt: skip
def test_each_kind_of_schedule_has_its_keys(more: dict[str, Any], data: dict[str, Any]) -> None:
    row = (
        ROW._replace(**{"interval": None, **more})
        if more.keys() & {"crontab", "solar", "clocked"}
        else ROW._replace(**more)
    )
    assert only(row).data == {"task": "wards.count", **data}


def test_a_row_carries_its_call() -> None:
    row = ROW._replace(
        args='["a", {"b": 1}]',
        kwargs='{"full": true}',
        queue="beds",
        priority=4,
        expire_seconds=90,
        headers='{"x": "y"}',
    )
    assert only(row).data == {
        "task": "wards.count", "every": "5m", "anchor": "start", "args": ["a", {"b": 1}], "kwargs": {"full": True},
        "options": {"queue": "beds", "priority": 4, "expires": "90s", "headers": {"x": "y"}},
    }  # fmt: skip


@pytest.mark.parametrize("text", [None, ""])
def test_an_empty_text_is_no_arguments(text: str | None) -> None:
    assert only(ROW._replace(args=text, kwargs=text, headers=text)).data.keys() == {"task", "every", "anchor"}


def test_an_expiry_of_no_seconds_is_none_as_in_django_celery_beat() -> None:
    assert "options" not in only(ROW._replace(expire_seconds=0)).data


def test_a_name_that_is_none_here_goes_along_in_the_header() -> None:
    entry = only(ROW._replace(name="Nightly Report (ICU)"))
    assert str(entry.name) == "nightly-report-icu"
    assert entry.original == "Nightly Report (ICU)"
    assert entry.data["options"]["headers"] == {"periodic_task_name": "Nightly Report (ICU)"}


def test_names_that_become_alike_are_told_apart_by_their_keys() -> None:
    rows = [ROW._replace(pk=7, name="A b"), ROW._replace(pk=3, name="a-b"), ROW._replace(pk=9, name="a_b")]
    placed, _ = django_entries(rows)
    assert [(pk, str(entry.name)) for pk, entry in placed] == [(3, "a-b"), (7, "a-b-7"), (9, "a_b")]


def test_what_is_switched_off_or_spent_is_brought_over_disabled() -> None:
    for row in (ROW._replace(enabled=False), ROW._replace(one_off=True, total_run_count=1)):
        entry = only(row)
        assert entry.data["enabled"] is False
        assert not entry.enabled
    assert only(ROW._replace(total_run_count=5)).enabled


def test_the_last_run_is_an_instant_with_a_zone() -> None:
    naive = AT.replace(tzinfo=None)
    assert only(ROW._replace(last_run_at=naive)).last_run_at == AT


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"args": "[1,"}, "its args are not JSON"),
        ({"kwargs": "[1]"}, "its kwargs are no object"),
        ({"args": "{}1"}, "its args are not JSON"),
        ({"headers": "5"}, "its headers are no object"),
        ({"task": ""}, "names no task"),
        ({"interval": None}, "it has no schedule"),
        ({"crontab": {"minute": "1"}}, "several schedules"),
        ({"interval": None, "broken": ("crontab",)}, "the crontab schedule it points at is not there"),
        ({"interval": (5, "weeks")}, '"weeks"'),
        ({"interval": (0, "seconds")}, "0 s"),
        ({"interval": None, "crontab": {"day_of_week": "7"}}, "Sunday is 0"),
    ],
)
def test_what_can_never_fire_is_named_with_the_reason(more: dict[str, Any], said: str) -> None:
    assert said in reason_of(ROW._replace(**more))


def test_one_bad_row_keeps_no_other_back_and_nothing_shows_arguments() -> None:
    rows = [ROW._replace(pk=2, name="b", args="[secret"), ROW._replace(args='["secret"]')]
    sourced = django_sourced(rows)
    assert [str(entry.name) for entry in sourced.entries] == ["nightly"]
    assert [one.original for one in sourced.left] == ["b"]
    assert "secret" not in f"{sourced!r}{rows!r}"


def test_a_run_does_not_change_what_a_row_means() -> None:
    assert ROW._replace(last_run_at=AT, total_run_count=9).meaning == ROW
    assert ROW._replace(args="[1]").meaning != ROW
