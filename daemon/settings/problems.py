"""What is wrong with a site file, said so that it can be mended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from daemon.public import escaped

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names of tables and keys, numbers of list items from 0."""


KEYS_LISTED = 16
"""Keys named where an unknown one resembles none of them."""


class Severity(Enum):
    """How bad a problem is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: the key it concerns; empty for the file as a whole.
        message: what is wrong.
        hint: what to do, or what was probably meant.
        severity: a warning does not keep the daemon from starting.
    """

    path: KeyPath
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Located:
    """A problem and where it was written: ``site.toml:12``, ``environment NAME``, ``.env NAME``."""

    place: str
    problem: Problem

    def __str__(self) -> str:
        """Write ``place key: message; hint`` on one line, whatever the file held."""
        problem = self.problem
        key = f" {show_path(problem.path)}" if problem.path else ""
        hint = f"; {problem.hint}" if problem.hint else ""
        word = "warning: " if problem.severity is Severity.WARNING else ""
        return escaped(f"{self.place}{key}: {word}{problem.message}{hint}")


def show_path(path: KeyPath) -> str:
    """Write a key path as ``feed.adt.route[0].task``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
            text += f"{'.' if text else ''}{part if bare else json.dumps(part)}"
    return text


def known_keys(keys: Iterable[str]) -> str:
    """List the keys of a table, as a hint: in order of the alphabet, and no more than fit a line."""
    names = sorted(keys)
    more = len(names) - KEYS_LISTED
    listed = ", ".join(names[:KEYS_LISTED])
    return f"known here: {listed}" + (f" and {more} more" if more > 0 else "") if names else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, as a hint; empty if none is near."""
    return _suggestion(word, tuple(known))


@lru_cache(1024)  # a slip of a program is in thousands of entries
def _suggestion(word: str, names: tuple[str, ...]) -> str:
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        folded = {name.lower(): name for name in names}
        near = [folded[match] for match in get_close_matches(word.lower(), folded, n=1, cutoff=0.6)]
    return f'did you mean "{near[0]}"?' if near else ""
