"""``carillon check``: every problem of a site file at once."""

from __future__ import annotations

import os
from pathlib import Path

import click
import orjson

from daemon.cli.options import EXIT_CONFIG, site_option
from daemon.plural import counted
from daemon.settings.problems import show_path
from daemon.site import check_site


@click.command()
@site_option()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def check(site_file: Path, *, as_json: bool) -> None:
    """Say whether a site file can be run, and what is wrong with it.

    Each problem is a line "file:line key: what is wrong; what to do". Exits with 0, or 78 if there are errors;
    warnings alone do not count.
    """
    checked = check_site(site_file, os.environ)
    warnings = len(checked.problems) - checked.errors
    also = f", {counted(warnings, 'warning')}" if warnings else ""
    if as_json:
        problems = [
            {
                "place": one.place,
                "key": show_path(one.problem.path),
                "message": one.problem.message,
                "hint": one.problem.hint,
                "severity": one.problem.severity.value,
            }
            for one in checked.problems
        ]
        click.echo(orjson.dumps({"ok": checked.site is not None, "problems": problems}))
    else:
        for one in checked.problems:
            click.echo(str(one))
        if checked.site is not None:
            entries, feeds = (
                counted(len(checked.site.entries), "entry", "entries"),
                counted(len(checked.site.feeds), "feed"),
            )
            click.echo(f"{site_file}: ok, {entries}, {feeds}{also}")
        else:
            click.echo(f"{site_file}: {counted(checked.errors, 'error')}{also}", err=True)
    if checked.site is None:
        raise click.exceptions.Exit(EXIT_CONFIG)
