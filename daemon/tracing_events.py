"""What happens to traces, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class SpansSent:
    """A collector took spans."""

    count: int


@dataclass(frozen=True, slots=True)
class SpansLost:
    """Spans were thrown away: there was no room for them, or no collector took them."""

    count: int


@dataclass(frozen=True, slots=True)
class CollectorLost:
    """The collector does not take spans; said once until it does. Nothing waits for it."""

    endpoint: Public
    reason: Public


@dataclass(frozen=True, slots=True)
class CollectorBack:
    """The collector takes spans again."""

    endpoint: Public
