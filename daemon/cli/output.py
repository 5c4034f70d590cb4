"""What commands print: a table for a terminal, complete tab-separated lines for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from daemon.public import escaped


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
    """Print rows under their headings; identifiers are never cut, and what could steer a terminal or end a line is escaped."""
    rows = [[escaped(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(row))
        return
    widths = [max(len(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
    for number, row in enumerate((columns, *rows)):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(indent + (click.style(line, dim=True) if number == 0 else line))


def ago(seconds: float) -> str:
    """Write a span of time in two units: ``4 m 12 s``, ``11 h 40 m``, ``3 d 2 h``."""
    left = max(round(seconds), 0)
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (left, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2])
