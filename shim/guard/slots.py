"""Places that are held: who holds which, and letting them go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shim.link import Link
from shim.script import Script

RELEASE = Script("shim.guard", "release.lua")
HOLDERS = Script("shim.guard", "holders.lua")

RELEASED_PER_CALL = 500
READ_PER_CALL = 500
HOLDERS_LIMIT = 10_000


class Holder(NamedTuple):
    """Who holds places.

    Attributes:
        name: under which they were taken.
        scopes: of the places, in no order.
        stale_at_us: server time when the last of them is let go by itself; 0 if none is left.
    """

    name: str
    scopes: tuple[str, ...]
    stale_at_us: int


class Slots:
    """The places of guards with one hash of holders. Owns nothing: the link is the caller's."""

    def __init__(self, link: Link, *, running_key: str, slots_prefix: str) -> None:
        """Keep the names; the set of a scope is ``slots_prefix`` followed by the scope, as the guards have it."""
        self._link = link
        self._running = running_key
        self._prefix = slots_prefix

    async def release(self, holders: Sequence[str]) -> frozenset[str]:
        """Let go whatever ``holders`` hold, and name the scopes where a place became free. Doing it again does nothing.

        Raises:
            ShimError: as ``Link.call``; what went in an earlier call is released.
        """
        freed: set[str] = set()
        for first in range(0, len(holders), RELEASED_PER_CALL):
            some = holders[first : first + RELEASED_PER_CALL]
            freed.update(map(_text, await RELEASE.run(self._link, [self._running], [self._prefix, *some])))
        return frozenset(freed)

    async def holders(self, limit: int = HOLDERS_LIMIT) -> list[Holder]:
        """List who holds places, at most ``limit``; those taken or let go meanwhile may be missing or not.

        Raises:
            ShimError: as ``Link.call``.
        """
        found: dict[str, Holder] = {}
        cursor = b"0"
        while True:
            reply = await HOLDERS.run(self._link, [self._running], [self._prefix, cursor, READ_PER_CALL])
            cursor, *rest = reply
            for name, scopes, until in zip(*[iter(rest)] * 3, strict=True):
                found[_text(name)] = Holder(_text(name), tuple(_text(scopes).split("\n")), int(until))
            if cursor == b"0" or len(found) >= limit:
                return list(found.values())[:limit]


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")  # anyone may have written there
