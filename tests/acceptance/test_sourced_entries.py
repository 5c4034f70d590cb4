"""A daemon whose entries come from the application and from django-celery-beat's tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.site import check_site
from tests.support.apps import write
from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.django_project import DjangoProject, sqlite_project
from tests.support.process import DaemonProcess
from tests.support.site_files import NOBODY
from tests.support.valkey import ValkeyServer

LIMIT_S = 60.0

PROJECT = """
    from datetime import datetime

    from celery import Celery
    from celery.beat import BeatLazyFunc
    from celery.schedules import crontab

    app = Celery("wards")
    app.conf.update(timezone="Europe/Berlin", result_expires=None)  # nothing for beat to clean up


    @app.task(name="wards.count")
    def count(*args, **kwargs):
        pass


    app.conf.beat_schedule = {
        "tick": {"task": "wards.count", "schedule": 1.0, "args": [5], "options": {"queue": "beds"}},
        "nightly": {"task": "wards.count", "schedule": crontab(hour=2, minute=0), "options": {"queue": "beds", "expires": 60}},
        "lazy": {"task": "wards.count", "schedule": 60, "kwargs": {"at": BeatLazyFunc(datetime.now)}},
        "never": {"task": "wards.count", "schedule": crontab(minute="0", hour="0", day_of_week="mon#5")},
    }
    """


def until(wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def app_site(tmp_path: Path, valkey: ValkeyServer) -> Path:
    write(tmp_path, {"wards.py": PROJECT})
    return write_site(tmp_path, site_text(broker_url=valkey.url, celery='app = "wards"'))


def more(site: Path, text: str) -> Path:
    site.write_text(site.read_text() + text)
    return site


def problems(site: Path) -> list[str]:
    return [str(one).replace(f"{site.parent}/", "") for one in check_site(site, NOBODY).problems]


def test_a_daemon_runs_the_schedule_of_the_application(app_site: Path, valkey: ValkeyServer) -> None:
    more(app_site, '[schedule.tick]\noptions.queue = "mine"\n')
    with DaemonProcess(app_site, "--log-level", "debug") as daemon:
        daemon.ready()
        daemon.wait_for("occurrence.enqueued", entry="tick")
    message = json.loads(valkey.client.lindex("mine", -1))
    assert message["headers"]["task"] == "wards.count"
    assert message["headers"]["argsrepr"] == "(5,)"


def test_what_stays_behind_of_it_is_a_warning_and_everything_else_runs(app_site: Path) -> None:
    checked = check_site(app_site, NOBODY)
    assert checked.site is not None
    assert {str(entry.name): entry.source for entry in checked.site.entries} == dict.fromkeys(
        ("tick", "nightly", "never"), "app"
    )
    [problem] = problems(app_site)
    assert 'celery.app: warning: the entry "lazy" of its beat_schedule stays behind' in problem
    more(app_site, '[schedule.lazy]\nevery = "1h"\ntask = "wards.count"\n')
    assert problems(app_site) == []


def test_the_site_file_overrides_fields_and_may_refuse_the_schedule_altogether(app_site: Path) -> None:
    more(app_site, '[schedule.nightly]\ncron = "30 3 * * *"\n[schedule.tick]\nenabled = false\n')
    checked = check_site(app_site, NOBODY)
    assert checked.site is not None
    nightly = next(entry for entry in checked.site.entries if entry.name == "nightly")
    assert "30 3" in nightly.trigger.describe()
    assert "Europe/Berlin" in nightly.trigger.describe()
    assert (nightly.queue, nightly.expires_us, nightly.source) == ("beds", 60_000_000, "site")
    assert "tick" not in {entry.name for entry in checked.site.entries}
    app_site.write_text(
        app_site.read_text()
        .partition("[schedule.nightly]")[0]
        .replace('app = "wards"', 'app = "wards"\nbeat_schedule = false')
    )
    checked = check_site(app_site, NOBODY)
    assert checked.site is not None
    assert checked.site.entries == ()
    assert problems(app_site) == []


def test_a_variable_overrides_a_field_of_the_application_by_its_name(app_site: Path) -> None:
    checked = check_site(app_site, {"CARILLON_SCHEDULE__NIGHTLY__OPTIONS__QUEUE": "other"})
    assert checked.site is not None
    assert next(entry.queue for entry in checked.site.entries if entry.name == "nightly") == "other"


def test_a_problem_names_where_an_entry_was_written(app_site: Path) -> None:
    write(
        app_site.parent,
        {"wards.py": PROJECT.replace('"task": "wards.count", "schedule": 1.0', '"task": "x", "schedule": 1.0')},
    )
    assert any(line.startswith("beat_schedule of wards schedule.tick.task:") for line in problems(app_site))
    more(app_site, "[schedule.nightly]\nretries = 3\n")
    assert any(line.startswith("site.toml:") and "retries: unknown key" in line for line in problems(app_site))


def test_the_schedule_is_for_an_application_only(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(celery="beat_schedule = false"))
    assert any("belong to app" in line for line in problems(site))


# -- django-celery-beat ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoProject]:
    with sqlite_project(tmp_path_factory.mktemp("django")) as found:
        yield found


@pytest.fixture
def django_site(tmp_path: Path, valkey: ValkeyServer, project: DjangoProject) -> Path:
    project.clear()
    project.run(
        """
        second = IntervalSchedule.objects.create(every=1, period="seconds")
        PeriodicTask.objects.create(name="Often Enough", task="wards.count", interval=second, queue="beds", args="[7]")
        PeriodicTask.objects.create(name="once", task="wards.count", interval=second, queue="single", one_off=True)
        PeriodicTask.objects.create(name="broken", task="wards.count", interval=second, args="[")
        """
    )
    extra = f'[django_beat]\nurl = "{project.url}"\npoll = "500ms"\n'
    return write_site(tmp_path, site_text(broker_url=valkey.url, more=extra))


def test_rows_of_django_celery_beat_run_and_are_written_back(
    django_site: Path, project: DjangoProject, valkey: ValkeyServer
) -> None:
    with DaemonProcess(django_site, "--log-level", "debug") as daemon:
        daemon.ready()
        daemon.wait_for("source.up", source="django-beat")
        daemon.wait_for("entry.uncarried", entry="broken")
        daemon.wait_for("occurrence.enqueued", entry="often-enough")
        until(lambda: project.row("Often Enough")["total_run_count"] >= 2)
        until(lambda: not project.row("once")["enabled"])
        project.run("PeriodicTask.objects.filter(name='Often Enough').delete()")
        row = "PeriodicTask.objects.create(name='late', task='wards.late', queue='late', interval=IntervalSchedule.objects.get())"
        project.run(row)
        daemon.wait_for("occurrence.enqueued", entry="late")
        assert daemon.terminate() == 0
        sent = sum(
            record.get("entry") == "late" for record in daemon.records if record["action"] == "occurrence.enqueued"
        )
    assert project.row("late")["total_run_count"] == sent
    assert valkey.client.llen("single") == 1
    message = json.loads(valkey.client.lindex("beds", -1))
    assert (message["headers"]["task"], message["headers"]["argsrepr"]) == ("wards.count", "(7,)")
    assert message["headers"]["periodic_task_name"] == "Often Enough"


def test_commands_see_the_rows_as_the_daemons_do(django_site: Path, project: DjangoProject) -> None:
    project.run(
        "PeriodicTask.objects.create(name='off', task='t', interval=IntervalSchedule.objects.get(), enabled=False)"
    )
    listed = carillon("entries", "list", "-c", django_site, "--json")
    states = {row["entry"]: (row["state"], row["source"]) for row in json.loads(listed.stdout)["entries"]}
    assert states == {"often-enough": ("on", "django"), "once": ("on", "django"), "off": ("disabled", "django")}
    assert carillon("entries", "pause", "-c", django_site, "off", "--note", "x").returncode == 0
    shown = carillon("next", "-c", django_site, "often-enough", "--count", "2")
    assert [line.split("\t")[0] for line in shown.stdout.splitlines()[1:]] == ["often-enough"] * 2
    path = Path(project.url.partition("///")[2])
    hidden = path.with_suffix(".hidden")
    path.rename(hidden)
    try:
        without = carillon("entries", "list", "-c", django_site)
    finally:
        hidden.rename(path)
    assert (without.returncode, "the rows of [django_beat] are missing here: " in without.stderr) == (0, True)


def test_a_database_that_is_away_is_reported_once_and_found_when_it_comes(
    django_site: Path, project: DjangoProject
) -> None:
    path = Path(project.url.partition("///")[2])
    hidden = path.with_suffix(".hidden")
    path.rename(hidden)
    try:
        with DaemonProcess(django_site, "--log-level", "debug") as daemon:
            daemon.ready()
            daemon.wait_for("source.lost", source="django-beat")
            hidden.rename(path)
            daemon.wait_for("source.up", source="django-beat")
            daemon.wait_for("occurrence.enqueued", entry="often-enough")
            assert sum(record["action"] == "source.lost" for record in daemon.records) == 1
            assert daemon.terminate() == 0
    finally:
        if hidden.exists():
            hidden.rename(path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://db/wards", "not the address of a database"),
        ("file:/nonexistent/url", "/nonexistent/url"),
        ("sqlite+aiosqlite:////x", ""),
    ],
)
def test_an_address_is_checked_as_far_as_it_can_be_without_asking(tmp_path: Path, url: str, said: str) -> None:
    site = write_site(tmp_path, site_text(more=f'[django_beat]\nurl = "{url}"\n'))
    done = carillon("check", "-c", site)
    assert (done.returncode, said in done.stdout) == (78 if said else 0, True)
