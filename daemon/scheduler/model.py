"""The scheduler's nouns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from daemon.public import Public
from daemon.scheduler.triggers import Trigger


class CatchUpPolicy(Enum):
    """What becomes of occurrences whose time passed while nothing could fire them."""

    SKIP = "skip"
    """None of them runs."""
    ONE = "one"
    """The latest runs, once."""
    ALL = "all"
    """Each runs, oldest first."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """A policy, and how far back it reaches (``None``: without limit)."""

    policy: CatchUpPolicy = CatchUpPolicy.ONE
    window_us: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the schedule. Arguments are left out of the representation.

    Attributes:
        name: its key in the site file, and its identity.
        expires_us: how long after it was enqueued a message may still be run, as Celery counts; ``None`` for ever.
    """

    name: Public
    task: Public
    trigger: Trigger
    catch_up: CatchUp = CatchUp()
    args: Sequence[Any] = field(default=(), repr=False)
    kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    queue: Public | None = None
    priority: int | None = None
    expires_us: int | None = None
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    headers: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def revision(self) -> str:
        """Give a short digest of the timing. A changed timing starts a new count; changed arguments do not."""
        return hashlib.blake2b(self.trigger.describe().encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Horizon:
    """What the broker remembers of an entry: every occurrence up to ``at_us`` is accounted for, under ``revision``."""

    revision: str
    at_us: int

    def __str__(self) -> str:
        """Write the form kept in the broker."""
        return f"{self.revision}:{self.at_us}"


def parse_horizon(text: str) -> Horizon | None:
    """Read what the broker remembers; ``None`` if it is not one of ours."""
    revision, colon, at = text.partition(":")
    if not colon or not at.isascii() or not at.isdigit():
        return None
    return Horizon(revision, int(at))
