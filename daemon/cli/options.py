"""What several commands share: finding the site file and saying what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic_core import PydanticCustomError

from daemon.clock import microseconds
from daemon.errors import SettingsInvalid
from daemon.settings.values import parse_duration_s
from daemon.site import Site, check_site

F = TypeVar("F", bound=Callable[..., Any])
EXIT_CONFIG = SettingsInvalid.exit_code
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


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


def duration_s(text: str, option: str) -> float:
    """Read an option's span of time: seconds as a number, or with units as in the site file."""
    try:
        return parse_duration_s(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except PydanticCustomError as error:
        raise usage_error(option, error) from None


def instant_us(text: str, option: str) -> int:
    """Read an option's instant (ISO 8601 with offset), in microseconds since the Unix epoch."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f'{option} "{text}" is not an instant; write 2026-10-25T00:00:00Z') from None
    if at.tzinfo is None:
        raise click.UsageError(f'{option} "{text}" has no offset; write {text}Z or {text}+01:00')
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise click.UsageError(f'{option} "{text}" is not within the years {_FIRST_YEAR} to {_LAST_YEAR}')
    return microseconds(at.astimezone(UTC))


def usage_error(option: str, error: PydanticCustomError) -> click.UsageError:
    """Say what is wrong with the value of an option, and what to write."""
    hint = (error.context or {}).get("hint")
    return click.UsageError(f"{option}: {error}" + (f"; {hint}" if hint else ""))
