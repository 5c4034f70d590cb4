"""Gives signs of life in the broker, and looks for those of the other daemons."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio

from daemon.errors import BrokerDown
from daemon.ports import Emit
from daemon.public import Public
from daemon.scheduler.watch.missed import Missed, What
from daemon.scheduler.watch.peers import GONE_US, Peers
from daemon.scheduler.watch.ports import Presence
from daemon.scheduler.watch.telling import Teller, WatchPlan, daemon_field
from daemon.watch_events import DaemonGone, DaemonsSeen

SIGN_EVERY_S = 10.0
LEAVE_LIMIT_S = 2.0


class Peering:
    """One daemon among those of its site."""

    def __init__(
        self,
        plan: WatchPlan,
        teller: Teller,
        presence: Presence | None,
        emit: Emit,
        is_moving: Callable[[], bool],
        *,
        every_s: float = SIGN_EVERY_S,
        gone_us: int = GONE_US,
    ) -> None:
        """Keep the collaborators; without ``presence`` there are no others to be seen."""
        self._me = str(plan.me)
        self._teller = teller
        self._presence = presence
        self._emit = emit
        self._is_moving = is_moving
        self._every_s = every_s
        self._peers = Peers(self._me, gone_us=gone_us)
        self._has_returned = False

    async def run(self) -> None:
        """Give a sign now and then until cancelled; none while the schedule does not move."""
        if self._presence is None:
            return
        while True:
            try:
                await self._look(self._presence)
            except BrokerDown:
                self._peers.lost_contact()
            await anyio.sleep(self._every_s)

    async def leave(self) -> None:
        """Take the sign away and close the connection."""
        if self._presence is not None:
            with suppress(BrokerDown), anyio.move_on_after(LEAVE_LIMIT_S):
                await self._presence.leave(self._me)
            await self._presence.close()

    async def _look(self, presence: Presence) -> None:
        facts = {"moving": True} if self._is_moving() else None
        seen_us, now_us = await presence.show(self._me, facts)
        if not self._has_returned:
            self._has_returned = True
            self._teller.returned(self._me)  # the others may have told that this one was gone
        gone, back = self._peers.look(seen_us, now_us)
        self._emit(DaemonsSeen(self._peers.alive))
        for name, at_us in gone:
            self._emit(DaemonGone(Public(name), at_us))
            self._teller.missed(daemon_field(name), Missed(name, name, at_us, What.DAEMON_GONE, at_us))
        for name in back:
            self._teller.returned(name)
