"""Watching feeds at work: counts what happens, learns what is usual, raises alarms and ends them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from daemon.clock import SECOND_US, Clock
from daemon.feed_events import FeedListening
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.watch.alarms import FeedAlarm, Recent, alarms
from daemon.hl7listener.watch.tally import FeedTally, Tallies
from daemon.hl7listener.watch.usual import Usual
from daemon.hl7listener.watch.usual_file import UsualFile
from daemon.ports import Emit
from daemon.public import Public
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised

LOOK_EVERY_S = 5.0
WRITE_EVERY_S = 600.0
RECENT_MINUTES = 10
JUMP_US = 60 * SECOND_US
"""A clock that was set, or a machine that slept: what is silence and what is not is judged anew from then on."""


class FeedWatch:
    """Watches the feeds of a daemon."""

    name = Public("feed-watch")

    def __init__(
        self, feeds: Sequence[Feed], folder: Path, clock: Clock, emit: Emit, *, is_open: Callable[[Public], bool]
    ) -> None:
        """Keep the collaborators; nothing is read here.

        Args:
            feeds: of the site.
            folder: the state folder, where what is learned is kept.
            clock: the daemon's.
            emit: takes alarms.
            is_open: says whether a feed's senders can reach it: it listens, is not paused, and what comes can be stored.
        """
        self._feeds = feeds
        self._file = UsualFile(folder)
        self._clock = clock
        self._emit = emit
        self._is_open = is_open
        self.tallies = Tallies({str(feed.name): feed.watching.slow_ack_s for feed in feeds}, clock.now_us)
        self.tallies.heard = self._heard
        self._limits_s = {str(feed.name): feed.watching.silence_s for feed in feeds}
        self._learned = {str(feed.name): Usual() for feed in feeds if feed.watching.learns_silence}
        self._open_since_us: dict[str, int] = {}
        self._writing = anyio.Lock()
        self._raised: dict[tuple[str, FeedAlarm], tuple[int, Public]] = {}
        self._stop = anyio.Event()

    # -- what is heard and asked ---------------------------------------------------------------------------------------

    def hear(self, event: object) -> None:
        """Take an event into account."""
        self.tallies.hear(event)
        if isinstance(event, FeedListening):
            self._open_since_us.setdefault(str(event.feed), self._clock.now_us())

    def quiet(self, feed: str) -> Public | None:
        """Say why a feed is quiet, if it is."""
        return self.why(feed, FeedAlarm.QUIET)

    def refusing(self, feed: str) -> Public | None:
        """Say how much a feed refuses, if that is much."""
        return self.why(feed, FeedAlarm.REFUSING)

    def usual_us(self, feed: str) -> int | None:
        """Say how long a feed may be silent now; ``None`` if there is no limit, or it is not learned yet."""
        limit_s, learned = self._limits_s[feed], self._learned.get(feed)
        if learned is not None:
            return learned.limit_us(self._clock.now_us())
        return None if limit_s is None else round(limit_s * SECOND_US)

    def why(self, feed: str, what: FeedAlarm) -> Public | None:
        """Say with its figures what is wrong with a feed, if it is."""
        raised = self._raised.get((feed, what))
        return None if raised is None else raised[1]

    def _heard(self, feed: str, previous_us: int, now_us: int) -> None:
        learned = self._learned.get(feed)
        if learned is not None and previous_us and now_us - previous_us >= 0:
            since_us = self._open_since_us.get(feed, previous_us)
            if since_us <= previous_us:  # a silence while nobody could send teaches nothing
                learned.heard(previous_us, now_us)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read what was learned before."""
        self._stop = anyio.Event()
        found = await anyio.to_thread.run_sync(self._file.read)
        for name in self._learned:
            self._learned[name] = found.get(name, self._learned[name])

    async def serve(self) -> None:
        """Look at the feeds every few seconds until drained."""
        looked_us, written_s = self._clock.now_us(), self._clock.monotonic_s()
        while not self._stop.is_set():
            with anyio.move_on_after(LOOK_EVERY_S):
                await self._stop.wait()
            now_us, now_s = self._clock.now_us(), self._clock.monotonic_s()
            if not 0 <= now_us - looked_us <= JUMP_US:
                self._open_since_us = dict.fromkeys(self._open_since_us, now_us)
            looked_us = now_us
            self.look(now_us)
            if now_s - written_s >= WRITE_EVERY_S:
                written_s = now_s
                await self._write()

    async def drain(self) -> None:
        """Stop looking, and keep what was learned."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            if self._learned:
                with suppress(OSError):  # a full disk is told of elsewhere
                    await anyio.to_thread.run_sync(partial(self._file.write, dict(self._learned)))

    # -- alarms --------------------------------------------------------------------------------------------------------

    def look(self, now_us: int) -> None:
        """Judge every feed as it stands."""
        for feed in self._feeds:
            name = str(feed.name)
            is_open = self._is_open(feed.name)
            if not is_open:
                self._open_since_us.pop(name, None)
            else:
                self._open_since_us.setdefault(name, now_us)
            self._change(feed, alarms(feed.watching, self._recent(name, now_us, is_open=is_open)), now_us)

    def _recent(self, name: str, now_us: int, *, is_open: bool) -> Recent:
        tally: FeedTally = self.tallies.feeds[name]
        begun_us = max(tally.last_us, self._open_since_us.get(name, now_us))
        learned = self._learned.get(name)
        return Recent(
            messages=tally.minutes.recent(now_us, RECENT_MINUTES),
            refused=tally.refused_minutes.recent(now_us, RECENT_MINUTES),
            slow=tally.slow_minutes.recent(now_us, RECENT_MINUTES),
            oldest_s=tally.oldest_s,
            silent_us=max(now_us - begun_us, 0),
            usual_us=None if learned is None else learned.limit_us(now_us),
            is_listened=is_open,
        )

    def _change(self, feed: Feed, found: dict[FeedAlarm, Public], now_us: int) -> None:
        name = str(feed.name)
        for what in FeedAlarm:
            key, why = (name, what), found.get(what)
            raised = self._raised.get(key)
            if why is not None:
                self._raised[key] = (now_us if raised is None else raised[0], why)
                if raised is None:
                    self._emit(FeedAlarmRaised(feed.name, what, now_us))
            elif raised is not None:
                del self._raised[key]
                self._emit(FeedAlarmEnded(feed.name, what, raised[0]))
