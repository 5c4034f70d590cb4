"""Where the daemons of a site see each other: a hash in Redis. A site on RabbitMQ has no such place, and one active daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from daemon.dispatch.celery_side import CelerySide
from daemon.errors import BrokerDown
from daemon.keys import SiteKey, site_key
from daemon.public import Public
from shim.client.carriers import redis_transport
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker
from shim.errors import ShimError
from shim.link import Link
from shim.script import Script

FORGET_US = 86_400 * 1_000_000
"""A daemon that has given no sign for so long is forgotten."""

_SHOW = Script("daemon.dispatch", "presence.lua")


class RedisPresence:
    """The hash, over a connection of its own."""

    def __init__(self, side: CelerySide, site: Public) -> None:
        """Keep the address; nothing is opened.

        Raises:
            BrokerUrlInvalid, RequestInvalid: a setting that cannot be.
        """
        self._link = Link(redis_broker(side.conf), client_name="carillon-presence")
        self._key = redis_transport(side.conf).key_prefix + site_key(site, SiteKey.DAEMONS)

    async def show(self, me: str, facts: Mapping[str, object] | None) -> tuple[dict[str, int], int]:
        """Leave a sign, unless there are no facts; say when each daemon left its last, and the server's clock.

        Raises:
            BrokerDown: the broker does not answer.
        """
        text = "" if facts is None else orjson.dumps(facts).decode()
        try:
            now, *rest = await _SHOW.run(self._link, [self._key], [me, text, FORGET_US])
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None
        words: list[Any] = [one.decode(errors="replace") for one in rest]
        return {name: int(at) for name, at in zip(words[::2], words[1::2], strict=True)}, int(now)

    async def leave(self, me: str) -> None:
        """Take the sign away.

        Raises:
            BrokerDown: the broker does not answer.
        """
        try:
            await self._link.call("HDEL", self._key, me)
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()


def make_presence(side: CelerySide, site: Public) -> RedisPresence | None:
    """Make the place for a site; ``None`` if its broker has none.

    Raises:
        BrokerUrlInvalid, RequestInvalid: a setting that cannot be.
    """
    if broker_kind(broker_address(side.conf)) is not BrokerKind.REDIS:
        return None
    return RedisPresence(side, site)
