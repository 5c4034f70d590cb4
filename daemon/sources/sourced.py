"""What every source of entries yields: a schedule's entry in the form of a site file, and what could not be brought over."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daemon.public import Public

NAME_LIMIT = 64
_FOREIGN = re.compile(r"[^a-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class SourcedEntry:
    """An entry as its source has it. What is sent is left out of the representation.

    Attributes:
        name: its key in a site file.
        original: what the source calls it.
        data: the keys of ``[schedule.NAME]``, without those that have their default.
        differences: what is not as it was, one sentence each.
        last_run_at: when the source fired it last; aware.
        enabled: as the source has it.
    """

    name: Public
    original: str
    data: Mapping[str, Any] = field(repr=False)
    differences: tuple[str, ...] = ()
    last_run_at: datetime | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Uncarried:
    """An entry that stays behind.

    Attributes:
        original: what the source calls it.
        reason: why, in one sentence.
    """

    original: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sourced:
    """All a source holds: what was brought over, and what stays behind."""

    entries: tuple[SourcedEntry, ...]
    left: tuple[Uncarried, ...] = ()


class Unfit(ValueError):
    """Something of an entry has no equal here, or never worked at its source."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


def site_name(original: str, taken: Container[str], *, mark: str = "") -> Public:
    """Give the name of a site-file entry for any text; ``mark`` tells it from one in ``taken``, else a number does."""
    bare = _FOREIGN.sub("-", original.lower()).strip("._-")[:NAME_LIMIT].strip("._-") or "entry"
    found, number = bare, 2
    while found in taken:
        end = f"-{mark}" if mark and found == bare else f"-{number}"
        found = f"{bare[: NAME_LIMIT - len(end)]}{end}"
        number += 1
    return Public(found)


def named(data: Mapping[str, Any], name: Public, original: str) -> dict[str, Any]:
    """Have messages carry the original name where the site file's differs: result back-ends store it."""
    if str(name) == original:
        return dict(data)
    options = dict(data.get("options", {}))
    options["headers"] = {"periodic_task_name": original, **options.get("headers", {})}
    return {**data, "options": options}
