"""Who holds slots, and whether all schedules are held: read and changed beside the orders that heed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from daemon.dispatch.gating import Gating
from daemon.errors import BrokerDown
from daemon.keys import SiteKey, site_key
from daemon.ports import RunningTask
from daemon.public import Public
from shim.errors import ShimError
from shim.guard import Slots
from shim.link import Link
from shim.script import Script

_HOLD = Script("daemon.dispatch", "hold.lua")


class RunGates:
    """The gates of a site on Redis. Owns nothing: the link is the caller's."""

    def __init__(self, link: Link, *, prefix: str, site: Public) -> None:
        """Keep the link and the names; ``prefix`` goes before every key (``global_keyprefix``)."""
        gating = Gating(site, prefix)
        self._link = link
        self._hold_key = gating.hold_key
        self._count_key = prefix + site_key(site, SiteKey.CHANGED)
        self._channel = prefix + site_key(site, SiteKey.CHANGES)
        self._slots = Slots(link, running_key=gating.running_key, slots_prefix=gating.slots_prefix)

    async def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Let go whatever the tasks hold; see ``Runs``."""
        with _answering():
            return await self._slots.release(task_ids)

    async def running(self) -> list[RunningTask]:
        """List the tasks that hold slots; see ``Runs``."""
        with _answering():
            return [RunningTask(*holder) for holder in await self._slots.holders()]

    async def hold(self, why: str | None, *, for_us: int | None = None) -> None:
        """Hold all schedules from now on, or go on with ``None``; ``for_us`` says when they go on by themselves.

        Raises:
            BrokerDown: the broker does not answer; it may have been done.
        """
        with _answering():
            limit_ms = 0 if for_us is None else max(1, -(-for_us // 1000))
            await _HOLD.run(self._link, [self._hold_key, self._count_key], [self._channel, why or "", str(limit_ms)])

    async def held(self) -> str | None:
        """Say why all schedules are held; ``None`` if they are not.

        Raises:
            BrokerDown: the broker does not answer.
        """
        with _answering():
            found: bytes | None = await self._link.call("GET", self._hold_key)
        return None if found is None else found.decode(errors="replace")


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ShimError as error:
        raise BrokerDown(str(error), hint=error.hint) from None
