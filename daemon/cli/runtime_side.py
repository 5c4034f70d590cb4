"""What the commands about entries share: reaching what is kept of a schedule at run time, and saying who did it."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from daemon.cli.celery_side import side_of
from daemon.cli.live_rows import with_rows
from daemon.cli.options import duration_s, load_or_exit
from daemon.cli.recording import keep
from daemon.clock import SECOND_US, instant
from daemon.deeds import Deed
from daemon.dispatch import RedisRuntimeStore, open_runtime_store
from daemon.plural import counted
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.ports import Edited
from daemon.site import Site, check_entry

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
EXIT_NO = 1


def author_option() -> Callable[[F], F]:
    """Add ``--author``."""
    return click.option("--author", metavar="WHO", help="Who does it. [the user of this machine]")


def reason_option(*, needed: bool = False) -> Callable[[F], F]:
    """Add ``--reason``."""
    return click.option("--reason", metavar="TEXT", required=needed, default=None if needed else "", help="Why.")


def for_option() -> Callable[[F], F]:
    """Add ``--for``."""
    return click.option("--for", "span", metavar="SPAN", help="Then it falls back by itself (2h, 3d).")


def author_or_user(author: str | None) -> str:
    """Give who does it: what was said, or the user of this machine."""
    if author is not None:
        return author
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def end_us(span: str | None, now_us: int) -> int | None:
    """Give when what lasts for ``span`` from now ends."""
    return None if span is None else now_us + round(duration_s(span, "--for") * SECOND_US)


def at_desk(
    site_file: Path, work: Callable[[ScheduleDesk, RedisRuntimeStore, Site], Awaitable[T]], *, deed: Deed | None = None
) -> T:
    """Load a site, open what is kept of its schedule, and do ``work``; what changes something is put on record first.

    Raises:
        DaemonError: the broker keeps none, does not answer, or what is asked for cannot be.
    """
    site = load_or_exit(site_file)
    if deed is not None:
        keep(site, deed, may_lack=True)
    return anyio.run(desk_of, site, work)


async def desk_of(site: Site, work: Callable[[ScheduleDesk, RedisRuntimeStore, Site], Awaitable[T]]) -> T:
    """Open what is kept of a site's schedule, and do ``work``; see ``at_desk``."""
    async with open_runtime_store(side_of(site), site.settings.site.name) as store:
        site = await with_rows(site)
        desk = ScheduleDesk(site.definitions, store, site.settings.site.timezone, check=partial(check_entry, site))
        return await work(desk, store, site)


def say_heard(edited: Edited) -> None:
    """Say how many daemons heard of a change."""
    if edited.heard:
        click.echo(f"heard by {counted(edited.heard, 'daemon')}", err=True)
    else:
        click.echo("no daemon is running: it counts when one does", err=True)


def field_and_value(text: str) -> tuple[str, Any]:
    """Read ``FIELD=VALUE``: the value is JSON, or else the text as it stands."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f'"{text}": write FIELD=VALUE, as in every=15m')
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def utc(at_us: int | None) -> str:
    """Write an instant, or a dash."""
    return "-" if at_us is None else instant(at_us).isoformat().replace("+00:00", "Z")
