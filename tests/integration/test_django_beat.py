"""django-celery-beat's own tables, edited by its own admin, followed and written back to: on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.errors import SourceDown
from daemon.public import Public
from daemon.source_events import SourceUp
from daemon.sources.django_beat import DjangoBeat
from daemon.sources.django_row import DjangoRow, Noted, django_entries
from daemon.sources.django_store import DjangoStore
from daemon.sources.sourced import SourcedEntry
from tests.support.django_project import DjangoProject, PostgresServer, needs_postgres, sqlite_project
from tests.support.mariadb import MariaServer, needs_mariadb

pytestmark = pytest.mark.anyio
LIMIT_S = 60.0

FILL = """
    utc = datetime.timezone.utc
    nightly = CrontabSchedule.objects.create(minute="0,30", hour="2", timezone="Europe/Berlin")
    often = IntervalSchedule.objects.create(every=5, period="minutes")
    dusk = SolarSchedule.objects.create(event="sunset", latitude="48.137", longitude="11.575")
    once = ClockedSchedule.objects.create(clocked_time=datetime.datetime(2027, 1, 1, 8, tzinfo=utc))
    PeriodicTask.objects.create(name="Nightly Report", task="wards.count", crontab=nightly, args='[1, "ä"]', queue="beds")
    PeriodicTask.objects.create(name="often", task="wards.count", interval=often, kwargs='{"full": true}',
                                start_time=datetime.datetime(2026, 1, 1, tzinfo=utc), expire_seconds=60, priority=3)
    PeriodicTask.objects.create(name="dusk", task="wards.count", solar=dusk,
                                expires=datetime.datetime(2028, 1, 1, tzinfo=utc), headers='{"a": 1}')
    PeriodicTask.objects.create(name="once", task="wards.count", clocked=once, one_off=True)
    PeriodicTask.objects.create(name="off", task="wards.count", interval=often, enabled=False)
    """


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgres", marks=needs_postgres),
        pytest.param("mariadb", marks=needs_mariadb),
    ],
)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoProject]:
    if request.param == "sqlite":
        with sqlite_project(tmp_path_factory.mktemp("django")) as found:
            yield found
    else:
        servers: dict[str, type[PostgresServer | MariaServer]] = {"postgres": PostgresServer, "mariadb": MariaServer}
        with servers[request.param]() as server, server.project() as found:
            yield found


@pytest.fixture
def filled(project: DjangoProject) -> DjangoProject:
    project.clear()
    project.run(FILL)
    return project


@asynccontextmanager
async def store_of(project: DjangoProject) -> AsyncIterator[DjangoStore]:
    store = DjangoStore(project.url)
    try:
        with anyio.fail_after(LIMIT_S):
            yield store
    finally:
        await store.close()


def by_name(rows: Sequence[DjangoRow]) -> dict[str, DjangoRow]:
    return {row.name: row for row in rows}


async def test_every_column_is_read_as_django_has_it(filled: DjangoProject) -> None:
    async with store_of(filled) as store:
        placed, left = django_entries(await store.rows())
    assert left == ()
    assert {entry.original: dict(entry.data) for _, entry in placed} == {
        "Nightly Report": {
            "task": "wards.count", "cron": "0,30 2 * * *", "dst": "celery", "timezone": "Europe/Berlin", "args": [1, "ä"],
            "options": {"queue": "beds", "headers": {"periodic_task_name": "Nightly Report"}},
        },
        "often": {
            "task": "wards.count", "every": "5m", "anchor": "start", "start": datetime(2026, 1, 1, tzinfo=UTC),
            "kwargs": {"full": True}, "options": {"priority": 3, "expires": "1m"},
        },
        "dusk": {
            "task": "wards.count", "solar": {"event": "sunset", "latitude": 48.137, "longitude": 11.575},
            "end": datetime(2027, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            "options": {"expires": datetime(2028, 1, 1, tzinfo=UTC), "headers": {"a": 1}},
        },
        "once": {"task": "wards.count", "at": datetime(2027, 1, 1, 8, tzinfo=UTC)},
        "off": {"task": "wards.count", "every": "5m", "anchor": "start", "enabled": False},
    }  # fmt: skip


async def test_marks_move_with_every_way_of_saving_and_not_with_what_is_written_back(filled: DjangoProject) -> None:
    async with store_of(filled) as store:
        marks = await store.marks()
        assert await store.marks() == marks
        for change in (
            "task = PeriodicTask.objects.get(name='often'); task.description = 'x'; task.save()",
            "one = IntervalSchedule.objects.get(); one.every = 7; one.save()",
            "PeriodicTask.objects.create(name='new', task='t', interval=IntervalSchedule.objects.get())",
            "PeriodicTask.objects.filter(name='new').delete()",
            "PeriodicTask.objects.bulk_create([PeriodicTask(name='b', task='t', interval=IntervalSchedule.objects.get())])",
        ):
            filled.run(change)
            after = await store.marks()
            assert after != marks, change
            marks = after
        row = by_name(await store.rows())["often"]
        await store.note([Noted(row.pk, datetime(2026, 11, 1, tzinfo=UTC), 2, is_once=False)])
        assert await store.marks() == marks


async def test_runs_are_added_up_as_django_shows_them(filled: DjangoProject) -> None:
    before = filled.row("often")
    at = datetime(2026, 11, 1, 1, 2, 3, 456_789, tzinfo=UTC)
    async with store_of(filled) as store:
        row = by_name(await store.rows())["often"]
        await store.note([Noted(row.pk, at, 2, is_once=False), Noted(10**6, at, 1, is_once=False)])
        await store.note([Noted(row.pk, at, 1, is_once=False)])
        assert by_name(await store.rows())["often"].meaning == row
    after = filled.row("often")
    assert (after["total_run_count"], after["last_run_at"]) == (3, str(at))
    changed = {key for key, value in after.items() if value != before[key]}
    assert changed == {"total_run_count", "last_run_at"}


async def test_what_ran_once_is_switched_off_and_can_be_switched_on_again(filled: DjangoProject) -> None:
    filled.run("PeriodicTask.objects.filter(name='often').update(one_off=True)")
    async with store_of(filled) as store:
        rows = by_name(await store.rows())
        at = datetime(2026, 11, 1, tzinfo=UTC)
        await store.note([Noted(rows["once"].pk, at, 1, is_once=True), Noted(rows["often"].pk, at, 1, is_once=True)])
        for name in ("once", "often"):
            assert not filled.row(name)["enabled"]
            assert filled.row(name)["total_run_count"] == 0
        filled.run("task = PeriodicTask.objects.get(name='often'); task.enabled = True; task.save()")
        placed, _ = django_entries(await store.rows())
        again = next(entry for _, entry in placed if entry.original == "often")
        assert again.enabled
        assert again.data["max_runs"] == 1
        assert again.data["start"] > datetime(2026, 11, 22, tzinfo=UTC)  # it was saved anew: its count begins anew


class Followed:
    """What a service hands over, by name."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.events: list[object] = []
        self._news = anyio.Event()

    def changed(self, changed: Sequence[SourcedEntry], gone: Sequence[Public]) -> None:
        self.entries.update({str(one.name): dict(one.data) for one in changed})
        for name in gone:
            del self.entries[str(name)]
        self._news.set()

    async def until(self, key: str, wanted: dict[str, Any] | None) -> None:
        """Wait until an entry holds what is wanted, or is gone."""
        while True:
            entry = self.entries.get(key)
            if entry is None if wanted is None else entry is not None and wanted.items() <= entry.items():
                return
            self._news = anyio.Event()
            await self._news.wait()


@asynccontextmanager
async def following(project: DjangoProject) -> AsyncIterator[tuple[Followed, DjangoBeat]]:
    followed = Followed()
    store = DjangoStore(project.url)
    beat = DjangoBeat(
        store, SystemClock(), followed.events.append, followed.changed, poll_s=0.05
    )  # fmt: skip
    await beat.open()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat.serve)
            yield followed, beat
            await beat.drain()


FORM = """
    from django.urls import reverse
    form = {"name": "By Hand", "task": "", "regtask": "", "enabled": "on", "description": "", "interval": "", "crontab": "",
            "solar": "", "clocked": "", "start_time_0": "", "start_time_1": "", "last_run_at_0": "", "last_run_at_1": "",
            "expires_0": "", "expires_1": "", "expire_seconds": "", "args": "[5]", "kwargs": "{}", "queue": "", "exchange": "",
            "routing_key": "", "priority": "", "headers": "{}"}
    form["task"] = "wards.count"
    form["interval"] = IntervalSchedule.objects.get().pk
    """


async def test_what_is_saved_in_the_admin_is_followed(filled: DjangoProject) -> None:
    async with following(filled) as (followed, _):
        await followed.until("often", {"every": "5m"})
        assert any(isinstance(event, SourceUp) for event in followed.events)
        status = filled.run(
            f"{FORM}\n    answer = client.post(reverse('admin:django_celery_beat_periodictask_add'), form).status_code"
        )
        assert status == 302
        await followed.until("by-hand", {"every": "5m", "args": [5], "enabled": True})
        status = filled.run(
            f"""{FORM}
    del form["enabled"]
    where = reverse("admin:django_celery_beat_periodictask_change", args=[PeriodicTask.objects.get(name="By Hand").pk])
    answer = client.post(where, form).status_code"""
        )
        assert status == 302
        await followed.until("by-hand", {"enabled": False})
        status = filled.run(
            """
            from django.urls import reverse
            where = reverse("admin:django_celery_beat_intervalschedule_change", args=[IntervalSchedule.objects.get().pk])
            inline = {f"periodictask_set-{key}_FORMS": "0" for key in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
            answer = client.post(where, {"every": "9", "period": "minutes", **inline}).status_code
            """
        )
        assert status == 302
        await followed.until("often", {"every": "9m"})
        filled.run(
            """
            from django.urls import reverse
            pk = PeriodicTask.objects.get(name="By Hand").pk
            client.post(reverse("admin:django_celery_beat_periodictask_delete", args=[pk]), {"post": "yes"})
            """
        )
        await followed.until("by-hand", None)


async def test_bulk_updates_and_raw_sql_are_followed(filled: DjangoProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.sources.django_beat.SCAN_S", 0.2)
    async with following(filled) as (followed, _):
        await followed.until("often", {"enabled": True})
        filled.run("PeriodicTask.objects.filter(name='often').update(enabled=False)")
        await followed.until("often", {"enabled": False})
        filled.run(
            "connection.cursor().execute(\"UPDATE django_celery_beat_periodictask SET task='x' WHERE name='dusk'\")"
        )
        await followed.until("dusk", {"task": "x"})


async def test_a_run_is_written_back_by_the_service(filled: DjangoProject) -> None:
    async with following(filled) as (followed, beat):
        await followed.until("often", {"every": "5m"})
        beat.ran(Public("often"))
    assert filled.row("often")["total_run_count"] == 1


async def test_a_database_without_the_tables_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite3"
    path.touch()
    store = DjangoStore(f"sqlite+aiosqlite:///{path}")
    with pytest.raises(SourceDown) as caught:
        await store.marks()
    assert "migrate django_celery_beat" in caught.value.hint
    await store.close()


async def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite3"
    store = DjangoStore(f"sqlite+aiosqlite:///{path}")
    with pytest.raises(SourceDown, match="no such file"):
        await store.rows()
    assert not path.exists()
    await store.close()


async def test_a_server_that_is_away_is_told_without_its_password() -> None:
    store = DjangoStore("postgresql+asyncpg://chief:secret@127.0.0.1:9/wards")
    with pytest.raises(SourceDown) as caught:
        await store.marks()
    assert "secret" not in f"{caught.value}{caught.value.hint}{store.address}"
    assert "127.0.0.1:9/wards" in str(caught.value)
    await store.close()


@pytest.mark.parametrize("url", ["nonsense", "postgresql+nodriver://h/d"])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SourceDown):
        DjangoStore(url)
