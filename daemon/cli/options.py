"""What several commands share: finding the site file and saying what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from daemon.errors import SettingsInvalid
from daemon.site import Site, check_site

F = TypeVar("F", bound=Callable[..., Any])
EXIT_CONFIG = SettingsInvalid.exit_code


def site_option(*, required: bool = True) -> Callable[[F], F]:
    """Add ``-c SITE``; the variable ``CARILLON_SITE_FILE`` stands in for it."""
    return click.option(
        "-c",
        "--config",
        "site_file",
        metavar="SITE",
        envvar="CARILLON_SITE_FILE",
        required=required,
        type=click.Path(path_type=Path),
        help="The site file (TOML).",
    )


def load_or_exit(path: Path) -> Site:
    """Read a site file; with errors, print all of them and exit with 78."""
    checked = check_site(path, os.environ)
    if checked.site is None:
        for located in checked.problems:
            click.echo(str(located), err=True)
        raise click.exceptions.Exit(EXIT_CONFIG)
    return checked.site
