"""Where the daemons of a site tell each other of messages of a feed they share: a key for each message, for a while, in Redis."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.dispatch.celery_side import CelerySide
from daemon.errors import BrokerDown
from daemon.keys import seen_key
from daemon.ports import Seen
from daemon.public import Public
from shim.client.carriers import redis_transport
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker
from shim.errors import ShimError
from shim.link import Link
from shim.script import Script

REMEMBERED_MS = 3_600_000
"""A sender that gets no answer sends again within minutes; a backlog is shared for as long from when it is first seen."""

_SEE = Script("daemon.dispatch", "seen.lua")
_END = b"\n"


class RedisSharedMessages:
    """The keys, over a connection of its own."""

    def __init__(self, side: CelerySide, site: Public) -> None:
        """Keep the address; nothing is opened.

        Raises:
            BrokerUrlInvalid, RequestInvalid: a setting that cannot be.
        """
        self._link = Link(redis_broker(side.conf), client_name="carillon-shared")
        self._prefix = redis_transport(side.conf).key_prefix
        self._site = site

    async def see(self, feed: Public, seen: Sequence[Seen]) -> list[Seen]:
        """Claim messages for their owners; give for each who has it: the one asked for, or who was first.

        Raises:
            BrokerDown: the broker does not answer; some may be claimed.
        """
        if not seen:
            return []
        keys = [self._prefix + seen_key(self._site, feed, one.identity) for one in seen]
        arguments: list[str | bytes | float] = [REMEMBERED_MS]
        for one in seen:
            arguments += (one.owner, one.ack)
        try:
            found = await _SEE.run(self._link, keys, arguments)
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None
        held = (bytes(one).partition(_END) for one in found)
        return [
            Seen(one.identity, owner.decode(errors="replace"), ack)
            for one, (owner, _, ack) in zip(seen, held, strict=True)
        ]

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()


def can_share(side: CelerySide) -> bool:
    """Say whether the broker of a site can remember messages."""
    return broker_kind(broker_address(side.conf)) is BrokerKind.REDIS
