"""The spool as the drain sees it, in memory: no files, no threads, so that it runs on virtual time and can be killed anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio.lowlevel

from daemon.clock import Clock
from daemon.errors import SpoolFailed
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Disposition, judge
from daemon.hl7listener.spool import Row
from daemon.public import Public

Step = Callable[[], None]


class Kept(NamedTuple):
    """A stored message."""

    seq: int
    epoch: str
    feed: Public
    received_us: int
    data: bytes
    disposition: Disposition
    is_whole: bool = True
    origin_seq: int = 0


@dataclass
class SpoolTwin:
    """Keeps rows, cursors and parked rows; ``open_again`` and ``lose_after`` are what a crash does to them.

    Attributes:
        step: called at each question, before it is answered: where a test may kill.
        failing: questions that fail, as with a disk that cannot be read.
        keeps_notes: whether cursors and parked rows reach the disk; not, if the process is about to be killed.
        asked: how often rows were read from the disk.
    """

    feed: Feed
    clock: Clock
    step: Step = lambda: None
    failing: int = 0
    keeps_notes: bool = True
    asked: int = 0
    rows: list[Kept] = field(default_factory=list)
    cursors: dict[Public, int] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    is_open: bool = True

    def __post_init__(self) -> None:
        """Open for the first time."""
        self._epochs = (f"epoch{number}" for number in itertools.count(1))
        self.epoch = next(self._epochs)
        self.next_seq = 1
        self._takers: dict[Public, Callable[[list[Row]], None]] = {}
        self._told: list[Callable[[bool], None]] = []

    # -- what a test does --------------------------------------------------------------------------------------------

    def store(self, *messages: bytes, told: bool = True, origin_seq: int = 0) -> list[int]:
        """Store messages, as one group; without ``told`` nobody learns of them, as after a commit that seemed to fail."""
        rows = []
        for data in messages:
            finding = judge(data, self.feed)
            kept = Kept(self.next_seq, self.epoch, self.feed.name, self.clock.now_us(), data, finding.disposition,
                        origin_seq=origin_seq)  # fmt: skip
            self.next_seq += 1
            self.rows.append(kept)
            if finding.disposition is Disposition.ROUTED:
                rows.append(
                    Row(kept.seq, kept.epoch, kept.feed, kept.received_us, data, finding, origin_seq=origin_seq)
                )
        if told and rows and self.feed.name in self._takers:
            self._takers[self.feed.name](rows)
        return [row.seq for row in self.rows[-len(messages) :]]

    def forget_takers(self) -> None:
        """Let go of a drain that was killed."""
        self._takers.clear()
        self._told.clear()

    def open_again(self) -> None:
        """Begin a new epoch."""
        self.epoch = next(self._epochs)
        self.is_open = True
        for tell in self._told:
            tell(True)  # noqa: FBT003 - callbacks with one meaning

    def close(self) -> None:
        """Cease to accept and to answer, as after a failure."""
        self.is_open = False
        for tell in self._told:
            tell(False)  # noqa: FBT003 - callbacks with one meaning

    def lose_after(self, seq: int) -> None:
        """Lose the newest rows, as with a damaged log; their numbers are not used again."""
        self.rows = [row for row in self.rows if row.seq <= seq]

    def spoil(self, seq: int) -> None:
        """Have the bytes of a row change on the disk."""
        self.rows = [row._replace(is_whole=row.is_whole and row.seq != seq) for row in self.rows]

    def prune(self, up_to_seq: int) -> None:
        """Remove old rows."""
        self.rows = [row for row in self.rows if row.seq > up_to_seq]

    # -- what the drain uses -----------------------------------------------------------------------------------------

    @property
    def reader(self) -> SpoolTwin:
        """The way to what is stored."""
        if not self.is_open:
            message = "the spool is not open"
            raise SpoolFailed(message)
        return self

    def on_rows(self, feed: Public, take: Callable[[list[Row]], None]) -> None:
        self._takers[feed] = take

    def on_accepting(self, tell: Callable[[bool], None]) -> None:
        self._told.append(tell)

    def settle(self, feed: Public, seq: int) -> None:
        if self.keeps_notes:
            self.cursors[feed] = seq

    def park(self, seq: int, reason: Public, done: Callable[[bool], None] | None = None) -> None:
        if self.keeps_notes or done is not None:
            self.notes[seq] = reason
        if done is not None:
            done(True)  # noqa: FBT003 - a callback with one meaning

    async def cursor(self, feed: Public) -> int:
        await self._turn()
        return self.cursors.get(feed, 0)

    async def fetch(self, feed: Public, after_seq: int, *, limit: int, limit_bytes: int) -> list[Row]:
        await self._turn()
        self.asked += 1
        found: list[Row] = []
        size = 0
        for kept in self._routed(feed):
            if kept.seq <= after_seq or len(found) == limit:
                continue
            size += len(kept.data)
            if found and size > limit_bytes:
                break
            found.append(_row(kept))
        return found

    async def fetch_one(self, seq: int) -> Row | None:
        await self._turn()
        return next((_row(kept) for kept in self.rows if kept.seq == seq), None)

    async def parked(self, feed: Public, limit: int) -> list[tuple[int, str]]:
        await self._turn()
        return [(kept.seq, self.notes[kept.seq]) for kept in self._routed(feed) if kept.seq in self.notes][:limit]

    async def copied(self, feed: Public, up_to_seq: int) -> frozenset[int]:
        await self._turn()
        copies = (kept for kept in self._routed(feed) if kept.seq <= up_to_seq and kept.seq not in self.notes)
        return frozenset(kept.origin_seq for kept in copies if kept.origin_seq in self.notes)

    async def waiting_after(self, feed: Public, seq: int) -> tuple[int, int | None]:
        await self._turn()
        found = [kept.received_us for kept in self._routed(feed) if kept.seq > seq]
        return len(found), min(found, default=None)

    async def last_pushed(self, feed: Public, epoch: str, up_to_seq: int) -> int | None:
        await self._turn()
        found = [kept.seq for kept in self._routed(feed) if kept.epoch == epoch and kept.seq <= up_to_seq]
        return max((seq for seq in found if seq not in self.notes), default=None)

    async def last_epoch(self, feed: Public, up_to_seq: int) -> str | None:
        await self._turn()
        found = [kept for kept in self._routed(feed) if kept.seq <= up_to_seq and kept.seq not in self.notes]
        return found[-1].epoch if found else None

    async def last_before(self, feed: Public, instant_us: int) -> int:
        await self._turn()
        return max((kept.seq for kept in self.rows if kept.feed == feed and kept.received_us < instant_us), default=0)

    def _routed(self, feed: Public) -> list[Kept]:
        return [kept for kept in self.rows if kept.feed == feed and kept.disposition is Disposition.ROUTED]

    async def _turn(self) -> None:
        self.step()
        await anyio.lowlevel.checkpoint()
        if self.failing:
            self.failing -= 1
            message = "the spool cannot be read"
            raise SpoolFailed(message)


def _row(kept: Kept) -> Row:
    return Row(
        kept.seq, kept.epoch, kept.feed, kept.received_us, kept.data, is_whole=kept.is_whole, origin_seq=kept.origin_seq
    )
