"""The scheduler's nouns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from daemon.clock import SECOND_US
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


class OverlapPolicy(Enum):
    """What becomes of an occurrence whose predecessor still runs."""

    ALLOW = "allow"
    """It runs beside it."""
    SKIP = "skip"
    """It does not run."""
    QUEUE_ONE = "queue-one"
    """The latest of those that wait runs when the predecessor ends."""
    QUEUE_ALL = "queue-all"
    """Each of those that wait runs when its predecessor ends, oldest first."""
    CANCEL_OTHER = "cancel-other"
    """It runs; the predecessor is revoked, which keeps it from starting and does not stop it."""
    TERMINATE_OTHER = "terminate-other"
    """It runs; the predecessor is revoked and, if it has started, stopped."""


STALE_US = 86_400 * SECOND_US


@dataclass(frozen=True, slots=True)
class Overlap:
    """A policy, and for how long a run that gives no sign is taken to go on."""

    policy: OverlapPolicy = OverlapPolicy.ALLOW
    stale_us: int = STALE_US


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` at once, then one every ``per_us / count``: what was not used up builds up to ``count`` again."""

    count: int
    per_us: int


@dataclass(frozen=True, slots=True)
class Limit:
    """How many may run at once, and how many may be enqueued in a time; ``None``: no limit. Counted over all daemons."""

    concurrency: int | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Occurrences are passed over until ``until_us`` (``None``: until someone resumes the entry)."""

    until_us: int | None = None
    note: str = field(default="", repr=False)
    author: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """When a run must have started and be over, counted from its occurrence; what is missed is reported.

    Attributes:
        ping: where to say so on time (healthchecks' protocol); the address is a secret and left out of the representation.
    """

    start_within_us: int | None = None
    finish_within_us: int | None = None
    ping: str | None = field(default=None, repr=False)


class How(Enum):
    """What brought an occurrence about."""

    CLOCK = "clock"
    CATCH_UP = "catch-up"
    MANUAL = "manual"
    BACKFILL = "backfill"
    HELD = "held"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the schedule. Arguments are left out of the representation.

    Attributes:
        name: its key in the site file.
        identity: what it is known by in the broker and to its history if not by its name; survives renames.
        canvas: a chain, group or chord as data instead of a single task; ``task`` then names it in what is shown.
        expires_us: how long after it was enqueued a message may still be run, as Celery counts; ``None`` for ever.
        expires_at_us: instant after which none of its messages may be run.
        start_deadline_us: an occurrence that could not be enqueued this long after its instant is passed over.
        max_runs: how many occurrences are enqueued in all.
        begins_us: up to where everything is accounted for when the broker knows nothing of it; ``None``: up to now.
        task_id: of a one-off entry whose caller was told the id already.
        is_once: it is taken out of the schedule when it has fired.
        how: what to write in its history.
        kin: of a run asked for by hand: the entry beside whose runs it may not run, where they may not overlap.
        zone: its time zone, for templates and previews.
        source: where it comes from: ``site``, ``app``, ``django``, ``runtime`` …
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
    expires_at_us: int | None = None
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    headers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity: Public | None = None
    canvas: Mapping[str, Any] | None = field(default=None, repr=False)
    overlap: Overlap = Overlap()
    limit: Limit = Limit()
    start_deadline_us: int | None = None
    max_runs: int | None = None
    pause: Pause | None = None
    expect: Expectation = Expectation()
    begins_us: int | None = None
    task_id: str | None = None
    is_once: bool = False
    how: How = How.CLOCK
    kin: str | None = None
    zone: str = "UTC"
    source: Public = Public("site")  # noqa: RUF009 - a text

    @property
    def id(self) -> Public:
        """Say what it is known by."""
        return self.identity or self.name

    @property
    def revision(self) -> str:
        """Give a short digest of the timing. A changed timing starts a new count; changed arguments do not."""
        return hashlib.blake2b(self.trigger.describe().encode(), digest_size=6).hexdigest()


SHUT = "off"
"""The revision of an entry that was disabled; no timing has it."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What the broker remembers of an entry.

    Attributes:
        revision: of its timing.
        at_us: every occurrence up to here is accounted for.
        since_us: when it was adopted under this revision; 0 if nobody noted it.
        runs: how many occurrences were enqueued since.
    """

    revision: str
    at_us: int
    since_us: int = 0
    runs: int = 0

    def __str__(self) -> str:
        """Write the form kept in the broker."""
        return f"{self.revision}:{self.at_us}:{self.since_us}:{self.runs}"


def parse_horizon(text: str) -> Horizon | None:
    """Read what the broker remembers; ``None`` if it is not one of ours."""
    revision, *numbers = text.split(":")
    digits = "".join(numbers)
    if len(numbers) != len(_NUMBERS) or not all(numbers) or not (digits.isascii() and digits.isdigit()):
        return None
    return Horizon(revision, *map(int, numbers))


_NUMBERS = ("at_us", "since_us", "runs")
