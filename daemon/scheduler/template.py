"""Templates in the arguments of an entry: ``{{ occurrence }}`` and its like, filled in for each occurrence.

A fixed set of names and nothing else: no expressions, no filters. ``{{{{`` writes ``{{``. Keys of tables are not filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from daemon.clock import SECOND_US, instant
from daemon.settings import Problem
from daemon.settings.problems import KeyPath, did_you_mean, known_keys

DEPTH_LIMIT = 64
"""Lists and tables within each other; no message is made of what goes deeper."""

_MARK = re.compile(r"(?P<escape>\{\{\{\{)|\{\{(?P<name>.*?)\}\}|(?P<open>\{\{)", re.DOTALL)


class Context(NamedTuple):
    """What templates of one occurrence are filled in with.

    Attributes:
        zone: the entry's time zone, for what is local.
        previous_us: the occurrence before this one by the entry's trigger.
        last_success_us, last_run_us: the occurrences of the last run that succeeded, and that was enqueued.
    """

    site: str
    entry: str
    task_id: str
    occurrence_us: int
    zone: str = "UTC"
    previous_us: int | None = None
    last_success_us: int | None = None
    last_run_us: int | None = None


def _iso(at_us: int | None) -> str | None:
    return None if at_us is None else instant(at_us).isoformat()


_VALUES: Mapping[str, Callable[[Context], str | int | None]] = MappingProxyType(
    {
        "occurrence": lambda context: _iso(context.occurrence_us),
        "occurrence_local": lambda context: instant(context.occurrence_us).astimezone(_zone(context)).isoformat(),
        "occurrence_date": lambda context: instant(context.occurrence_us).astimezone(_zone(context)).date().isoformat(),
        "occurrence_unix": lambda context: context.occurrence_us // SECOND_US,
        "previous": lambda context: _iso(context.previous_us),
        "last_success": lambda context: _iso(context.last_success_us),
        "last_run": lambda context: _iso(context.last_run_us),
        "entry": lambda context: context.entry,
        "site": lambda context: context.site,
        "task_id": lambda context: context.task_id,
    }
)

NAMES = frozenset(_VALUES)
"""Every name there is."""


def _zone(context: Context) -> ZoneInfo:
    return ZoneInfo(context.zone)


def check(value: Any, path: KeyPath = ()) -> list[Problem]:
    """Find templates that could not be filled in, anywhere in ``value``, which stands at ``path``."""
    found = []
    for place, text in _texts(value, path):
        for mark in _MARK.finditer(text):
            if mark["open"]:
                found.append(
                    Problem(place, "a template has no end", "write {{ occurrence }}, or {{{{ for the mark itself")
                )
            elif mark["name"] is not None and mark["name"].strip() not in NAMES:
                name = mark["name"].strip()
                near = did_you_mean(name, NAMES) or known_keys(NAMES)
                found.append(Problem(place, f'"{name[:40]}" is not the name of a template', near))
    return found


def needs(value: Any) -> frozenset[str]:
    """Name what the templates in ``value`` are filled in with; empty if there is nothing to render.

    A text that only escapes a mark needs rendering too, and counts as ``entry``.
    """
    found = set()
    for _, text in _texts(value, ()):
        for mark in _MARK.finditer(text):
            found.add(mark["name"].strip() if mark["name"] is not None else "entry")
    return frozenset(found & NAMES)


def render(value: Any, context: Context) -> Any:
    """Fill in the templates in ``value``.

    A text that is one template and nothing else becomes what it stands for: a number for ``occurrence_unix``, nothing (null) where
    there is nothing yet. Within a text, nothing is written as nothing. What ``check`` refuses is left as it is.
    """
    if isinstance(value, str):
        return _filled(value, context) if "{{" in value else value
    if isinstance(value, Mapping):
        return {key: render(one, context) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [render(one, context) for one in value]
    return value


def _filled(text: str, context: Context) -> str | int | None:
    whole = _MARK.fullmatch(text)
    if whole is not None and whole["name"] is not None and (make := _VALUES.get(whole["name"].strip())) is not None:
        return make(context)

    def written(mark: re.Match[str]) -> str:
        if mark["escape"]:
            return "{{"
        make = _VALUES.get((mark["name"] or "").strip())
        if make is None:
            return mark[0]
        found = make(context)
        return "" if found is None else str(found)

    return _MARK.sub(written, text)


def _texts(value: Any, path: KeyPath, depth: int = 0) -> Iterator[tuple[KeyPath, str]]:
    """Give every text with a mark in it, and its place."""
    if isinstance(value, str):
        if "{{" in value:
            yield path, value
    elif depth >= DEPTH_LIMIT:
        return
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*path, str(key)), depth + 1)
    elif isinstance(value, (list, tuple)):
        for place, one in enumerate(value):
            yield from _texts(one, (*path, place), depth + 1)
