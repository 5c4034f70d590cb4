"""What happens where entries come from besides the site file, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class SourceUp:
    """A source of entries besides the site file answers, after the start or after it was away."""

    source: Public
    address: Public
    entries: int


@dataclass(frozen=True, slots=True)
class SourceLost:
    """It cannot be read; what is known of its entries goes on. Said once until it answers again."""

    source: Public
    code: Public
    reason: Public


@dataclass(frozen=True, slots=True)
class EntryUncarried:
    """An entry of such a source cannot be run here, or never could be run at all."""

    source: Public
    entry: Public
    reason: Public
