"""What the commands about tasks, workers and queues share: reaching the Celery side of a site."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from daemon.cli.options import load_or_exit
from daemon.cli.recording import keep
from daemon.deeds import Deed
from daemon.dispatch import CelerySide, Client, open_site_client
from daemon.embedded_broker import known_place
from daemon.site import Site

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

INCOMPLETE = "it is not known whether every worker has answered; --timeout waits longer"


def timeout_option(default: str = "1") -> Callable[[F], F]:
    """Add ``--timeout``."""
    return click.option(
        "--timeout", metavar="S", default=default, show_default=True, help="How long to wait for workers at most."
    )


def json_option() -> Callable[[F], F]:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document.")


def yes_option(what: str) -> Callable[[F], F]:
    """Add ``--yes``, without which a terminal is asked and a program is refused."""
    return click.option("--yes", is_flag=True, help=f"{what} without asking.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot simply be done again; without a terminal to ask, ``--yes`` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Without a terminal to ask, --yes is needed.")
    click.confirm(question, abort=True)


def ask(site_file: Path, work: Callable[[Client, Site], Awaitable[T]], *, deed: Deed | None = None) -> T:
    """Load a site, open a client for its Celery side, and do ``work``; what changes something is put on record first.

    Raises:
        DaemonError: the broker does not answer, or refuses.
    """
    site = load_or_exit(site_file)
    if deed is not None:
        keep(site, deed, may_lack=True)
    return anyio.run(_ask, site, work)


async def _ask(site: Site, work: Callable[[Client, Site], Awaitable[T]]) -> T:
    async with open_site_client(side_of(site)) as client:
        return await work(client, site)


def side_of(site: Site) -> CelerySide:
    """Give the Celery side with the address of the private broker filled in.

    Raises:
        EmbeddedBrokerFailed: none has run yet.
    """
    if not site.celery.is_embedded:
        return site.celery.beside(None)
    return site.celery.beside(known_place(site.settings.site.state_dir, site.settings.embedded_broker).own_url)
