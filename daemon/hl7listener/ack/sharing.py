"""A feed that daemons on several machines have: what one of them accepted is answered by the others with the same bytes.

Each daemon stores what it gets; the broker remembers for each message whose it is, and what was answered. While the broker
is away every daemon answers for itself, and the lanes sort it out later: whose a message is not does not enqueue it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import anyio

from daemon.answer_events import AnsweredElsewhere
from daemon.errors import BrokerDown, SpoolFailed
from daemon.hl7listener.ack.shared_identity import owner_of, shared_identity
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.verdict import Disposition
from daemon.hl7listener.spool import Row, Spool, Stored
from daemon.hl7listener.wire.taking import Taken
from daemon.ports import Emit, Seen, SharedMessages

Tell: TypeAlias = Callable[[bytes | None], None]

ASK_LIMIT_S = 1.0
"""Longer than this no answer waits for the broker."""

AT_ONCE = 100
MOST = 1000
LONGEST_ACK_BYTES = 4096


class _Question(NamedTuple):
    seq: int
    epoch: str
    identity: str
    ack: bytes
    tell: Tell


class Sharing:
    """Answers for a feed that is shared."""

    def __init__(self, feed: Feed, spool: Spool, shared: SharedMessages, emit: Emit) -> None:
        """Keep the collaborators."""
        self.feed = feed
        self._spool = spool
        self._shared = shared
        self._emit = emit
        self._questions: deque[_Question] = deque()
        self._asked = anyio.Event()
        self._room_listeners: list[Callable[[], None]] = []

    @property
    def has_room(self) -> bool:
        """Say whether another answer may wait."""
        return len(self._questions) < MOST

    def on_room(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when there is no more room, and when there is again."""
        self._room_listeners.append(tell)

    def prepare(self, taken: Taken) -> Taken:
        """Change nothing before a block is stored."""
        return taken

    def kept(self, taken: Taken, stored: Stored) -> None:
        """Nothing is counted here."""

    def lost(self, taken: Taken) -> None:
        """Nothing was begun for a block that was not stored."""

    def settle(self, taken: Taken, stored: Stored, tell: Tell) -> tuple[bytes, bytes | None]:
        """Answer at once what makes no task; else ask whether another daemon answered it before."""
        arrival = taken.arrival
        if arrival.finding.disposition is not Disposition.ROUTED or not stored.ack:
            return b"", stored.ack
        epoch = "" if stored.is_resend else self._spool.epoch
        self._questions.append(_Question(stored.seq, epoch, shared_identity(arrival.data), stored.ack, tell))
        self._asked.set()
        if not self.has_room:
            self._room_changed()
        return b"", None

    async def open(self) -> None:
        """Begin with no question."""
        self._questions.clear()

    async def run(self) -> None:
        """Ask, as many at once as there are, until cancelled."""
        while True:
            self._asked = anyio.Event()
            while self._questions:
                await self._ask([self._questions.popleft() for _ in range(min(len(self._questions), AT_ONCE))])
                self._room_changed()
            await self._asked.wait()

    # -- for the lane --------------------------------------------------------------------------------------------------

    def enqueued(self, cursor: int) -> None:
        """Nothing waits for that."""

    def parked(self, seq: int) -> None:
        """Nothing waits for that."""

    async def owned_elsewhere(self, rows: Sequence[Row]) -> frozenset[int]:
        """Give the numbers of messages that another daemon enqueues.

        Raises:
            BrokerDown: that is not known.
        """
        asked = [Seen(shared_identity(row.data), owner_of(row.epoch, row.seq)) for row in rows]
        found = await self._shared.see(self.feed.name, asked)
        return frozenset(
            row.seq for row, one, other in zip(rows, asked, found, strict=True) if one.owner != other.owner
        )

    # -- within --------------------------------------------------------------------------------------------------------

    async def _ask(self, questions: list[_Question]) -> None:
        found: list[Seen] = []
        asked: list[Seen] = []
        try:
            with anyio.move_on_after(ASK_LIMIT_S):
                asked = [await self._seen(question) for question in questions]
                found = await self._shared.see(self.feed.name, asked)
        except (BrokerDown, SpoolFailed):
            found = []
        finally:  # whatever came in between: each message is stored, and each sender waits
            for place, question in enumerate(questions):
                other = found[place] if found else None
                if other is None or not other.ack or other.ack == question.ack:
                    question.tell(question.ack)
                else:
                    self._emit(AnsweredElsewhere(self.feed.name))
                    question.tell(other.ack)

    def _room_changed(self) -> None:
        for adjust in self._room_listeners:
            adjust()

    async def _seen(self, question: _Question) -> Seen:
        epoch = question.epoch
        if not epoch:  # it was stored earlier, perhaps before the last start
            row = await self._spool.reader.fetch_one(question.seq)
            if row is None:
                message = "a message that came again is gone"
                raise SpoolFailed(message)
            epoch = row.epoch
        ack = question.ack if len(question.ack) <= LONGEST_ACK_BYTES else b""
        return Seen(question.identity, owner_of(epoch, question.seq), ack)
