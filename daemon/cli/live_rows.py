"""The rows of a live source, as the daemons lay them over the application and the site file, for one look of a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import click

from daemon.cli.options import load_or_exit
from daemon.clock import SystemClock
from daemon.public import escaped
from daemon.scheduler.layers import DJANGO
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.model import Entry
from daemon.site import Site
from daemon.source_events import SourceLost
from daemon.sources.django_beat import DjangoBeat
from daemon.sources.opening import open_store
from daemon.sources.overlay import Overlay


def load_with_rows(site_file: Path) -> Site:
    """Load a site, or end with everything that is wrong; then lay the rows over it."""
    site = load_or_exit(site_file)
    return site if site.settings.django_beat is None else anyio.run(with_rows, site)


async def with_rows(site: Site) -> Site:
    """Lay the rows of ``[django_beat]`` over what a site says; without an answer say so and go on without."""
    settings = site.settings
    if settings.django_beat is None:
        return site
    definitions = {str(one.name): one for one in site.definitions}

    entries = {str(one.name): one for one in site.entries}

    def define(found: Sequence[Definition], running: Sequence[Entry], _: Sequence[str]) -> None:
        for one in found:
            definitions[str(one.name)] = one
            entries.pop(str(one.name), None)
        entries.update((str(one.name), one) for one in running)

    store = open_store(settings.django_beat.url)
    overlay = Overlay(DJANGO, settings.site.timezone, site.definitions, define, _say)
    try:
        await DjangoBeat(store, SystemClock(), _say, overlay).open()
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()
    return replace(site, definitions=tuple(definitions.values()), entries=tuple(entries.values()))


def _say(event: object) -> None:
    if isinstance(event, SourceLost):
        click.echo(f"the rows of [django_beat] are missing here: {escaped(event.reason)}", err=True)
