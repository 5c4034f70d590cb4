"""What happens at the API, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """A request was answered; ``route`` is the template of its path, never the path."""

    method: Public
    route: Public
    status: int
    took_s: float


@dataclass(frozen=True, slots=True)
class LineOpened:
    """A WebSocket was opened; ``open`` of them are there now."""

    route: Public
    open: int


@dataclass(frozen=True, slots=True)
class LineClosed:
    """A WebSocket ended; ``was_slow``: its reader took too long and was dropped."""

    route: Public
    open: int
    was_slow: bool


@dataclass(frozen=True, slots=True)
class RequestDenied:
    """Somebody was not let in, or may not; ``code`` says why."""

    code: Public
    route: Public
    address: Public
