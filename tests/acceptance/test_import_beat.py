"""``carillon import beat``: what comes out is a sound site file, and fires when Celery would."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry

from daemon.clock import instant, microseconds
from daemon.scheduler.triggers import Trigger
from daemon.site import check_site
from tests.support.apps import write
from tests.support.celery_chain import Chain
from tests.support.command import carillon
from tests.support.django_project import sqlite_project
from tests.support.site_files import NOBODY
from tests.support.valkey import ValkeyServer

ZONE = "America/New_York"
MONTHS = (datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 10, 15, tzinfo=UTC))
"""Of each a month is compared; both hold a change of the clocks."""

CRONTABS = {
    "minutes": "*/20 * * * *",
    "nightly": "30 2 * * *",
    "twice": "30 1 * * *",
    "both-days": "0 6 1-7 * mon",
    "list": "0,7,8,9 8-18/3 * * 1-5",
    "wrap": "15 22-2 * * fri-mon",
    "month": "0 12 28-31 feb,mar,oct *",
}
PROJECT = f"""
    from datetime import datetime, timedelta

    from celery import Celery
    from celery.beat import BeatLazyFunc
    from celery.schedules import crontab, schedule

    app = Celery("wards", broker="redis://broker/0", backend="redis://broker/0")
    app.conf.timezone = "{ZONE}"


    @app.task(name="wards.count")
    def count(*args, **kwargs):
        pass


    def cron(text):
        minute, hour, day, month, weekday = text.split()
        return crontab(minute, hour, weekday, day, month)


    app.conf.beat_schedule = {{name: {{"task": "wards.count", "schedule": cron(text)}} for name, text in {CRONTABS!r}.items()}}
    app.conf.beat_schedule.update({{
        "Given As Sets": {{"task": "wards.count", "schedule": crontab(minute={{0, 30}}, hour=[5, 6, 7], day_of_week=range(1, 6)),
                           "args": [datetime(2026, 1, 2), {{"a": "{{{{x}}}}"}}], "options": {{"queue": "beds", "expires": 600}}}},
        "interval": {{"task": "wards.count", "schedule": 5400.0}},
        "relative": {{"task": "wards.count", "schedule": timedelta(hours=2), "relative": True}},
    }})
    """
LEFT = """
    app.conf.beat_schedule.update({
        "lazy": {"task": "wards.count", "schedule": 60, "kwargs": {"at": BeatLazyFunc(datetime.now)}},
        "own clock": {"task": "wards.count", "schedule": crontab(nowfun=datetime.now)},
        "null": {"task": "wards.count", "schedule": 60, "args": [None]},
        "foreign": {"task": "labs.count", "schedule": 60},
    })
    """


def imported(folder: Path, *options: str | Path) -> tuple[int, str, Path]:
    """Run the import from within ``folder``; give its exit code, what it said, and the file."""
    path = folder / "site.toml"
    ran = carillon("import", "beat", *options, "-o", path, folder=folder)
    return ran.returncode, ran.stderr, path


def fires(trigger: Trigger, start: datetime, days: int = 31) -> list[int]:
    """Give the fires of a month, in seconds."""
    at_us, end_us = microseconds(start), microseconds(start + timedelta(days=days))
    trigger = trigger.begun(at_us)
    found = []
    while (after := trigger.next_after(at_us)) is not None and after < end_us:
        at_us = after
        found.append(after // 1_000_000)
    return found


@pytest.mark.parametrize("start", MONTHS, ids=lambda at: f"{at:%B}")
def test_what_is_imported_from_an_application_fires_when_celery_would(tmp_path: Path, start: datetime) -> None:
    write(tmp_path, {"wards.py": PROJECT})
    code, said, path = imported(tmp_path, "-A", "wards")
    assert code == 0, said
    checked = check_site(path, NOBODY)
    assert [str(one) for one in checked.problems] == []
    assert checked.site is not None
    entries = {str(entry.name): entry for entry in checked.site.entries}
    begin_s, end_s = int(start.timestamp()), int((start + timedelta(days=31)).timestamp())
    for name, text in {**CRONTABS, "given-as-sets": "0,30 5-7 * * 1-5"}.items():
        theirs = Chain(text, ZONE).fires(begin_s, end_s, 10_000)
        assert fires(entries[name].trigger, start) == theirs, name
        assert theirs or name == "month"
    assert fires(entries["interval"].trigger, start)[:2] == [begin_s + 5400, begin_s + 10_800]
    assert fires(entries["relative"].trigger, start) == relative_fires(start)
    given = entries["given-as-sets"]
    assert given.args == (datetime(2026, 1, 2), {"a": "{{{{x}}"})  # noqa: DTZ001 - as it was given
    assert given.headers == {"periodic_task_name": "Given As Sets"}


def relative_fires(start: datetime) -> list[int]:
    """Ask Celery when ``timedelta(hours=2)`` with ``relative`` fires."""
    app: Any = Celery("oracle", broker="memory://", set_as_current=False)
    app.conf.timezone = ZONE
    now = start.astimezone(app.timezone)
    every: Any = schedule(timedelta(hours=2), relative=True, app=app, nowfun=lambda: now)
    found: list[int] = []
    while (left := every.remaining_estimate(now)) is not None and (
        now + left
    ).timestamp() < start.timestamp() + 31 * 86_400:
        now = (now.astimezone(UTC) + left).astimezone(app.timezone)
        found.append(round(now.timestamp()))
    return found


def test_what_stays_behind_is_named_with_the_reason_and_the_exit_code(tmp_path: Path) -> None:
    write(tmp_path, {"wards.py": PROJECT + LEFT})
    code, said, path = imported(tmp_path, "-A", "wards", "--name", "icu")
    assert code == 1
    for name, reason in (("lazy", "BeatLazyFunc"), ("own clock", "nowfun"), ("null", "null")):
        assert any(line.startswith(f"{name}: ") and reason in line for line in said.splitlines())
    text = path.read_text()
    assert "# What stays behind:" in text
    assert "# beat measures each interval from the run before" in text
    read = tomllib.loads(text)
    assert read["site"] == {"name": "icu", "state_dir": "state", "timezone": ZONE}
    assert read["celery"]["beat_schedule"] is False
    assert read["task"] == {"labs.count": {}}
    assert "lazy" not in read["schedule"]
    assert check_site(path, NOBODY).site is not None


@pytest.fixture(scope="module")
def django_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sqlite_project(tmp_path_factory.mktemp("django")) as project:
        project.run(
            """
            CrontabSchedule.objects.bulk_create([CrontabSchedule(minute="0", day_of_week=day, day_of_month=date, month_of_year=month)
                                                 for day, date, month in (("1", "*", "*"), ("7", "*", "*"), ("*", "31", "2"))])
            one, seven, never = CrontabSchedule.objects.order_by("pk")
            PeriodicTask.objects.create(name="Monday", task="wards.count", crontab=one)
            PeriodicTask.objects.create(name="sunday", task="wards.count", crontab=seven)
            PeriodicTask.objects.create(name="february", task="wards.count", crontab=never)
            PeriodicTask.objects.create(name="broken", task="wards.count", crontab=one, args="[1,")
            """
        )
        yield project.url


def test_rows_that_could_never_fire_are_listed_and_the_others_imported(tmp_path: Path, django_url: str) -> None:
    code, said, path = imported(tmp_path, "--django", django_url)
    assert code == 1
    for name, reason in (("sunday", "Sunday is 0"), ("february", "never fires"), ("broken", "not JSON")):
        assert any(line.startswith(f"{name}: ") and reason in line for line in said.splitlines()), (name, said)
    checked = check_site(path, NOBODY)
    assert checked.site is not None
    [entry] = checked.site.entries
    start = datetime(2026, 3, 1, tzinfo=UTC)
    end_s = int((start + timedelta(days=31)).timestamp())
    theirs = Chain("0 * * * 1", "UTC").fires(int(start.timestamp()), end_s, 10_000)
    assert fires(entry.trigger, start) == theirs


def test_redbeats_entries_are_imported(tmp_path: Path, valkey: ValkeyServer) -> None:
    app: Any = Celery("wards", broker=valkey.url, set_as_current=False)
    app.conf.redbeat_redis_url = valkey.url
    RedBeatSchedulerEntry("nightly", "wards.count", crontab(minute="0", hour="2", app=app), app=app).save()
    code, said, path = imported(tmp_path, "--redbeat", valkey.url, "--timezone", "Europe/Berlin")
    assert code == 0, said
    checked = check_site(path, NOBODY)
    assert checked.site is not None
    start = datetime(2026, 10, 24, tzinfo=UTC)
    assert [instant(at * 1_000_000).hour for at in fires(checked.site.entries[0].trigger, start, 3)] == [0, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give one of"),
        (("-A", "wards", "--django", "sqlite+aiosqlite:////x"), "give one of"),
        (("--django", "sqlite+aiosqlite:////x", "--python", "python"), "--python belongs to -A"),
        (("--redbeat", "redis://h", "--timezone", "Mars/North"), "Mars/North"),
    ],
)
def test_a_wrong_call_is_explained(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    code, told, path = imported(tmp_path, *options)
    assert code == 64
    assert said in told
    assert not path.exists()


def test_nothing_is_written_over_and_sources_that_are_away_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text("mine")
    code, said, _ = imported(tmp_path, "--redbeat", "redis://127.0.0.1:9/0")
    assert (code, path.read_text()) == (64, "mine")
    path.unlink()
    code, said, _ = imported(tmp_path, "--redbeat", "redis://127.0.0.1:9/0")
    assert (code, "RedBeat's Redis cannot be read" in said) == (69, True)
    code, said, _ = imported(tmp_path, "--django", "sqlite+aiosqlite:////nonexistent/x.sqlite3")
    assert (code, "there is no such file" in said) == (69, True)
    code, said, _ = imported(tmp_path, "-A", "nowhere")
    assert (code, "nowhere" in said) == (69, True)
    assert "Traceback" not in said.partition("|")[0]
