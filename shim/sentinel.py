"""Asks the sentinels of an address where the master is."""

from __future__ import annotations

from typing import Any

import anyio
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import RedisError

from shim.broker_url import BrokerUrl
from shim.errors import BrokerUnavailable
from shim.exchange import guarded
from shim.master_choice import Sighting, choose, read_sighting

HINT = (
    "are the sentinels running, do they watch a master of this name, and may the user of sentinel_kwargs run "
    "SENTINEL GET-MASTER-ADDR-BY-NAME and SENTINEL MASTER?"
)


GRACE_S = 0.1
"""How much longer than the majority the other sentinels may take: one of them may be the first to know of a new master."""


class _Unusable(Exception):
    """An answer that names no master."""


class Sentinels:
    """The sentinels of one address. All are asked at once; nothing is kept open between two questions."""

    def __init__(self, url: BrokerUrl, *, timeout_s: float) -> None:
        """Keep the address; no I/O happens here.

        Args:
            url: an address with sentinels.
            timeout_s: how long a single sentinel may take, from connecting to its answer.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._enough = len(url.sentinels) // 2 + 1

    async def find_master(self) -> Sighting:
        """Give what the sentinels agree on, once the majority of those in the address has answered.

        With fewer answers it waits for all that are left, and takes what it has: ``min_other_sentinels`` is for those who
        would rather have none then.

        Raises:
            BrokerUnavailable: no sentinel answers, or none of them sees a master that is up.
        """
        sightings: list[Sighting] = []
        failures: list[str] = []
        async with anyio.create_task_group() as tasks:

            async def ask(address: str) -> None:
                try:
                    sightings.append(await self._ask(address))
                except _Unusable as error:
                    failures.append(str(error))
                if len(sightings) >= self._enough and self._choose(sightings) is not None:
                    tasks.cancel_scope.deadline = min(tasks.cancel_scope.deadline, anyio.current_time() + GRACE_S)

            for address in self._url.sentinels:
                tasks.start_soon(ask, address)
        chosen = self._choose(sightings)
        if chosen is None:
            raise self._unavailable(sightings, failures)
        return chosen

    def _choose(self, sightings: list[Sighting]) -> Sighting | None:
        return choose(sightings, min_other_sentinels=self._url.min_other_sentinels)

    async def _ask(self, address: str) -> Sighting:
        options: dict[str, Any] = dict(parse_url(address))
        kind = options.pop("connection_class", Connection)
        connection: AbstractConnection = kind(
            **options,
            protocol=2,
            driver_info=None,
            socket_connect_timeout=self._timeout_s,
            socket_timeout=self._timeout_s,
            health_check_interval=0,
        )
        place = f"{options['host']}:{options['port']}"
        try:
            with anyio.fail_after(self._timeout_s), guarded(connection):
                return await self._look(connection)
        except (RedisError, OSError, ValueError) as error:
            raise _Unusable(f"{place}: {str(error) or type(error).__name__}") from None
        finally:
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)

    async def _look(self, connection: AbstractConnection) -> Sighting:
        await connection.connect()  # type: ignore[no-untyped-call]
        name = self._url.master_name
        for command in ("GET-MASTER-ADDR-BY-NAME", "MASTER"):
            packed = connection.pack_command("SENTINEL", command, name)
            await connection.send_packed_command(packed)
        place, described = [await connection.read_response() for _ in range(2)]
        return read_sighting(place, described)

    def _unavailable(self, sightings: list[Sighting], failures: list[str]) -> BrokerUnavailable:
        reasons = [f"{one.host}:{one.port} is down or not to be believed" for one in sightings]
        message = f"{self._url}: no master {self._url.master_name!r} ({'; '.join([*reasons, *failures])})"
        hint = "a fail-over may be under way, or min_other_sentinels not be reached" if sightings else HINT
        return BrokerUnavailable(message, hint=hint)
