"""Changes of a schedule at run time, kept in Redis beside the ledger; every change is one script, announced on a channel."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import anyio
import orjson

from daemon.clock import SECOND_US
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.client import as_daemon_error
from daemon.dispatch.run_gates import RunGates
from daemon.errors import SettingsInvalid
from daemon.keys import SiteKey, entries_ledger, site_key
from daemon.public import Public
from daemon.scheduler.errors import StoreRefused
from daemon.scheduler.layers.ports import (
    ANYTHING,
    EDITS_LIMIT,
    Anything,
    Edit,
    Edited,
    Later,
    Look,
    Seen,
    Table,
    Told,
)
from shim.client.carriers import redis_transport
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker
from shim.connector import Connector
from shim.errors import BrokerRefused, ShimError
from shim.link import Link, Reply
from shim.script import Script
from shim.subscription import Subscription

_EDIT = Script("daemon.dispatch", "runtime_edit.lua")
_POSTPONE = Script("daemon.dispatch", "runtime_postpone.lua")
_NUMBERS = {Table.OVERRIDES: 1, Table.ADDED: 2}
NO_STORE = "a schedule can be changed at run time on Redis and Valkey only"
NO_STORE_HINT = "change the site file and start the daemon again"
PAGE = 1000
"""Texts in one answer."""


class RedisRuntimeStore:
    """The two tables of a site on a Redis server."""

    def __init__(self, side: CelerySide, site: Public) -> None:
        """Prepare connections; no I/O happens here.

        Raises:
            BrokerUrlInvalid: an address that cannot be; ``check_addresses`` finds it.
        """
        broker, prefix = redis_broker(side.conf), redis_transport(side.conf).key_prefix
        self.address = Public(broker.shown)
        self._link = Link(broker, client_name="carillon-runtime")
        self._connector = Connector(broker, client_name="carillon-changes")
        self._keys = {what: prefix + site_key(site, what) for what in SiteKey}
        self._tables = {table: prefix + site_key(site, SiteKey(table.value)) for table in Table}
        self._horizons = prefix + entries_ledger(site)
        self.gates = RunGates(self._link, prefix=prefix, site=site)

    async def seen(self) -> Seen:
        """Count the changes there have been."""
        broker_us = await self._broker_us()
        count = await self._call("GET", self._keys[SiteKey.CHANGED])
        return Seen(int(count or 0), broker_us)

    async def read(self, table: Table, ids: Sequence[str]) -> dict[str, str]:
        """Read texts; absent ones are missing."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            texts = await self._call("HMGET", self._tables[table], *some)
            found |= {one: _text(text) for one, text in zip(some, texts, strict=True) if text is not None}
        return found

    async def pages(self, table: Table) -> AsyncIterator[Mapping[str, str]]:
        """Read a whole table, some hundred texts at a time."""
        cursor: bytes | str = "0"
        while True:
            cursor, flat = await self._call("HSCAN", self._tables[table], cursor, "COUNT", PAGE)
            yield {_text(name): _text(text) for name, text in zip(flat[::2], flat[1::2], strict=True)}
            if cursor == b"0":
                return

    async def edit(self, table: Table, edits: Sequence[Edit]) -> Edited:
        """Change texts, all in one step, and tell all daemons."""
        assert 0 < len(edits) <= EDITS_LIMIT
        keys = [*self._tables.values(), self._keys[SiteKey.LOOKS], self._horizons, self._keys[SiteKey.CHANGED]]
        arguments: list[str] = [self._keys[SiteKey.CHANGES], str(_NUMBERS[table])]
        for one in edits:
            put = "-" if one.text is None else f"={one.text}"
            arguments += (one.id, _expected(one.expect), put, str(one.look_us))
        with _as_broker_down():
            now, count, heard, *lost = await _EDIT.run(self._link, keys, arguments)
        return Edited(tuple(map(_text, lost)), count, heard, int(now))

    async def looks(self, within_us: int, most: int) -> tuple[list[Look], int]:
        """Give the added entries to be looked at by so long after the broker's now, earliest first, and the broker's now."""
        now_us = await self._broker_us()
        key, until = self._keys[SiteKey.LOOKS], str(now_us + within_us)
        flat = await self._call("ZRANGEBYSCORE", key, "-inf", until, "WITHSCORES", "LIMIT", 0, most)
        return [Look(_text(one), int(float(at))) for one, at in zip(flat[::2], flat[1::2], strict=True)], now_us

    async def looks_of(self, ids: Sequence[str]) -> list[Look]:
        """Give when to look at these; those that will never be due are missing."""
        found: list[Look] = []
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            scores = await self._call("ZMSCORE", self._keys[SiteKey.LOOKS], *some)
            found += (Look(one, int(float(at))) for one, at in zip(some, scores, strict=True) if at is not None)
        return found

    async def postpone(self, laters: Sequence[Later]) -> list[str]:
        """Note when to look next; give the ids of those that were changed meanwhile."""
        keys = [*self._tables.values(), self._keys[SiteKey.LOOKS]]
        changed: list[str] = []
        for start in range(0, len(laters), EDITS_LIMIT):
            arguments: list[str] = []
            for one in laters[start : start + EDITS_LIMIT]:
                following = "x" if one.is_spent else "-" if one.at_us is None else str(one.at_us)
                arguments += (one.id, str(one.seen_us), following)
            with _as_broker_down():
                changed += map(_text, await _POSTPONE.run(self._link, keys, arguments))
        return changed

    async def listen(self, told: Callable[[Told], None], joined: Callable[[], Awaitable[None]]) -> None:
        """Hand on announcements until cancelled; ``joined`` is called whenever some may have been missed.

        Raises:
            BrokerDown: this user may not listen.
        """

        def receive(_: str, payload: bytes) -> None:
            if (one := _announcement(payload)) is not None:
                told(one)

        subscription = Subscription(self._connector, receive, opened=joined)
        with _as_broker_down():
            refused: ShimError | None = None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(subscription.run)
                try:
                    await subscription.subscribe([self._keys[SiteKey.CHANGES]])
                    await anyio.sleep_forever()
                except ShimError as error:
                    refused = error
                tasks.cancel_scope.cancel()
            if refused is not None:
                raise refused

    async def horizons(self, ids: Sequence[str]) -> dict[str, str]:
        """Read what the broker remembers of entries, as the scheduler has written it."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            texts = await self._call("HMGET", self._horizons, *some)
            found |= {one: _text(text) for one, text in zip(some, texts, strict=True) if text is not None}
        return found

    async def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        await self._link.close()

    async def _broker_us(self) -> int:
        seconds, micros = await self._call("TIME")
        return int(seconds) * SECOND_US + int(micros)

    async def _call(self, *command: str | bytes | float) -> Reply:
        with _as_broker_down():
            return await self._link.call(*command)


def make_runtime_store(side: CelerySide, site: Public) -> RedisRuntimeStore | None:
    """Make the store of a site; ``None`` if its broker can keep none."""
    return RedisRuntimeStore(side, site) if broker_kind(broker_address(side.conf)) is BrokerKind.REDIS else None


@asynccontextmanager
async def open_runtime_store(side: CelerySide, site: Public) -> AsyncGenerator[RedisRuntimeStore]:
    """Open the store of a site for a command.

    Raises:
        SettingsInvalid: its broker can keep none.
    """
    store = make_runtime_store(side, site)
    if store is None:
        raise SettingsInvalid(NO_STORE, hint=NO_STORE_HINT)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


@contextmanager
def _as_broker_down() -> Iterator[None]:
    try:
        yield
    except BrokerRefused as error:
        raise StoreRefused(str(error), hint=error.hint) from None
    except ShimError as error:
        raise as_daemon_error(error) from None


def _expected(expect: str | Anything | None) -> str:
    if expect is ANYTHING:
        return "*"
    return "-" if expect is None else f"={expect}"


def _announcement(payload: bytes) -> Told | None:
    """Read an announcement; ``None`` if it is not one of ours: the count will tell that something changed."""
    try:
        count, table, ids = orjson.loads(payload)
        return Told(int(count), Table(table), tuple(map(str, ids)))
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return None


def _text(value: bytes) -> str:
    return value.decode(errors="replace")  # anyone may have written there
