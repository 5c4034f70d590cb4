"""``carillon import``: what celery beat runs today, as a site file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import click
from pydantic_core import PydanticCustomError

from daemon.cli.options import usage_error
from daemon.dispatch import ask_application
from daemon.dispatch.beat_schedule import beat_entries
from daemon.errors import DaemonError
from daemon.plural import counted
from daemon.public import Public
from daemon.settings import Settings
from daemon.settings.values import parse_zone
from daemon.sources.django_row import django_sourced
from daemon.sources.fitting import only_fitting
from daemon.sources.opening import open_store
from daemon.sources.redbeat_entry import redbeat_entries
from daemon.sources.site_toml import only_writable, site_text
from daemon.sources.sourced import Sourced, site_name

EXIT_INCOMPLETE = 1
_EXAMPLES = (
    "\b\n"  # click keeps the lines of a paragraph that begins so
    "carillon import beat -A project --python venv/bin/python -o site.toml\n"
    "carillon import beat --django postgresql+asyncpg://carillon@db/project\n"
    "carillon import beat --redbeat redis://broker:6379/1 --timezone Europe/Berlin"
)


class AppUnreadable(DaemonError):
    """The application does not say what it is."""

    code = "app-unreadable"
    exit_code = 69


@click.group(name="import")
def import_group() -> None:
    """Bring over the schedules of other schedulers."""


@import_group.command(name="beat", epilog=_EXAMPLES)
@click.option("-A", "--app", metavar="APP", help="The application, as for celery -A: its beat_schedule.")
@click.option(
    "--python", metavar="PYTHON", type=click.Path(path_type=Path), help="With -A: its interpreter. [the daemon's own]"
)
@click.option("--django", metavar="URL", help="Database with django-celery-beat's tables.")
@click.option("--redbeat", metavar="URL", help="Redis with RedBeat's keys.")
@click.option("--prefix", metavar="TEXT", default="redbeat:", show_default=True, help="With --redbeat: of its keys.")
@click.option("--timezone", "zone", metavar="ZONE", help="Of the application, where the source does not tell. [UTC]")
@click.option("--name", metavar="NAME", help="Of the site. [from the application]")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to the terminal."
)
def import_beat(
    *,
    app: str | None,
    python: Path | None,
    django: str | None,
    redbeat: str | None,
    prefix: str,
    zone: str | None,
    name: str | None,
    output: Path | None,
) -> None:
    """Write what celery beat runs as a site file; comments say what differs.

    Exits with 1 if something stays behind: what could never fire where it is, or has no equal here. It is listed at the end
    of the file, each with the reason.
    """
    if [app, django, redbeat].count(None) != 2:  # noqa: PLR2004 - all but one
        raise click.UsageError("give one of -A APP, --django URL and --redbeat URL")
    if python is not None and app is None:
        raise click.UsageError("--python belongs to -A")
    if output is not None and output.exists():
        raise click.UsageError(f'-o "{output}" is there already')
    site = _site(name or app or ("django" if django else "redbeat"), zone)
    if app is not None:
        head, sourced = _from_app(site, app, python, has_zone=zone is not None)
        where = f"beat_schedule of {app}"
    elif django is not None:
        head, sourced = {"site": site}, _from_django(django)
        where = "the tables of django-celery-beat"
    else:
        assert redbeat is not None
        head, sourced = {"site": site}, _from_redbeat(redbeat, prefix, zone)
        where = "the keys of RedBeat"
    sourced = only_writable(only_fitting(sourced, Public(head["site"]["timezone"])))
    remarks = [f"From {where}."]
    if "celery" not in head:
        remarks.append("[celery] is yet to be written: broker_url, or app.")
    text = site_text(head, remarks, sourced)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
    _sum_up(sourced)


def _sum_up(sourced: Sourced) -> None:
    for one in sourced.left:
        click.echo(f"{one.original}: {one.reason}", err=True)
    different = sum(bool(entry.differences) for entry in sourced.entries)
    left = f"{len(sourced.left)} stay behind" if sourced.left else "nothing stays behind"
    click.echo(f"{counted(len(sourced.entries), 'entry', 'entries')}, {different} with remarks; {left}", err=True)
    if sourced.left:
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _site(name: str, zone: str | None) -> dict[str, Any]:
    try:
        known = parse_zone(zone or "UTC")
    except PydanticCustomError as error:
        raise usage_error("--timezone", error) from None
    return {"name": str(site_name(name.partition(":")[0], ())), "timezone": str(known), "state_dir": "state"}


def _from_app(site: dict[str, Any], app: str, python: Path | None, *, has_zone: bool) -> tuple[dict[str, Any], Sourced]:
    celery: dict[str, Any] = {
        "app": app,
        "app_python": str((python or Path(sys.executable)).absolute()),
        "app_dir": str(Path.cwd()),
    }
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        state = {"site": {**site, "state_dir": str(Path(folder) / "none")}, "celery": celery}
        asked = ask_application(Settings.model_validate(state), Path.cwd(), os.environ)
    if asked.facts is None:
        [problem] = asked.problems
        raise AppUnreadable(f"-A {app}: {problem.message}", hint=problem.hint)
    sourced = beat_entries(asked.facts)
    try:
        zone = str(parse_zone(asked.facts.timezone))
    except PydanticCustomError:
        zone = "UTC"
    head: dict[str, Any] = {
        "site": site if has_zone else {**site, "timezone": zone},
        "celery": {**celery, "beat_schedule": False},  # they stand in the file from now on
    }
    return {**head, **_declared(sourced, asked.facts.tasks)}, sourced


def _declared(sourced: Sourced, known: Mapping[str, Any]) -> dict[str, Any]:
    """Declare the tasks the application does not have; another may run them."""
    missing = sorted({str(entry.data["task"]) for entry in sourced.entries} - set(known))
    return {"task": {name: {} for name in missing}} if missing else {}


def _from_django(url: str) -> Sourced:
    async def read() -> Sourced:
        store = open_store(url)
        try:
            return django_sourced(await store.rows())
        finally:
            await store.close()

    return anyio.run(read)


def _from_redbeat(url: str, prefix: str, zone: str | None) -> Sourced:
    from daemon.sources.redbeat_keys import read_redbeat  # noqa: PLC0415 - only here

    return redbeat_entries(anyio.run(read_redbeat, url, prefix), zone)
