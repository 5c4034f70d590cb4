"""Following django-celery-beat's tables, on a loop whose time is a number and with tables that are a list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from daemon import source_events as events
from daemon.clock import instant
from daemon.errors import SourceDown
from daemon.public import Public
from daemon.sources.django_beat import HANDED_OVER, NOTE_S, RETRY_MOST_S, SCAN_S, DjangoBeat
from daemon.sources.django_row import DjangoRow, Noted
from daemon.sources.sourced import SourcedEntry
from tests.support.clock import START_US, VirtualClock, run_virtual

POLL_S = 5.0
ROW = DjangoRow(1, "one", "t", interval=(5, "minutes"))


class Tables:
    """Stands where the database is. ``mark`` moves as Django's marker does; ``save`` moves it, ``rows_`` alone does not."""

    def __init__(self, *rows: DjangoRow) -> None:
        self.rows_ = list(rows)
        self.mark = 0
        self.is_down = False
        self.asked: list[str] = []
        self.noted: list[Noted] = []
        self.is_closed = False

    address = Public("sqlite test")

    def save(self, *rows: DjangoRow) -> None:
        self.rows_ = list(rows)
        self.mark += 1

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.is_down:
            message = "sqlite test: away"
            raise SourceDown(message)

    async def marks(self) -> tuple[Any, ...]:
        self._answer("marks")
        return (self.mark, len(self.rows_))

    async def rows(self) -> Sequence[DjangoRow]:
        self._answer("rows")
        return list(self.rows_)

    async def note(self, runs: Sequence[Noted]) -> None:
        self._answer("note")
        self.noted += runs

    async def close(self) -> None:
        self.is_closed = True


class World:
    def __init__(self, *rows: DjangoRow) -> None:
        self.tables = Tables(*rows)
        self.heard: list[tuple[dict[str, dict[str, Any]], list[str]]] = []
        self.events: list[Any] = []
        self.beat = DjangoBeat(self.tables, VirtualClock(), self.events.append, self._changed, poll_s=POLL_S)

    def _changed(self, changed: Sequence[SourcedEntry], gone: Sequence[Public]) -> None:
        self.heard.append(({str(one.name): dict(one.data) for one in changed}, [str(name) for name in gone]))

    def story(self) -> list[type]:
        return [type(event) for event in self.events]


def living(*rows: DjangoRow) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[], None]]:
    """Run a test in virtual time beside a service that follows ``rows``."""

    def decorate(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
        def run() -> None:
            async def main() -> None:
                world = World(*rows)
                async with anyio.create_task_group() as tasks:
                    await world.beat.open()
                    tasks.start_soon(world.beat.serve)
                    await anyio.sleep(1)
                    await test(world)
                    await world.beat.drain()
                assert world.tables.is_closed

            run_virtual(main)

        run.__name__ = test.__name__
        return run

    return decorate


@living(ROW, ROW._replace(pk=2, name="two", enabled=False))
async def test_all_rows_are_handed_over_at_the_start_disabled_ones_as_such(world: World) -> None:
    [(changed, gone)] = world.heard
    assert changed == {
        "one": {"id": "django-1", "task": "t", "every": "5m", "anchor": "start", "enabled": True},
        "two": {"id": "django-2", "task": "t", "every": "5m", "anchor": "start", "enabled": False},
    }
    assert gone == []
    assert world.story() == [events.SourceUp]


@living(ROW)
async def test_an_idle_hour_costs_one_light_question_a_poll_and_a_scan_now_and_then(world: World) -> None:
    world.tables.asked.clear()
    await anyio.sleep(3600)
    assert world.tables.asked.count("marks") == pytest.approx(3600 / POLL_S, abs=2)
    assert world.tables.asked.count("rows") == pytest.approx(3600 / SCAN_S, abs=20)
    assert len(world.heard) == 1


@living(ROW)
async def test_a_save_is_taken_over_with_the_next_poll_and_only_what_changed(world: World) -> None:
    world.tables.save(ROW, ROW._replace(pk=2, name="two"))
    await anyio.sleep(POLL_S)
    assert (list(world.heard[1][0]), world.heard[1][1]) == (["two"], [])
    world.tables.save(ROW._replace(pk=2, name="two"))
    await anyio.sleep(POLL_S)
    assert world.heard[2] == ({}, ["one"])


@living(ROW)
async def test_a_renamed_row_is_handed_over_under_its_new_name(world: World) -> None:
    world.tables.save(ROW._replace(name="other"))
    await anyio.sleep(POLL_S)
    assert (list(world.heard[1][0]), world.heard[1][1]) == (["other"], ["one"])
    world.beat.ran(Public("other"))
    await anyio.sleep(POLL_S + NOTE_S)
    assert [one.pk for one in world.tables.noted] == [1]


@living(*(DjangoRow(pk, f"e{pk}", "t", interval=(5, "minutes")) for pk in range(1, 121)))
async def test_many_rows_are_handed_over_some_at_a_time(world: World) -> None:
    assert [len(changed) for changed, _ in world.heard] == [HANDED_OVER, HANDED_OVER, 120 - 2 * HANDED_OVER]
    assert all(gone == [] for _, gone in world.heard)


@living(ROW)
async def test_a_bulk_update_that_leaves_no_mark_is_found_by_the_scan(world: World) -> None:
    world.tables.rows_ = [ROW._replace(args="[1]")]
    await anyio.sleep(SCAN_S + POLL_S)
    assert world.heard[1][0]["one"]["args"] == [1]


@living(ROW)
async def test_runs_are_written_back_together_and_change_nothing(world: World) -> None:
    for _ in range(3):
        world.beat.ran(Public("one"))
    world.beat.ran(Public("of the site file"))
    await anyio.sleep(2 * POLL_S)
    assert world.tables.noted == [Noted(1, instant(START_US + 1_000_000), 3, is_once=False)]
    world.tables.rows_ = [ROW._replace(last_run_at=datetime(2026, 11, 1, tzinfo=UTC), total_run_count=3)]
    await anyio.sleep(SCAN_S * 2)
    assert len(world.heard) == 1


@living(ROW._replace(one_off=True, date_changed=datetime(2026, 11, 1, tzinfo=UTC)))
async def test_a_one_off_is_written_back_as_such(world: World) -> None:
    world.beat.ran(Public("one"))
    await anyio.sleep(POLL_S + NOTE_S)
    assert [(one.pk, one.is_once) for one in world.tables.noted] == [(1, True)]


@living(ROW)
async def test_while_the_database_is_away_what_is_known_goes_on_and_it_is_said_once(world: World) -> None:
    world.tables.is_down = True
    world.beat.ran(Public("one"))
    before = len(world.tables.asked)
    await anyio.sleep(3600)
    assert len(world.tables.asked) - before < 3600 / RETRY_MOST_S + 20
    world.beat.ran(Public("one"))
    assert len(world.heard) == 1
    assert world.story() == [events.SourceUp, events.SourceLost]
    world.tables.is_down = False
    world.tables.save(ROW._replace(queue="q"))
    await anyio.sleep(RETRY_MOST_S + POLL_S)
    assert world.story() == [events.SourceUp, events.SourceLost, events.SourceUp]
    assert world.heard[1][0]["one"]["options"] == {"queue": "q"}
    assert [(one.pk, one.runs) for one in world.tables.noted] == [(1, 2)]


@living(
    ROW,
    ROW._replace(pk=2, name="bad", args="["),
    ROW._replace(pk=3, name="never", interval=None, crontab={"day_of_week": "7"}),
)
async def test_a_row_that_can_never_fire_is_reported_once_and_keeps_no_other_back(world: World) -> None:
    await anyio.sleep(SCAN_S * 3)
    told = [event for event in world.events if isinstance(event, events.EntryUncarried)]
    assert [str(event.entry) for event in told] == ["bad", "never"]
    assert world.heard[0][0].keys() == {"one"}
    world.tables.save(ROW, ROW._replace(pk=2, name="bad"))
    await anyio.sleep(POLL_S)
    assert world.heard[1][0].keys() == {"bad"}
    world.tables.save(ROW, ROW._replace(pk=2, name="bad", args="{"))
    await anyio.sleep(POLL_S)
    assert world.heard[2] == ({}, ["bad"])


def test_what_ran_is_written_back_before_the_end() -> None:
    async def main() -> None:
        world = World(ROW)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.beat.serve)
            await anyio.sleep(2 * POLL_S + 0.5)
            world.beat.ran(Public("one"))
            await world.beat.drain()
        assert [(one.pk, one.runs) for one in world.tables.noted] == [(1, 1)]

    run_virtual(main)


def test_it_can_be_opened_again_after_a_drain() -> None:
    async def main() -> None:
        world = World(ROW)
        for _ in range(2):
            await world.beat.open()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(world.beat.serve)
                await anyio.sleep(2 * POLL_S)
                await world.beat.drain()
        assert len(world.heard) == 1

    run_virtual(main)
