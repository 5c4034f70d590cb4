"""``carillon hl7 list`` and ``quarantine``: stored messages, without what is in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from daemon.cli.celery_side import json_option
from daemon.cli.json_text import json_text
from daemon.cli.message_lines import COLUMNS, found_as_json, found_line
from daemon.cli.message_selection import Filters, searching, selection_options, whoever
from daemon.cli.options import load_or_exit, site_option
from daemon.cli.output import print_table
from daemon.cli.recording import keep
from daemon.deeds import Deed, DeedKind
from daemon.hl7listener.spool.query import State
from daemon.public import Public, escaped
from daemon.site import Site

LIMIT_MOST = 10_000


@click.command(name="list")
@site_option()
@selection_options
@click.option("-n", "--limit", type=click.IntRange(1, LIMIT_MOST), default=50, show_default=True)
@click.option("--before", type=int, metavar="NUMBER", help="Only messages before this one: the next page.")
@json_option()
def list_messages(*, site_file: Path, filters: Filters, limit: int, before: int | None, as_json: bool) -> None:
    """List stored messages, the newest first: who sent what, how it was answered, what became of it.

    Nothing of a patient is shown. It reads the spool itself, so a daemon need not run. Exits with 1 if there is none.
    """
    _list(load_or_exit(site_file), filters, limit, before, as_json=as_json)


@click.command()
@site_option()
@selection_options
@click.option("-n", "--limit", type=click.IntRange(1, LIMIT_MOST), default=50, show_default=True)
@click.option("--before", type=int, metavar="NUMBER", help="Only messages before this one: the next page.")
@json_option()
def quarantine(*, site_file: Path, filters: Filters, limit: int, before: int | None, as_json: bool) -> None:
    """List the blocks that were refused and kept, with the reasons. `hl7 replay` judges them anew."""
    filters = Filters((), replace(filters.query, state=State.QUARANTINED))
    _list(load_or_exit(site_file), filters, limit, before, as_json=as_json)


def _list(site: Site, filters: Filters, limit: int, before: int | None, *, as_json: bool) -> None:
    if filters.names_a_patient:
        keep(site, Deed(DeedKind.MESSAGES_SEARCHED, whoever(None), Public("messages of one patient")))
    with searching(site) as search:
        page = search.find(filters.query, before_seq=before, limit=limit)
    if as_json:
        click.echo(json_text({"messages": [found_as_json(one) for one in page.found], "next": page.next_before}))
    elif page.found:
        print_table(COLUMNS, [found_line(one) for one in page.found])
        if page.next_before is not None:
            click.echo(f"more: --before {page.next_before}", err=True)
    if not page.found:
        if not as_json:
            known = [str(feed.name) for feed in site.feeds]
            feed = filters.query.feed
            unknown = (
                f"; the site has no feed {escaped(feed)}, only {', '.join(known)}" if feed not in ("", *known) else ""
            )
            click.echo(f"no message is like that{unknown}", err=True)
        raise click.exceptions.Exit(1)
