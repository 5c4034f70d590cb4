"""What watching finds and tells, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class OccurrenceMissed:
    """An occurrence did not do what is expected of it."""

    entry: Public
    occurrence_us: int
    what: Enum
    since_us: int


@dataclass(frozen=True, slots=True)
class OccurrenceMadeGood:
    """What an occurrence had missed was made good, by itself or by a later one."""

    entry: Public
    occurrence_us: int
    what: Enum


@dataclass(frozen=True, slots=True)
class DaemonGone:
    """Another daemon of the site gives no sign any more."""

    daemon: Public
    seen_us: int


@dataclass(frozen=True, slots=True)
class DaemonBack:
    """It gives signs again."""

    daemon: Public


@dataclass(frozen=True, slots=True)
class DaemonsSeen:
    """How many daemons of the site give signs, this one included."""

    alive: int


@dataclass(frozen=True, slots=True)
class FeedAlarmRaised:
    """Something is wrong with a feed that people are told of."""

    feed: Public
    what: Enum
    since_us: int


@dataclass(frozen=True, slots=True)
class FeedAlarmEnded:
    """It is well again."""

    feed: Public
    what: Enum
    since_us: int


@dataclass(frozen=True, slots=True)
class AlertSent:
    """A channel took an alert or a ping."""

    channel: Enum


@dataclass(frozen=True, slots=True)
class AlertFailed:
    """A channel did not take it, however often it was tried."""

    channel: Enum
    where: Public
    reason: Public


@dataclass(frozen=True, slots=True)
class AlertTaskRefused:
    """No worker could take the task that alerts are given to; they go over the other channels only."""

    task: Public
    reason: Public
