"""``carillon entries``: the schedule as it stands, and changing it while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from daemon.cli.entries_change import hold, pause, release, resume, revert, set_command
from daemon.cli.entries_runs import add, backfill, load, remove, trigger
from daemon.cli.history import history
from daemon.cli.json_text import json_text
from daemon.cli.options import site_option
from daemon.cli.output import print_table
from daemon.cli.runtime_side import EXIT_NO, at_desk, utc
from daemon.cli.why import why
from daemon.clock import instant
from daemon.dispatch import RedisRuntimeStore
from daemon.errors import HistoryFailed
from daemon.scheduler.history.present import is_spent
from daemon.scheduler.history.reader import HistoryReader
from daemon.scheduler.layers.desk import Known, ScheduleDesk
from daemon.scheduler.layers.hold_note import read_hold
from daemon.scheduler.model import parse_horizon
from daemon.scheduler.preview import preview
from daemon.settings.problems import Problem, show_path
from daemon.site import Site

FIRES_SHOWN = 5
_ARGUMENTS = ("args", "kwargs", "chain", "group", "chord")
_COLUMNS = ("ENTRY", "STATE", "NEXT", "LAST", "SOURCE", "NOTE")
_FIELDS = ("FIELD", "VALUE", "FROM", "AUTHOR", "AT", "UNTIL", "REASON")


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it stands; ``last`` and ``outcome`` are known where a daemon keeps its history."""

    entry: str
    state: str
    next: datetime | None
    last: datetime | None
    outcome: str
    source: str
    note: str


@click.group()
def entries() -> None:
    """The schedule as it stands, and changing it while it runs (Redis and Valkey)."""


@entries.command("list")
@site_option()
@click.option("--held", "only_held", is_flag=True, help="Only tasks held until their time.")
@click.option(
    "--state", "states", metavar="STATE", multiple=True, help="Only these (on, paused, disabled, wrong, over, stray)."
)
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="No more than so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_command(*, site_file: Path, only_held: bool, states: Sequence[str], limit: int, as_json: bool) -> None:
    """List the entries of the site and those that were added.

    STRAY is what was changed of an entry that is no more: it counts again if the entry comes back. Exits with 1 if an entry
    cannot be what it was set to.
    """

    async def work(desk: ScheduleDesk, store: RedisRuntimeStore, site: Site) -> tuple[list[Row], bool, str | None]:
        found: list[Known] = []
        async for one in desk.each(added_only=only_held):
            if (not only_held or _is_held(one)) and (not states or _state(one) in states):
                found.append(one)
            if len(found) > limit:
                break
        now_us = await desk.now_us()
        horizons = await store.horizons([one.id for one in found])
        rows = [_row(one, horizons.get(one.id), now_us) for one in found[:limit]]
        return _with_history(rows, found, site), len(found) > limit, await store.gates.held()

    rows, has_more, held = at_desk(site_file, work)
    if as_json:
        click.echo(json_text({"complete": not has_more, "held": held, "entries": rows}))
    else:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    if held is not None:
        click.echo(f"all schedules are held {read_hold(held)}", err=True)
    if has_more:
        click.echo(f"there are more; --limit shows them ({limit} were)", err=True)
    if any(row.state == "wrong" for row in rows):
        raise click.exceptions.Exit(EXIT_NO)


@entries.command()
@site_option()
@click.argument("name")
@click.option("--arguments", is_flag=True, help="With what its tasks are given; it may be patient data.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show(*, site_file: Path, name: str, arguments: bool, as_json: bool) -> None:
    """Show where each field of an entry comes from, and what fires next."""

    async def work(desk: ScheduleDesk, store: RedisRuntimeStore, _: Site) -> tuple[Known, str | None, int]:
        [known] = await desk.find_all([name])
        horizons = await store.horizons([known.id])
        return known, horizons.get(known.id), await desk.now_us()

    known, horizon, now_us = at_desk(site_file, work)
    assert known.composed is not None
    fields = [_field(one, known, arguments=arguments) for one in sorted(known.composed.provenance)]
    fires = _fires(known, horizon, now_us)
    if as_json:
        click.echo(json_text({"entry": known.id, "state": _state(known), "fields": fields, "next": fires}))
        return
    print_table(_FIELDS, [tuple(str(cell) for cell in field.values()) for field in fields])
    for problem in known.composed.problems:
        click.echo(f"disregarded: {_where(problem)}{problem.message}", err=True)
    if fires:
        click.echo()
        print_table(("NEXT", "LOCAL", "NOTE"), [tuple(fire.values()) for fire in fires])
    else:
        state = _state(known)
        click.echo(f"nothing fires: {'over' if state == 'on' else state}", err=True)


def _is_held(one: Known) -> bool:
    return one.added is not None and one.added.is_once


def _state(one: Known) -> str:
    if one.composed is None:
        return "stray"
    if one.composed.problems:
        return "wrong"
    if one.composed.entry is None:
        return "disabled"
    return "paused" if one.composed.entry.pause is not None else "on"


def _next_us(one: Known, horizon: str | None, now_us: int) -> int | None:
    entry = one.composed.entry if one.composed is not None else None
    if entry is None:
        return None
    known = parse_horizon(horizon) if horizon is not None else None
    if is_spent(entry, known):
        return None
    begins_us = known.since_us if known is not None else entry.begins_us or now_us
    return entry.trigger.begun(begins_us).next_after(min(begins_us, now_us) if entry.is_once else now_us)


def _row(one: Known, horizon: str | None, now_us: int) -> Row:
    state, at_us = _state(one), _next_us(one, horizon, now_us)
    if at_us is None and state == "on":
        state = "over"
    source = str(one.definition.source) if one.definition is not None else "-"
    next_at = None if at_us is None else instant(at_us)
    shown = one.id if one.definition is None or one.added is not None else str(one.definition.name)
    return Row(shown, state, next_at, None, "", source, _note(one))


def _note(one: Known) -> str:
    if one.composed is None:
        return "applies to nothing"
    if one.composed.problems:
        problem = one.composed.problems[0]
        return f"{_where(problem)}{problem.message}"
    entry = one.composed.entry
    if entry is not None and entry.pause is not None:
        until = "" if entry.pause.until_us is None else f" until {utc(entry.pause.until_us)}"
        return f"{entry.pause.author}{until}: {entry.pause.note}"
    if one.override is not None and one.override.fields:
        return f"changed: {', '.join(sorted(one.override.fields))}"
    return one.added.reason if one.added is not None else ""


def _where(problem: Problem) -> str:
    """Name the field a problem concerns, if it concerns one."""
    return f"{show_path(problem.path[2:])}: " if problem.path[2:] else ""


def _with_history(rows: list[Row], found: Sequence[Known], site: Site) -> list[Row]:
    try:
        with HistoryReader(site.settings.site.state_dir) as reader:
            last = reader.last(one.id for one in found[: len(rows)])
    except HistoryFailed:
        return rows
    return [
        row if (run := last.get(one.id)) is None
        else Row(row.entry, row.state, row.next, instant(run.occurrence_us), run.state.value, row.source, row.note)
        for row, one in zip(rows, found, strict=False)
    ]  # fmt: skip


def _cells(row: Row) -> tuple[str, ...]:
    last = "-" if row.last is None else f"{row.last:%Y-%m-%d %H:%M:%S}Z {row.outcome}"
    coming = "-" if row.next is None else f"{row.next:%Y-%m-%d %H:%M:%S}Z"
    return (row.entry, row.state, coming, last, row.source, row.note)


def _field(name: str, known: Known, *, arguments: bool) -> dict[str, Any]:
    assert known.composed is not None
    origin = known.composed.provenance[name]
    setting = origin.setting
    is_hidden = name in _ARGUMENTS and not arguments
    value = "(not shown; --arguments)" if is_hidden else json_text(setting.value)
    values = (
        name,
        value,
        origin.source,
        setting.author or "-",
        utc(setting.at_us),
        utc(setting.expires_us),
        setting.reason or "-",
    )
    return dict(zip(("field", "value", "from", "author", "at", "until", "reason"), values, strict=True))


def _fires(known: Known, horizon: str | None, now_us: int) -> list[dict[str, str]]:
    entry = known.composed.entry if known.composed is not None else None
    if entry is None:
        return []
    found = parse_horizon(horizon) if horizon is not None else None
    if is_spent(entry, found):
        return []
    trigger = entry.trigger.begun(found.since_us if found is not None else entry.begins_us or now_us)
    zone = entry.zone or "UTC"
    fires = islice(preview(trigger, zone, now_us), FIRES_SHOWN)
    return [
        {"at": utc(fire.at_us), "local": f"{fire.local:%a %Y-%m-%d %H:%M:%S %Z}", "note": fire.note} for fire in fires
    ]


for command in (set_command, revert, pause, resume, hold, release, trigger, backfill, add, remove, load, history, why):
    entries.add_command(command)
