"""``[health]``: what else must be there for the site to be well."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from daemon.settings.section import Section
from daemon.settings.values import Label, wrong

URLS_LIMIT = 20
_DATABASES = ("postgres", "postgresql", "sqlite")
"""MySQL is not among them: it shuts out a host that connects again and again without signing in (``max_connect_errors``)."""

_SCHEME = re.compile(r"([a-z0-9]+)(\+[a-z0-9]+)?://.*", re.DOTALL)


class HealthSection(Section):
    """``[health]``: addresses that must answer, a database, and who must take tasks."""

    urls: tuple[str, ...] = Field(default=(), max_length=URLS_LIMIT)
    database: str = Field(default="", repr=False)
    require_workers: int = Field(default=0, ge=0, le=10_000)
    require_queues: tuple[Label, ...] = ()

    @field_validator("urls")
    @classmethod
    def _are_web(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
                raise wrong("not the address of a page", 'write "http://127.0.0.1:8000/health"')
            if parts.username or parts.password:
                raise wrong("an address to look at has no password in it", "give one that answers without")
        return value

    @field_validator("database")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        if value and not is_database(value):
            raise wrong("not the address of a database", 'write "postgresql://HOST/NAME" or "sqlite:///PATH"')
        return value


def is_database(url: str) -> bool:
    """Say whether it is an address of a kind that is known; a driver may be named in it."""
    found = _SCHEME.fullmatch(url)
    return found is not None and found[1] in _DATABASES
