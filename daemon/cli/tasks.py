"""``carillon tasks``: what runs, what became of it, and calling it off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from daemon.cli.celery_side import INCOMPLETE, ask, confirm, json_option, timeout_option, yes_option
from daemon.cli.held import among_held, cancel_held
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s, site_option
from daemon.cli.output import print_table
from daemon.cli.recording import deed
from daemon.cli.runtime_side import at_desk, author_or_user
from daemon.deeds import DeedKind
from daemon.dispatch import (
    Client,
    HeldTask,
    RedisRuntimeStore,
    TaskStanding,
    Told,
    audience_of,
    list_held,
    list_workers,
    standings,
    tell,
)
from daemon.public import escaped
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.model import How
from daemon.site import Site

EXIT_NO = 1
UNKNOWN = "UNKNOWN"
FAILED = ("FAILURE", "REVOKED", "UNREADABLE")
_COLUMNS = ("STATE", "TASK", "ID", "QUEUE", "WORKER", "SINCE / ETA")


@click.group()
def tasks() -> None:
    """What the workers of a site run, and what became of it."""


@tasks.command("list")
@site_option()
@click.option("--state", type=click.Choice(("active", "reserved", "scheduled")), help="Only these.")
@click.option("--name", metavar="TASK", help="Only tasks of this name.")
@click.option("-d", "--worker", "names", metavar="NAME", multiple=True, help="Of this worker; may be repeated.")
@timeout_option()
@json_option()
def list_command(
    *, site_file: Path, state: str | None, name: str | None, names: Sequence[str], timeout: str, as_json: bool
) -> None:
    """List the tasks that workers run, hold, or keep until their ETA."""
    timeout_s = duration_s(timeout, "--timeout")

    async def work(client: Client, _: Site) -> tuple[list[HeldTask], bool]:
        return await list_held(client, audience_of(names), timeout_s=timeout_s)

    held, is_complete = ask(site_file, work)
    held = [one for one in held if state in (None, one.state) and name in (None, one.name)]
    if as_json:
        click.echo(json_text({"complete": is_complete, "tasks": held}))
        return
    print_table(_COLUMNS, [_cells(one) for one in held])
    if not is_complete:
        click.echo(INCOMPLETE, err=True)


@tasks.command()
@site_option()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--results", is_flag=True, help="With what the tasks returned or raised; it may be patient data.")
@timeout_option()
@json_option()
def show(*, site_file: Path, task_ids: Sequence[str], results: bool, timeout: str, as_json: bool) -> None:
    """Show what is known of tasks: their stored result, or the worker that holds them; HELD if the schedule does.

    UNKNOWN: it waits in a queue, was never sent, or its result is forgotten. Exits with 1 if one of them has failed or is
    unknown.
    """
    timeout_s = duration_s(timeout, "--timeout")

    async def work(client: Client, site: Site) -> tuple[list[TaskStanding], bool]:
        found, is_complete = await standings(client, task_ids, timeout_s=timeout_s)
        held = await among_held(site, [one.task_id for one in found if one.state == UNKNOWN])
        return [replace(one, state="HELD") if one.task_id in held else one for one in found], is_complete

    found, is_complete = ask(site_file, work)
    if as_json:
        click.echo(json_text([one.as_json(results=results) for one in found]))
    else:
        columns = ("ID", "STATE", "WORKER", "DONE", "ERROR", *(("RESULT",) if results else ()))
        print_table(columns, [_standing(one, results=results) for one in found])
    if not is_complete:
        click.echo(INCOMPLETE, err=True)
    if any(one.state in (*FAILED, UNKNOWN) for one in found):
        raise click.exceptions.Exit(EXIT_NO)


@tasks.command()
@site_option()
@click.argument("task_ids", metavar="ID...", nargs=-1)
@click.option("--stamp", "stamps", metavar="NAME=VALUE", multiple=True, help="All tasks that bear this stamp instead.")
@click.option("--terminate", is_flag=True, help="End those that run already.")
@click.option("--signal", default="SIGTERM", show_default=True, help="What a running task is ended with.")
@yes_option("Do it")
@timeout_option()
@json_option()
def cancel(
    *,
    site_file: Path,
    task_ids: Sequence[str],
    stamps: Sequence[str],
    terminate: bool,
    signal: str,
    yes: bool,
    timeout: str,
    as_json: bool,
) -> None:
    """Have workers not run tasks, and take those that are held for later out of the schedule.

    Exits with 1 if one was not held and no worker answers.
    """
    if bool(task_ids) == bool(stamps):
        raise click.UsageError("give ids or stamps")
    if terminate:
        confirm("End what runs already, wherever it stands?", yes=yes)
    arguments: dict[str, Any]
    timeout_s = duration_s(timeout, "--timeout")
    if stamps:
        method, arguments = "revoke_by_stamped_headers", {"headers": dict(_pair(one) for one in stamps)}
    else:
        method, arguments = "revoke", {"task_ids": list(task_ids)}

    async def work(client: Client, site: Site) -> Told | None:
        if task_ids and not await _left_to_cancel(site, arguments):
            return None
        options = {**arguments, "terminate": terminate, "signal": signal}
        return await tell(client, method, options, audience_of(), timeout_s=timeout_s)

    about = ", ".join(task_ids or stamps)
    revoked = deed(DeedKind.TASK_REVOKED, about, author_or_user(None), after="terminated" if terminate else "revoked")
    told = ask(site_file, work, deed=revoked)
    if told is None:
        click.echo(json_text({"complete": True, "workers": [], "errors": {}}) if as_json else "", nl=as_json)
        return
    _report(told, "them" if stamps or len(task_ids) > 1 else "it", as_json=as_json)
    if not told.is_done:
        raise click.exceptions.Exit(EXIT_NO)


async def _left_to_cancel(site: Site, arguments: dict[str, Any]) -> bool:
    """Take tasks that are held out of the schedule; say whether others are left, of which workers must be told."""
    held = await cancel_held(site, arguments["task_ids"])
    for one in sorted(held):
        click.echo(f"{escaped(one)} was held and is taken out of the schedule", err=True)
    arguments["task_ids"] = [one for one in arguments["task_ids"] if one not in held]
    return bool(arguments["task_ids"])


def _report(told: Told, what: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(
            json_text({"complete": told.is_complete, "workers": sorted(told.by_node), "errors": dict(told.errors)})
        )
    else:
        for name in sorted(told.by_node):
            click.echo(f"{escaped(name)} will not run {what}")
        for name, text in sorted(told.errors.items()):
            click.echo(f"{escaped(name)}: {escaped(text)}", err=True)
    if not told.is_complete:
        click.echo(INCOMPLETE, err=True)
    if not told.by_node and not told.errors:
        click.echo("no worker answers; nobody keeps it for a worker that is started later", err=True)


@tasks.command("held")
@site_option()
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="No more than so many.")
@json_option()
def held_command(*, site_file: Path, limit: int, as_json: bool) -> None:
    """List the tasks that the schedule holds until their time."""

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        async for one in desk.each(added_only=True):
            if one.added is not None and one.added.how is How.HELD and len(found) < limit:
                found.append((one.added.task_id or "-", one.added.name, str(one.added.data.get("at", "-"))))
        return sorted(found, key=lambda row: row[2])

    rows = at_desk(site_file, work)
    if as_json:
        click.echo(json_text([dict(zip(("task_id", "task", "due"), row, strict=True)) for row in rows]))
    else:
        print_table(("ID", "TASK", "DUE"), rows)


@tasks.command()
@site_option()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@json_option()
def forget(*, site_file: Path, task_ids: Sequence[str], as_json: bool) -> None:
    """Remove the stored results of tasks."""

    async def work(client: Client, _: Site) -> None:
        await client.forget(task_ids)

    ask(site_file, work)
    if as_json:
        click.echo(json_text({"forgotten": task_ids}))


@tasks.command()
@site_option()
@timeout_option()
@json_option()
def names(*, site_file: Path, timeout: str, as_json: bool) -> None:
    """List the tasks that are known, and how many workers know each: from the application, the site file, and the workers."""
    timeout_s = duration_s(timeout, "--timeout")

    async def work(client: Client, site: Site) -> tuple[dict[str, int], bool]:
        found = dict.fromkeys(site.celery.tasks, 0)
        if not client.has_control:
            return dict(sorted(found.items())), True
        asked = await list_workers(client, timeout_s=timeout_s)
        for row in asked.rows:
            for name in row.tasks:
                found[name] = found.get(name, 0) + 1
        return dict(sorted(found.items())), asked.is_complete

    counts, is_complete = ask(site_file, work)
    if as_json:
        click.echo(json_text(counts))
    else:
        print_table(("TASK", "WORKERS"), [(name, str(count)) for name, count in counts.items()])
    if not is_complete:
        click.echo(INCOMPLETE, err=True)


def _cells(one: HeldTask) -> tuple[str, ...]:
    return (one.state, one.name, one.task_id, one.queue or "-", one.worker, _instant(one.started_at or one.eta_at))


def _standing(one: TaskStanding, *, results: bool) -> tuple[str, ...]:
    found = one.as_json(results=results)
    cells = (one.task_id, one.state, one.worker or "-", _instant(found.get("done_at")), found.get("error") or "-")
    return (*cells, json_text(found.get("result"))) if results else cells


def _instant(at: datetime | None) -> str:
    return "-" if at is None else at.isoformat(timespec="seconds")


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        message = f'--stamp "{text}": write NAME=VALUE'
        raise click.UsageError(message)
    return name, [value]
