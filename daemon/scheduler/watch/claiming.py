"""Has pending changes of alarms made in the broker, and tells people directly if it stays away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio

from daemon.clock import Clock
from daemon.errors import BrokerDown
from daemon.ports import Dispatcher, Emit, Settled
from daemon.public import Public
from daemon.scheduler.watch.claims import Change, Claims, Decide
from daemon.watch_events import AlertTaskRefused

BATCH_LIMIT = 100
READ_LIMIT = 1000
PAUSE_S = 1.0
SETTLE_S = 5.0
"""How long to wait when the broker is back: what the other daemons did meanwhile is heard first, and may settle it."""


class Claiming:
    """Makes changes of the site's alarms through the dispatcher."""

    def __init__(
        self,
        site: Public,
        dispatcher: Dispatcher,
        clock: Clock,
        emit: Emit,
        *,
        pause_s: float = PAUSE_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        """Keep the collaborators; no I/O happens here."""
        self.claims = Claims(site)
        self._dispatcher = dispatcher
        self._clock = clock
        self._emit = emit
        self._pause_s = pause_s
        self._settle_s = settle_s
        self._asked = anyio.Event()

    def ask(self, name: str, kind: str, decide: Decide) -> None:
        """Have a change decided and made."""
        if self.claims.ask(name, kind, decide, self._clock.monotonic_s()):
            self._asked.set()

    def waiting_s(self, name: str) -> float:
        """Say for how long a change of a field has been pending."""
        pending = self.claims.pending.get(name)
        return 0.0 if pending is None else self._clock.monotonic_s() - pending.asked_s

    async def read(self, names: Sequence[str]) -> None:
        """Learn what fields hold.

        Raises:
            BrokerDown: the broker does not answer.
        """
        for start in range(0, len(names), READ_LIMIT):
            some = names[start : start + READ_LIMIT]
            found = await self._dispatcher.read(self.claims.ledger, some)
            for name in some:
                self.claims.learn(name, found.values.get(name))

    async def run(self, stays_away: Callable[[], None]) -> None:
        """Make what is asked for until cancelled; ``stays_away`` is called each time the broker could not be asked."""
        while True:
            self._asked = anyio.Event()
            if not self.claims.pending:
                await self._asked.wait()
            if not await self._round():
                await self._wait_for_broker(stays_away)

    async def _wait_for_broker(self, stays_away: Callable[[], None]) -> None:
        """Wait until the broker answers and what happened meanwhile was heard; then find out what became of changes in doubt."""
        while True:
            stays_away()
            await anyio.sleep(self._pause_s)
            with suppress(BrokerDown):
                await self._dispatcher.read(self.claims.ledger, [])
                await anyio.sleep(self._settle_s)
                await self.read(self.claims.in_doubt())
                return

    async def _round(self) -> bool:
        """Have some changes made; say whether the broker answered."""
        names, changes = self._some()
        if not names:
            return True
        orders = [self.claims.order(name, change) for name, change in zip(names, changes, strict=True)]
        settlements = await self._dispatcher.dispatch(orders)
        answered = True
        for name, change, order, settlement in zip(names, changes, orders, settlements, strict=True):
            if settlement.outcome is Settled.INVALID and order.item is not None:
                self._emit(AlertTaskRefused(order.item.task, Public(settlement.found or "")))
            answered = self.claims.settle(name, change, settlement) and answered
        return answered

    def _some(self) -> tuple[list[str], list[Change]]:
        names: list[str] = []
        changes: list[Change] = []
        for name in list(self.claims.pending):
            change = self.claims.next_change(name)
            if change is not None:
                names.append(name)
                changes.append(change)
            if len(names) == BATCH_LIMIT:
                break
        return names, changes
