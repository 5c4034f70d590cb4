"""What is watched of a feed while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watching:
    """What is watched, and when an alarm is due."""
