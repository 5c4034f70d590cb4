"""django-celery-beat's tables in their database: read, and written back to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlalchemy import Table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from daemon.errors import SourceDown
from daemon.public import Public
from daemon.sources.django_row import DjangoRow, Noted
from daemon.sources.django_tables import PAGE, SCHEDULES, marks, noting, page, spending, tasks, to_rows

ANSWER_LIMIT_S = 15.0
"""For one question; a database that is being migrated or backed up may keep us waiting."""

_NO_TABLE = ("no such table", "does not exist", "doesn't exist", "no such column", "unknown column")


class DjangoStore:
    """One connection to the database, made when it is first needed and made anew after it broke."""

    def __init__(self, url: str) -> None:
        """Prepare the connection; no I/O happens here.

        Raises:
            SourceDown: no driver for the address, or it cannot be read.
        """
        try:
            self._url: URL = make_url(url)
            self._engine: AsyncEngine = create_async_engine(
                self._url, pool_size=1, max_overflow=0, pool_recycle=1800, pool_pre_ping=True, hide_parameters=True
            )
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            missing = f" ({error.name} is not installed)" if isinstance(error, ImportError) else ""
            message = f"django_beat.url cannot be used{missing}"
            raise SourceDown(message, hint="install carillond[django-beat]") from None

    @property
    def address(self) -> Public:
        """Say where it is, without user and password."""
        host = self._url.host or ""
        port = f":{self._url.port}" if self._url.port else ""
        return Public(f"{self._url.get_backend_name()} {host}{port}{'/' if host else ''}{self._url.database or ''}")

    async def marks(self) -> tuple[Any, ...]:
        """Give what differs after every save of a row or a schedule.

        Raises:
            SourceDown: the database does not answer, or has no such tables.
        """
        async with self._connected() as connection:
            return tuple((await connection.execute(marks())).one())

    async def rows(self) -> Sequence[DjangoRow]:
        """Read everything.

        Raises:
            SourceDown: as ``marks``.
        """
        async with self._connected() as connection:
            schedules = {
                table.name: {row.id: row async for part in _pages(connection, table) for row in part}
                for table in SCHEDULES
            }
            return [row async for part in _pages(connection, tasks) for row in to_rows(part, schedules)]

    async def note(self, runs: Sequence[Noted]) -> None:
        """Write back what ran, all of it or nothing.

        Raises:
            SourceDown: as ``marks``; it may have been written all the same.
        """
        often = [{"pk": one.pk, "at": one.at, "runs": one.runs} for one in runs if not one.is_once]
        once = [{"pk": one.pk, "at": one.at} for one in runs if one.is_once]
        async with self._connected() as connection:
            if often:
                await connection.execute(noting(), often)
            if once:
                await connection.execute(spending(), once)

    async def close(self) -> None:
        """Let the connection go."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(1.0):
            await self._engine.dispose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """Hold the connection, in a transaction, for as long as an answer may take."""
        if self._url.get_backend_name() == "sqlite" and not await anyio.Path(self._url.database or "").is_file():
            message = f"{self.address}: there is no such file"  # SQLite would make an empty one
            raise SourceDown(message)
        try:
            with anyio.fail_after(ANSWER_LIMIT_S):
                async with self._engine.begin() as connection:
                    yield connection
        except TimeoutError:
            message = f"{self.address}: no answer within {ANSWER_LIMIT_S:g} s"
            raise SourceDown(message) from None
        except (SQLAlchemyError, OSError) as error:
            raise self._down(error) from None

    def _down(self, error: Exception) -> SourceDown:
        """Say what is wrong without the database's words: they quote statements and rows."""
        if isinstance(error, DBAPIError):
            if any(words in str(error.orig).lower() for words in _NO_TABLE):
                message = f"{self.address}: the tables of django-celery-beat are not there, or of an older version"
                return SourceDown(message, hint="python manage.py migrate django_celery_beat")
            return SourceDown(f"{self.address}: {type(error.orig).__name__}")
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return SourceDown(f"{self.address}: {why}")


async def _pages(connection: AsyncConnection, table: Table) -> AsyncIterator[Sequence[Any]]:
    after, count = -1, PAGE
    while count == PAGE:
        part = (await connection.execute(page(table, after))).all()
        yield part
        count = len(part)
        after = part[-1].id if part else after
