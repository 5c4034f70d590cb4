"""``carillon workers``: who takes the tasks, and telling them what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from daemon.cli.celery_side import INCOMPLETE, ask, confirm, json_option, timeout_option, yes_option
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s, site_option
from daemon.cli.output import ago, print_table
from daemon.cli.recording import deed
from daemon.cli.runtime_side import author_or_user
from daemon.deeds import DeedKind
from daemon.dispatch import Client, Told, WorkerRow, Workers, audience_of, list_workers, tell
from daemon.site import Site

F = TypeVar("F", bound=Callable[..., Any])

EXIT_NO = 1
_COLUMNS = ("NAME", "QUEUES", "SLOTS", "ACTIVE", "RESERVED", "SCHEDULED", "DONE", "CELERY", "UP")


@click.group()
def workers() -> None:
    """Who takes the tasks of a site, and telling them what to do.

    Without --worker or --match a command is for all workers of the broker.
    """


def _for_workers(function: F) -> F:
    """Add what every command to workers has."""
    for option in (
        json_option(),
        timeout_option(),
        click.option("--match", metavar="GLOB", help="Workers whose names match, such as 'w?@host-*'."),
        click.option("-d", "--worker", "names", metavar="NAME", multiple=True, help="This worker; may be repeated."),
        site_option(),
    ):
        function = option(function)
    return function


@workers.command("list")
@_for_workers
def list_command(*, site_file: Path, names: tuple[str, ...], match: str | None, timeout: str, as_json: bool) -> None:
    """List the workers that answer. Exits with 1 if none does."""
    found = _found(site_file, names, match, timeout)
    if as_json:
        click.echo(json_text({"complete": found.is_complete, "workers": [row.as_json() for row in found.rows]}))
    else:
        print_table(_COLUMNS, [_cells(row) for row in found.rows])
        if not found.is_complete:
            click.echo(INCOMPLETE, err=True)
    if not found.rows:
        click.echo("no worker answers; start one: celery -A APP worker -Q QUEUES", err=True)
        raise click.exceptions.Exit(EXIT_NO)


@workers.command()
@click.argument("name")
@site_option()
@timeout_option()
@json_option()
def show(*, site_file: Path, name: str, timeout: str, as_json: bool) -> None:
    """Show one worker and the tasks it knows. Exits with 1 if it does not answer."""
    found = _found(site_file, (name,), None, timeout)
    if not found.rows:
        if as_json:
            click.echo("null")
        click.echo(f"{name} does not answer", err=True)
        raise click.exceptions.Exit(EXIT_NO)
    row = found.rows[0].as_json()
    if as_json:
        click.echo(json_text(row))
        return
    print_table(("KEY", "VALUE"), [(key, _shown(value)) for key, value in row.items()])


@workers.command()
@_for_workers
def ping(*, site_file: Path, **options: Any) -> None:
    """Ask workers whether they are there. Exits with 1 if nobody answers, or one that was named does not."""
    _tell(site_file, "ping", {}, options)


@workers.command("pool-grow")
@click.argument("count", type=int, default=1)
@_for_workers
def pool_grow(*, site_file: Path, count: int, **options: Any) -> None:
    """Add COUNT processes to the pool."""
    _tell(site_file, "pool_grow", {"n": count}, options)


@workers.command("pool-shrink")
@click.argument("count", type=int, default=1)
@_for_workers
def pool_shrink(*, site_file: Path, count: int, **options: Any) -> None:
    """Take COUNT idle processes from the pool."""
    _tell(site_file, "pool_shrink", {"n": count}, options)


@workers.command("pool-restart")
@yes_option("Restart them")
@_for_workers
def pool_restart(*, site_file: Path, yes: bool, **options: Any) -> None:
    """Replace all processes of the pool; the worker needs worker_pool_restarts."""
    confirm(f"Replace the processes of {_whom(options)}?", yes=yes)
    _tell(site_file, "pool_restart", {}, options)


@workers.command()
@click.argument("most", type=int)
@click.argument("least", type=int, default=0)
@_for_workers
def autoscale(*, site_file: Path, most: int, least: int, **options: Any) -> None:
    """Scale between LEAST and MOST processes; the worker must have been started with --autoscale."""
    _tell(site_file, "autoscale", {"most": most, "least": least}, options)


@workers.command("add-consumer")
@click.argument("queue")
@_for_workers
def add_consumer(*, site_file: Path, queue: str, **options: Any) -> None:
    """Take tasks from QUEUE too."""
    _tell(site_file, "add_consumer", {"queue": queue}, options)


@workers.command("cancel-consumer")
@click.argument("queue")
@yes_option("Stop taking from it")
@_for_workers
def cancel_consumer(*, site_file: Path, queue: str, yes: bool, **options: Any) -> None:
    """Take no more tasks from QUEUE."""
    confirm(f"Have {_whom(options)} take nothing more from {queue}?", yes=yes)
    _tell(site_file, "cancel_consumer", {"queue": queue}, options)


@workers.command("rate-limit")
@click.argument("task")
@click.argument("rate", required=False)
@_for_workers
def rate_limit(*, site_file: Path, task: str, rate: str | None, **options: Any) -> None:
    """Start TASK no more often than RATE: 10/m, 5/s, or a number a second. Without RATE the limit is lifted."""
    _tell(site_file, "rate_limit", {"task": task, "limit": rate}, options)


@workers.command("time-limit")
@click.argument("task")
@click.option("--soft", metavar="S", help="After so long the task gets SoftTimeLimitExceeded.")
@click.option("--hard", metavar="S", help="After so long its process is ended.")
@_for_workers
def time_limit(*, site_file: Path, task: str, soft: str | None, hard: str | None, **options: Any) -> None:
    """Change the time limits of TASK; one that is left out is lifted."""
    limits = {
        "soft_s": None if soft is None else duration_s(soft, "--soft"),
        "hard_s": None if hard is None else duration_s(hard, "--hard"),
    }
    _tell(site_file, "time_limit", {"task": task, **limits}, options)


@workers.command("enable-events")
@_for_workers
def enable_events(*, site_file: Path, **options: Any) -> None:
    """Have task events sent, for Flower and its like."""
    _tell(site_file, "enable_events", {}, options)


@workers.command("disable-events")
@_for_workers
def disable_events(*, site_file: Path, **options: Any) -> None:
    """Have no task events sent any more."""
    _tell(site_file, "disable_events", {}, options)


@workers.command()
@yes_option("End them")
@_for_workers
def shutdown(*, site_file: Path, yes: bool, **options: Any) -> None:
    """Have workers finish what they run and end."""
    confirm(f"End {_whom(options)}?", yes=yes)
    _tell(site_file, "shutdown", {}, options)


def _found(site_file: Path, names: tuple[str, ...], match: str | None, timeout: str) -> Workers:
    timeout_s = duration_s(timeout, "--timeout")

    async def work(client: Client, _: Site) -> Workers:
        return await list_workers(client, audience_of(names, match), timeout_s=timeout_s)

    return ask(site_file, work)


def _tell(site_file: Path, method: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    timeout_s = duration_s(options["timeout"], "--timeout")

    async def work(client: Client, _: Site) -> Told:
        audience = audience_of(options["names"], options["match"])
        return await tell(client, method, arguments, audience, timeout_s=timeout_s)

    deeds = deed(DeedKind.WORKER_COMMANDED, _whom(options), author_or_user(None), after=method)
    told = ask(site_file, work, deed=None if method == "ping" else deeds)
    if method == "shutdown":
        if options["as_json"]:
            click.echo(json_text({"told": True}))
        click.echo("told; workers do not answer this", err=True)
        return
    if options["as_json"]:
        click.echo(json_text({"complete": told.is_complete, "ok": dict(told.by_node), "errors": dict(told.errors),
                                 "silent": told.silent}))  # fmt: skip
    else:
        answers = [(name, "ok", _said(value)) for name, value in sorted(told.by_node.items())]
        answers += [(name, "error", text) for name, text in sorted(told.errors.items())]
        answers += [(name, "silent", "") for name in told.silent]
        print_table(("NAME", "", "ANSWER"), answers)
        if not told.is_complete:
            click.echo(INCOMPLETE, err=True)
    if not told.is_done:
        if not (told.by_node or told.errors or told.silent):
            click.echo("no worker answers", err=True)
        raise click.exceptions.Exit(EXIT_NO)


def _whom(options: Mapping[str, Any]) -> str:
    if options["names"]:
        return ", ".join(options["names"])
    return f"workers matching {options['match']}" if options["match"] else "every worker of this broker"


def _said(value: Any) -> str:
    return str(value.get("ok", value)) if isinstance(value, dict) else _shown(value)


def _cells(row: WorkerRow) -> tuple[str, ...]:
    numbers = (row.slots, row.active, row.reserved, row.scheduled, row.done)
    up = "-" if row.uptime_s is None else ago(row.uptime_s)
    return (row.name, ",".join(row.queues), *map(_shown, numbers), row.celery or "-", up)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
