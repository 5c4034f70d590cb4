"""What waits in the ordered lanes of a feed behind a message that was parked: remembered here, kept on the disk."""

from __future__ import annotations

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.hold import HELD_LIMIT, Hold
from daemon.hl7listener.lanes.order import Work, work_of
from daemon.hl7listener.lanes.parking import BEHIND, COPY, RELEASED, VOID
from daemon.hl7listener.spool import Row, Spool
from daemon.public import Public

_DAMAGED = Public("its bytes are not what was stored")
_ROUTELESS = Public("no longer a message with a route")


NOTES_LIMIT = 10 * HELD_LIMIT
"""Notes of parked messages that are read; most of them may be of messages released long ago."""

LOOK_AGAIN_S = 600.0
"""How often the disk is asked again while something waits: parked messages grow old and are pruned."""


class Holding:
    """Keeps the lanes of one feed in order beside parked messages; without lanes that hold, there is nothing to do."""

    def __init__(self, feed: Feed, site: Public, spool: Spool) -> None:
        """Begin with nothing known."""
        self._feed = feed
        self._site = site
        self._spool = spool
        self._is_needed = any(route.lane_key is not None and route.lane_key.holds for route in feed.routing.routes)
        self.forget()

    def forget(self) -> None:
        """Forget everything; the disk knows."""
        self._hold = Hold()
        self._void: dict[int, Public] = {}
        self._loaded_at_s: float | None = None

    def wants_load(self, now_s: float) -> bool:
        """Say whether the disk must be asked before anything is handed on."""
        if not self._is_needed:
            return False
        has_some = len(self._hold) > 0 or self._hold.has_overflowed
        return self._loaded_at_s is None or (has_some and now_s - self._loaded_at_s >= LOOK_AGAIN_S)

    async def load(self, cursor: int, now_s: float) -> None:
        """Read what is parked.

        Args:
            cursor: how far the feed is.
            now_s: on the monotonic clock.

        Raises:
            SpoolFailed: it cannot be read.
        """
        reader, name = self._spool.reader, self._feed.name
        hold, void = Hold(), dict.fromkeys(await reader.copied(name, cursor), RELEASED)
        parked = await reader.parked(name, NOTES_LIMIT)
        hold.has_overflowed = len(parked) == NOTES_LIMIT
        for seq, why in parked:
            if why in VOID:
                void[seq] = Public(why)
            elif seq not in void:
                row = await reader.fetch_one(seq)
                work = None if row is None else work_of(row, self._feed, self._site, 0)
                hold.add(seq, () if work is None else work.keys)
        self._hold, self._void, self._loaded_at_s = hold, void, now_s

    def why_not(self, row: Row, work: Work | None) -> Public | None:
        """Say why a message cannot be handed on; ``None`` if it can."""
        if work is None:
            return _ROUTELESS if row.is_whole else _DAMAGED
        if not self._is_needed:
            return None
        if row.seq in self._void:
            return self._void[row.seq]
        if row.seq in self._hold or self._hold.is_behind(work.keys, row.seq, row.origin_seq):
            return BEHIND
        return None

    def reason_for(self, row: Row, why: Public) -> Public:
        """Give the reason a message is parked for: a copy of a parked one leaves the place to that."""
        return COPY if row.origin_seq in self._hold else why

    def parked(self, row: Row, work: Work | None, why: Public) -> None:
        """Note that a message is parked."""
        if not self._is_needed:
            return
        if why in VOID:
            self._void[row.seq] = why
        elif work is not None:
            self._hold.add(row.seq, work.keys)

    def passed(self, row: Row) -> None:
        """Note that a message has been handed on; if it is the copy of a parked one, that is done with."""
        origin = row.origin_seq
        if origin and origin in self._hold:
            self._hold.remove(origin)
            self._void[origin] = RELEASED
            self._spool.park(origin, RELEASED)
            if self._hold.has_overflowed:
                self._loaded_at_s = None
