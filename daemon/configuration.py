"""The settings that count, flat, and where each comes from. Secrets and what tasks are given stay out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from daemon.desks.configuration import SettingRow
from daemon.settings.load import SECRETS, Places
from daemon.settings.problems import KeyPath, show_path
from daemon.site import Site

LEFT_OUT = frozenset(("schedule",))
"""Sections that have screens of their own."""

_WORDS = ("password", "secret", "token", "authorization", "ping", "webhook")
_CONTENTS = frozenset(("args", "kwargs", "headers", "arguments"))
_ADDRESSES = frozenset((("celery", "broker_url"), ("celery", "result_backend"), ("django_beat", "url")))


class Configuration:
    """The settings of a site; see ``daemon.desks.configuration.ConfigurationDesk``."""

    def __init__(self, site: Site) -> None:
        """Keep the site."""
        self._site = site

    def rows(self) -> Sequence[SettingRow]:
        """Give all settings, in the order of their keys."""
        return self._rows

    def sections(self) -> Sequence[str]:
        """Name the sections."""
        return sorted({row.key.partition(".")[0] for row in self._rows})

    @cached_property
    def _rows(self) -> list[SettingRow]:
        tree = self._site.settings.model_dump(mode="json", by_alias=True, exclude=set(LEFT_OUT))
        return [self._row(path, value) for path, value in sorted(_leaves(tree), key=lambda one: show_path(one[0]))]

    def _row(self, path: KeyPath, value: Any) -> SettingRow:
        source, place = origin(path, self._site.places)
        is_hidden = is_secret(path)
        if is_hidden:
            value = self._site.references.get(path) or (shown_address(value) if _pattern(path) in _ADDRESSES else None)
        elif _CONTENTS & set(path):
            value = None
        return SettingRow(show_path(path), value, source, place, is_hidden)


def origin(path: KeyPath, places: Places | None) -> tuple[str, str]:
    """Say where a setting comes from: the nearest place that names it, or nothing that does."""
    here = path
    while places is not None and here:
        variable = places.variables.get(here)
        if variable is not None:
            kind, _, name = variable.partition(" ")
            word = {"environment": "environment", ".env": "dotenv"}.get(kind, "application")
            return word, name if word != "application" else variable
        if here in places.lines:
            is_own = here == path or isinstance(here[-1], int)
            return ("file", f"{places.file}:{places.lines[here]}") if is_own else ("default", "")
        here = here[:-1]
    return "default", ""


def is_secret(path: KeyPath) -> bool:
    """Say whether the value of a setting is a secret."""
    last = str(path[-1]) if path else ""
    return _pattern(path) in SECRETS or any(word in last for word in _WORDS)


def _pattern(path: KeyPath) -> tuple[str, ...]:
    return tuple(str(part) for part in path)


def shown_address(value: Any) -> str | None:
    """Write an address without name, password and parameters; ``None`` if it is none."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or not host:
        return value if value == "embedded" else None
    where = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{where}{f':{port}' if port else ''}{parts.path}"


def _leaves(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(tree, list) and any(isinstance(one, (dict, list)) for one in tree):
        for number, value in enumerate(tree):
            yield from _leaves(value, (*path, number))
    elif path:
        yield path, tree
