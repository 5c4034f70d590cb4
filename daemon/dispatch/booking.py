"""Carries out orders with a ledger and an outbox on the disk: check, enter the message, advance the ledger, in that order.

A process that ends in between has entered messages whose tickets still hold. The same orders come again, the outbox knows
their keys, and the ledger advances then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from daemon.clock import Clock
from daemon.dispatch.ledger import Estate, Kept, Offer, conclude, entry_key, judge
from daemon.dispatch.ledger_file import LedgerFile
from daemon.errors import LedgerFailed
from daemon.ports import FaultPoint, Settled, Settlement
from shim.amqp.outbox import Outbox
from shim.amqp.outbox_store import Entered, OutboxEntry, OutboxFailed

T = TypeVar("T")
_KEPT = {Entered.ACCEPTED: Kept.STORED, Entered.KNOWN: Kept.KNOWN, Entered.FULL: Kept.NO_ROOM}


@dataclass(slots=True, eq=False)
class _Call:
    offers: Sequence[Offer]
    settlements: list[Settlement] | None = None


class Booking:
    """The ledger, read into memory at its opening, and the outbox beside it."""

    def __init__(
        self,
        ledger: LedgerFile,
        outbox: Outbox,
        clock: Clock,
        *,
        may_enter: Callable[[str], bool],
        failed: Callable[[str], None],
        at: FaultPoint,
    ) -> None:
        """Take over what is open; use ``open``."""
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock
        self._may_enter = may_enter
        self._failed = failed
        self._at = at
        self._thread = anyio.CapacityLimiter(1)
        self._turn = anyio.Lock()
        self._arriving: list[_Call] = []
        self._held, self.term = ledger.load()
        self.changes = 0
        """Counts what changed, so that whoever leaves it to others sees when to do so anew."""

    @classmethod
    async def open(
        cls,
        path: Path,
        outbox: Outbox,
        clock: Clock,
        *,
        may_enter: Callable[[str], bool],
        failed: Callable[[str], None],
        at: FaultPoint,
    ) -> Booking:
        """Open the ledger.

        Args:
            path: its file.
            outbox: where messages go; open.
            clock: for tickets that must not be early.
            may_enter: says of a ledger whether its orders may be carried out at present.
            failed: told why nothing could be written.
            at: named points.

        Raises:
            LedgerFailed: the file cannot be used.
        """

        def opened() -> Booking:
            ledger = LedgerFile(path)
            try:
                ledger.prune(clock.now_us())
                return cls(ledger, outbox, clock, may_enter=may_enter, failed=failed, at=at)
            except BaseException:
                ledger.close()
                raise

        return await to_thread.run_sync(opened)

    async def close(self) -> None:
        """Close the ledger; the outbox is its owner's to close."""
        with anyio.CancelScope(shield=True):
            await self._on_thread(self._ledger.close)

    def read(self, ledger: str, fields: Sequence[str]) -> dict[str, str]:
        """Give what fields hold; absent ones are missing."""
        return {name: self._held[ledger, name] for name in fields if (ledger, name) in self._held}

    def estate(self, ledger: str) -> Estate:
        """Give a whole ledger and the term."""
        return Estate(self.term, {name: value for (where, name), value in self._held.items() if where == ledger})

    async def adopt(self, ledger: str, estate: Estate) -> None:
        """Begin a term with a ledger that was inherited.

        Raises:
            LedgerFailed: nothing was changed.
        """
        async with self._turn:
            await self._on_thread(self._ledger.adopt, ledger, estate.values, estate.term, self._clock.now_us())
            for place in [place for place in self._held if place[0] == ledger]:
                del self._held[place]
            self._held.update({(ledger, name): value for name, value in estate.values.items()})
            self.term = estate.term
            self.changes += 1

    async def carry_out(self, offers: Sequence[Offer]) -> list[Settlement]:
        """Carry out orders in their order; when this returns, what is ``ENQUEUED`` is on the disk.

        Calls that come at the same time share their writes. A caller that is cancelled may have had its orders carried out.
        """
        call = _Call(offers)
        self._arriving.append(call)
        try:
            async with self._turn:
                if call.settlements is None:
                    with anyio.CancelScope(shield=True):  # it waits for the disk alone, and others wait for it
                        await self._carry_out_all()
        finally:
            if call in self._arriving:
                self._arriving.remove(call)
        assert call.settlements is not None  # whoever has its turn settles all that have come
        return call.settlements

    async def _carry_out_all(self) -> None:
        calls, self._arriving = self._arriving, []
        offers = [offer for call in calls for offer in call.offers]
        settlements = iter(await self._settle(offers))
        for call in calls:
            call.settlements = [next(settlements) for _ in call.offers]

    async def _settle(self, offers: Sequence[Offer]) -> list[Settlement]:
        now_us = self._clock.now_us()
        verdicts = judge(offers, self._held, now_us, self._may_enter)
        entries = [
            OutboxEntry(entry_key(ticket), message)
            for (ticket, message), verdict in zip(offers, verdicts, strict=True)
            if verdict is None and message is not None
        ]
        self._at("outbox.before")
        try:
            kept = [_KEPT[one] for one in await self._outbox.enter(entries)] if entries else []
        except OutboxFailed as error:
            self._failed(str(error))
            kept = [Kept.NO_ROOM] * len(entries)
        else:
            if Kept.NO_ROOM in kept:
                self._failed("the outbox holds as much as it may; nothing more is taken until some of it is sent")
        self._at("outbox.entered")
        settlements, advances = conclude(offers, verdicts, kept, now_us)
        if advances:
            try:
                await self._on_thread(self._ledger.advance, advances, now_us)
            except LedgerFailed as error:
                self._failed(str(error))
                return [_doubtful(one) for one in settlements]
            self._held.update({(one.ledger, one.field): one.value for one in advances})
            self.changes += 1
        self._at("ledger.advanced")
        return settlements

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await to_thread.run_sync(work, *arguments, limiter=self._thread)


def _doubtful(settlement: Settlement) -> Settlement:
    """Say of an order whose message is entered and whose ledger did not advance that it is to be given again."""
    return Settlement(Settled.UNAVAILABLE) if settlement.outcome is Settled.ENQUEUED else settlement
