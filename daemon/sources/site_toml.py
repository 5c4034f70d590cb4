"""Entries as the text of a site file, with what differs from their source as comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

import tomli_w

from daemon.public import escaped
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried

_WIDTH = 118


def site_text(head: Mapping[str, Any], remarks: Iterable[str], sourced: Sourced) -> str:
    """Write a whole site file.

    Args:
        head: tables that stand before the entries.
        remarks: sentences for its first lines.
        sourced: as ``only_writable`` leaves it.
    """
    parts = ["".join(_comment(one) for one in remarks), tomli_w.dumps(head)]
    parts += [_entry_text(entry) for entry in sourced.entries]
    if sourced.left:
        stay = "".join(_comment(f"{one.original}: {one.reason}") for one in sourced.left)
        parts.append(f"{_comment('What stays behind:')}{stay}")
    return "\n".join(part for part in parts if part)


def only_writable(sourced: Sourced) -> Sourced:
    """Leave behind what TOML cannot say."""
    entries, left = [], list(sourced.left)
    for one in sourced.entries:
        if (what := _unsayable(one.data)) is not None:
            reason = f"its arguments, options or headers hold {what}, which TOML cannot say"
            left.append(Uncarried(one.original, reason))
        else:
            entries.append(one)
    return Sourced(tuple(entries), tuple(left))


def _entry_text(entry: SourcedEntry) -> str:
    lines = list(entry.differences)
    if entry.last_run_at is not None:
        lines.insert(0, f"last run {entry.last_run_at:%Y-%m-%dT%H:%M:%SZ}")
    return "".join(map(_comment, lines)) + tomli_w.dumps({"schedule": {str(entry.name): dict(entry.data)}})


def _comment(sentence: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(escaped(sentence), _WIDTH, break_on_hyphens=False)) or "#\n"


def _unsayable(value: Any) -> str | None:
    """Name what TOML has no words for."""
    if isinstance(value, Mapping):
        return next((found for one in value.values() if (found := _unsayable(one)) is not None), None)
    if isinstance(value, (list, tuple)):
        return next((found for one in value if (found := _unsayable(one)) is not None), None)
    if value is None:
        return "null"
    return None if isinstance(value, (str, int, float, date, time)) else f"a {type(value).__name__}"
