"""Looks at what must be there besides the daemon: pages that answer, a database that does. Nobody signs in anywhere."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp
import anyio
import anyio.to_thread

from daemon.clock import Clock
from daemon.health.findings import Probe
from daemon.public import Public, escaped
from daemon.settings.health_section import HealthSection, is_database

PROBE_LIMIT_S = 5.0
KEPT_S = 15.0
"""For so long an answer is good: nobody's back-end is asked more often, however many ask for our health."""

_POSTGRES_PORT = 5432
_SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""The first message of a client of PostgreSQL that would like TLS; a server answers it with one letter."""

_SQLITE_HEADER = b"SQLite format 3\0"
_REFUSED = 400


class Outside:
    """Pages and a database, looked at now and then."""

    def __init__(self, urls: Sequence[str], database: str, clock: Clock) -> None:
        """Look at nothing yet."""
        self._urls, self._database, self._clock = tuple(urls), database, clock
        self._turn = anyio.Lock()
        self._seen: tuple[Probe, ...] = ()
        self._seen_s: float | None = None

    async def look(self) -> tuple[Probe, ...]:
        """Say what is there, from the last look if it was just now."""
        async with self._turn:
            if self._seen_s is None or self._clock.monotonic_s() - self._seen_s >= KEPT_S:
                self._seen = await self._look()
                self._seen_s = self._clock.monotonic_s()
        return self._seen

    async def _look(self) -> tuple[Probe, ...]:
        found: dict[str, Probe] = {}

        async def page(url: str) -> None:
            found[url] = await self._page(url)

        async def database() -> None:
            found[""] = await self._ask_database()

        async with anyio.create_task_group() as tasks:
            if self._database:
                tasks.start_soon(database)
            for url in self._urls:
                tasks.start_soon(page, url)
        return tuple(found[key] for key in ("", *self._urls) if key in found)

    async def _page(self, url: str) -> Probe:
        name = Public(f"url {_without_query(url)}")
        began_s = self._clock.monotonic_s()
        try:
            limit = aiohttp.ClientTimeout(total=PROBE_LIMIT_S)
            async with aiohttp.ClientSession(timeout=limit) as session, session.get(url, max_redirects=3) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Probe(name, is_there=False, detail=Public(f"does not answer ({type(error).__name__})"))
        took_ms = (self._clock.monotonic_s() - began_s) * 1000
        return Probe(name, status < _REFUSED, Public(f"answers {status} in {took_ms:.0f} ms"))

    async def _ask_database(self) -> Probe:
        name = Public("database")
        try:
            with anyio.fail_after(PROBE_LIMIT_S):
                detail = await _database_answer(self._database)
        except (OSError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError, ValueError) as error:
            return Probe(name, is_there=False, detail=Public(f"does not answer ({type(error).__name__})"))
        return Probe(name, is_there=True, detail=detail)


def database_of(section: HealthSection, environment: Mapping[str, str]) -> str:
    """Give the address of the database: the site file's, or what the environment says as applications have it there."""
    said = section.database or environment.get("DATABASE_URL", "")
    return said if is_database(said) else ""


async def _database_answer(url: str) -> Public:
    """Have a server say anything that only one of its kind says.

    Raises:
        OSError, TimeoutError, EndOfStream: it does not.
    """
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] == "sqlite":
        return await anyio.to_thread.run_sync(_sqlite_answer, Path(unquote(parts.path[1:])))
    async with await anyio.connect_tcp(parts.hostname or "localhost", parts.port or _POSTGRES_PORT) as stream:
        await stream.send(_SSL_REQUEST)
        if await stream.receive(1) not in (b"S", b"N"):
            message = "not a PostgreSQL server"
            raise OSError(message)
    return Public("answers")


def _sqlite_answer(path: Path) -> Public:
    """Look at the file of ``sqlite:///relative`` or ``sqlite:////absolute``."""
    with path.open("rb") as file:
        header = file.read(len(_SQLITE_HEADER))
    if header and header != _SQLITE_HEADER:
        message = "not a database of SQLite"
        raise OSError(message)
    return Public("can be read")


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return escaped(f"{parts.scheme}://{parts.netloc}{parts.path}")
