"""When Celery's crontab fires, asked of Celery itself. A script too, for an interpreter with another Celery.

As a script it reads cases from standard input, one JSON list a line, and writes one list of instants for each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import celery
from celery import Celery
from celery.schedules import crontab

DAY_S = 86_400
LOOK_BACK_S = (5 * 3600, 26 * 3600, 70 * DAY_S, 800 * DAY_S, 45 * 366 * DAY_S)
MOST = 100_000
SETTLED_S = 4 * 3600
"""After its first fire and as much as clocks change, a beat does what any beat does that began earlier."""
_MINUTE = timedelta(minutes=1)
_LARGEST = timedelta(hours=3, minutes=1)


class Chain:
    """A crontab of Celery whose clock is told."""

    def __init__(self, text: str, zone: str) -> None:
        minute, hour, day, month, weekday = text.split()
        self.app: Any = Celery("oracle", broker="memory://", set_as_current=False)
        self.app.conf.timezone = zone
        self.zone = ZoneInfo(zone)
        self.now: datetime | None = None
        self.crontab: Any = crontab(minute, hour, weekday, day, month, app=self.app, nowfun=lambda: self.now)

    def fires(self, begin_s: int, end_s: int, most: int) -> list[int]:
        """Give fires after ``begin_s``, each asked for as of the last: the ideal life of a beat."""
        at = datetime.fromtimestamp(begin_s, UTC)
        found: list[int] = []
        while len(found) < most:
            self.now = at.astimezone(self.zone)
            at += self.crontab.remaining_estimate(self.now)
            if at.timestamp() >= end_s:
                break
            found.append(round(at.timestamp()))
        return found

    def polled(self, begin_s: int, end_s: int) -> list[int]:
        """Give fires after ``begin_s`` of a beat that asks ``is_due`` every minute."""
        at = datetime.fromtimestamp(begin_s, UTC)
        last = at.astimezone(self.zone)
        found: list[int] = []
        while True:
            at += _MINUTE
            if at.timestamp() >= end_s:
                return found
            self.now = at.astimezone(self.zone)
            due, wait = self.crontab.is_due(last)
            if due:
                found.append(round(at.timestamp()))
                last = self.now
            elif timedelta(seconds=wait) > _LARGEST:
                # No clock change is larger; until then it would only say no.
                at += (timedelta(seconds=wait) - _LARGEST) // _MINUTE * _MINUTE


def fires(text: str, zone: str, start_s: int, end_s: int, change_s: int | None, how: str = "chain") -> list[int]:
    """Give the fires in [start, end) of a beat that has been running for long.

    ``change_s`` is the clock change before ``start_s``, if it is near: beat begins before it.
    """
    chain = Chain(text, zone)
    found: list[int] = []
    settled = min(start_s, change_s or start_s)
    for back in _look_back(text, zone, settled):
        found = chain.polled(settled - back, end_s) if how == "polled" else chain.fires(settled - back, end_s, MOST)
        if found and found[0] + SETTLED_S <= start_s:
            break
    return [at for at in found if at >= start_s]


def _look_back(text: str, zone: str, settled_s: int) -> Iterator[int]:
    """Give how far to begin before an instant, the least first: hours, or a few days on which the crontab may fire."""
    yield from LOOK_BACK_S[:2]
    nightly = Chain(" ".join(["59", "23", *text.split()[2:]]), zone)
    for back in LOOK_BACK_S[2:]:
        days = nightly.fires(settled_s - back, settled_s, MOST)
        for nights in (1, 4):
            if len(days) > nights:
                yield settled_s - days[-nights] + 26 * 3600
    yield LOOK_BACK_S[-1]


if __name__ == "__main__":
    print(json.dumps(celery.__version__), flush=True)
    for line in sys.stdin:
        print(json.dumps(fires(*json.loads(line))), flush=True)
