"""Finding out how far a feed is: our own note and the broker's mark, brought to agree.

* The mark is ahead: we stopped between the push and our own note of it; the messages are there, the cursor follows.
* The mark is behind, or gone: the broker lost its last writes. Those messages are looked up in the result back-end and
  pushed again, under the same task ids, unless they are known to have run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.events import MessagesEnqueued, Warned
from daemon.hl7listener.lanes.agreement import Foreign, agree, parse_mark
from daemon.hl7listener.spool import Spool
from daemon.keys import SEQUENCE_FIELD, feed_ledger
from daemon.ports import Dispatcher, Emit
from daemon.public import Public

NEWEST, UNKNOWN = (1 << 63) - 1, -1


@dataclass(slots=True)
class Place:
    """How far a feed is.

    Attributes:
        cursor: the last message that was handed on, or passed over.
        settled: the cursor as it is noted on disk.
        suspect_until: messages up to it were pushed before, and the broker may have forgotten them.
        marks: what the broker holds of each epoch, as far as it was looked at.
    """

    cursor: int = UNKNOWN
    settled: int = UNKNOWN
    suspect_until: int = 0
    marks: dict[str, int | None] = field(default_factory=dict)


class Reconciler:
    """Brings the place of one feed to agree with the broker."""

    def __init__(
        self,
        site: Public,
        feed: Public,
        spool: Spool,
        dispatcher: Dispatcher,
        clock: Clock,
        emit: Emit,
        suspect_us: int,
    ) -> None:
        """Keep the collaborators."""
        self._site = site
        self._feed = feed
        self._spool = spool
        self._dispatcher = dispatcher
        self._clock = clock
        self._emit = emit
        self._suspect_us = suspect_us
        self._nothing_until: int | None = None

    async def compare(self, place: Place) -> bool:
        """Reconcile the epoch that was pushed from last; see ``reconcile``."""
        if place.cursor == self._nothing_until:
            return False
        epoch = await self._spool.reader.last_epoch(self._feed, place.cursor)
        if epoch is None:
            self._nothing_until = place.cursor  # nothing will come to stand up to there
            return False
        return await self.reconcile(place, epoch)

    async def reconcile(self, place: Place, epoch: str) -> bool:
        """Move the cursor to where the broker's mark of an epoch and what was pushed of it agree.

        Says whether messages are to be read again from the disk.

        Raises:
            BrokerDown: the broker does not answer, or its mark is not ours.
        """
        name, reader = self._feed, self._spool.reader
        ledger = await self._dispatcher.read(feed_ledger(self._site, name, epoch), [SEQUENCE_FIELD])
        mark = parse_mark(ledger.values.get(SEQUENCE_FIELD))
        if isinstance(mark, Foreign):
            raise self._foreign(mark)
        repeat_from = 0
        if mark is None:
            repeat_from = await reader.last_before(name, self._clock.now_us() - self._suspect_us)
        agreement = agree(
            mark,
            cursor=place.cursor,
            pushed=await reader.last_pushed(name, epoch, place.cursor),
            newest=await reader.last_pushed(name, epoch, NEWEST),
            repeat_from=repeat_from,
        )
        if isinstance(agreement, Foreign):
            raise self._foreign(agreement)
        told = max(place.cursor, place.suspect_until)  # what is suspect was told of when it was pushed first
        if agreement.cursor > told:
            await self._tell_of(told, agreement.cursor)
        place.cursor = agreement.cursor
        reads_again = agreement.suspect_until is not None
        if agreement.suspect_until is not None:
            place.suspect_until = max(place.suspect_until, agreement.suspect_until)
            place.marks.clear()  # earlier epochs are passed through again, and each has a mark of its own
        place.marks[epoch] = mark
        return reads_again

    async def _tell_of(self, cursor: int, mark: int) -> None:
        """Say how many messages turned out to be in their queues already."""
        before, oldest_us = await self._spool.reader.waiting_after(self._feed, cursor)
        behind, _ = await self._spool.reader.waiting_after(self._feed, mark)
        if before > behind and oldest_us is not None:
            waited_s = max(self._clock.now_us() - oldest_us, 0) / SECOND_US
            self._emit(MessagesEnqueued(self._feed, before - behind, before - behind, waited_s))

    def _foreign(self, mark: Foreign) -> BrokerDown:
        text = Public(f"{mark.what}; nothing is handed on")
        self._emit(Warned(mark.code, self._feed, text))
        return BrokerDown(text)
