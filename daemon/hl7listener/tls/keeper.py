"""Looks after the certificates of feeds: takes changed files into use, tells of their ends in time, and runs the doors."""

from __future__ import annotations

from enum import Enum

import anyio
from anyio import to_thread

from daemon.clock import Clock
from daemon.deeds import Deed, DeedKind
from daemon.hl7listener.tls.certificate import stage
from daemon.hl7listener.tls.credentials import CertificateUnusable, Credentials, Look
from daemon.hl7listener.tls.doors import Doors
from daemon.ports import Emit
from daemon.public import Public, reason
from daemon.trust_events import CertificateNotTaken, CertificateTaken
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised

LOOK_EVERY_S = 2.0
"""A change is taken once it has rested between two looks."""


class Alarm(Enum):
    """What people are told of a feed's certificate."""

    MONTH = "certificate-ends-in-30-days"
    WEEK = "certificate-ends-in-7-days"
    DAY = "certificate-ends-tomorrow"
    ENDED = "certificate-has-ended"
    NOT_TAKEN = "certificate-not-taken"


_STAGES = {30: Alarm.MONTH, 7: Alarm.WEEK, 1: Alarm.DAY, 0: Alarm.ENDED}


class CertificateKeeper:
    """A service.

    Attributes:
        looks: how often the files were looked at.
    """

    name = Public("certificates")

    def __init__(self, doors: Doors, clock: Clock, emit: Emit, *, look_every_s: float = LOOK_EVERY_S) -> None:
        """Read nothing yet."""
        self._doors = doors
        self._clock = clock
        self._emit = emit
        self._look_every_s = look_every_s
        self.looks = 0
        self._alarms: dict[Public, tuple[Alarm, int]] = {}
        self._not_taken: dict[Public, int] = {}
        self._stop = anyio.Event()
        self._asked = anyio.Event()

    async def open(self) -> None:
        """Read all certificates.

        Raises:
            CertificateUnusable: one cannot be used.
        """
        self._stop = anyio.Event()
        for one in self._doors.credentials:
            await to_thread.run_sync(one.load)
            self._tell_end(one)
        self._watch_ends()

    async def serve(self) -> None:
        """Take connections, and look at files and ends every two seconds and when asked to, until drained."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._doors.run)
            tasks.start_soon(self._look_always)
            await self._stop.wait()
            tasks.cancel_scope.cancel()

    async def drain(self) -> None:
        """Take no more connections."""
        self._stop.set()

    def look_now(self) -> None:
        """Have the files looked at now, and what has changed taken at once."""
        self._asked.set()

    # -- within --------------------------------------------------------------------------------------------------------

    async def _look_always(self) -> None:
        while True:
            with anyio.move_on_after(self._look_every_s):
                await self._asked.wait()
            at_once = self._asked.is_set()
            self._asked = anyio.Event()
            for one in self._doors.credentials:
                await self._look(one, at_once=at_once)
            self._watch_ends()
            self.looks += 1

    async def _look(self, one: Credentials, *, at_once: bool) -> None:
        try:
            look = await to_thread.run_sync(lambda: one.look(at_once=at_once))
        except CertificateUnusable as error:
            self._emit(CertificateNotTaken(one.feed, reason(error)))
            if one.feed not in self._not_taken:
                self._not_taken[one.feed] = self._clock.now_us()
                self._emit(FeedAlarmRaised(one.feed, Alarm.NOT_TAKEN, self._not_taken[one.feed]))
            return
        if look is Look.TAKEN:
            since_us = self._not_taken.pop(one.feed, None)
            if since_us is not None:
                self._emit(FeedAlarmEnded(one.feed, Alarm.NOT_TAKEN, since_us))
            self._emit(Deed(DeedKind.CERTIFICATE_CHANGED, Public(""), one.feed))
            self._tell_end(one)

    def _tell_end(self, one: Credentials) -> None:
        if one.validity is not None:
            self._emit(CertificateTaken(one.feed, one.validity.until_us))

    def _watch_ends(self) -> None:
        now_us = self._clock.now_us()
        for feed in dict.fromkeys(one.feed for one in self._doors.credentials):
            until_us = self._doors.expires_us(feed)
            reached = None if until_us is None else stage(until_us, now_us)
            told = self._alarms.get(feed)
            if reached is None:
                if told is not None:
                    del self._alarms[feed]
                    self._emit(FeedAlarmEnded(feed, *told))
            elif told is None or told[0] is not _STAGES[reached]:
                self._alarms[feed] = _STAGES[reached], now_us
                self._emit(FeedAlarmRaised(feed, *self._alarms[feed]))
