"""What is due: a pure verdict over an entry, what is accounted for, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.clock import SECOND_US
from daemon.scheduler.model import CatchUpPolicy, Entry
from daemon.scheduler.triggers import last_at_or_before

GRACE_US = 60 * SECOND_US
"""An occurrence later than this is a misfire: it was missed, not merely delayed."""

BATCH_LIMIT = 100
"""Occurrences of one entry in one verdict under ``all``; the rest follow in the next."""

COUNT_LIMIT = 1000
"""Beyond this many, skipped occurrences are no longer counted one by one."""


class SkipReason(Enum):
    """Why an occurrence was not run."""

    COALESCED = "coalesced"
    """A later one runs in its place."""
    POLICY = "catch-up-skip"
    """The entry's policy is ``skip``."""
    WINDOW = "outside-window"
    """It is older than the entry's window."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Occurrences that are not run, from the first to the last; ``count`` stops at 1000."""

    first_us: int
    last_us: int
    count: int
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an entry now.

    Attributes:
        due: instants to be enqueued, oldest first.
        skipped: those passed over, if any.
        settled_us: up to where everything is accounted for once ``due`` is enqueued; ``None`` if nothing changes.
        wake_us: when to look again; ``None`` if the entry will never fire again.
    """

    due: tuple[int, ...]
    skipped: Skipped | None
    settled_us: int | None
    wake_us: int | None


def evaluate(entry: Entry, horizon_us: int, now_us: int) -> Verdict:
    """Decide what is due of ``entry`` at ``now_us``, everything up to ``horizon_us`` being accounted for."""
    trigger = entry.trigger
    first = trigger.next_after(horizon_us)
    if first is None or first > now_us:
        return Verdict((), None, None, first)
    second = trigger.next_after(first)
    if second is None or second > now_us:
        last, wake = first, second
    else:
        found = last_at_or_before(trigger, now_us, after_us=first)
        last, wake = found or first, trigger.next_after(now_us)
    if entry.catch_up.policy is CatchUpPolicy.ALL:
        return _all(entry, horizon_us, first, last, now_us, wake)
    if entry.catch_up.policy is CatchUpPolicy.SKIP:
        limit_us: int | None = GRACE_US
        why = SkipReason.POLICY
    else:
        limit_us, why = entry.catch_up.window_us, SkipReason.WINDOW
    if limit_us is not None and now_us - last > limit_us:
        return Verdict((), _skipped(entry, first, last, why), last, wake)
    earlier = _skipped(entry, first, last - 1, SkipReason.COALESCED) if last > first else None
    return Verdict((last,), earlier, last, wake)


def _all(entry: Entry, horizon_us: int, first: int, last: int, now_us: int, wake: int | None) -> Verdict:
    trigger, window = entry.trigger, entry.catch_up.window_us
    oldest = horizon_us if window is None else max(horizon_us, now_us - window - 1)
    due: list[int] = []
    at = trigger.next_after(oldest)
    while at is not None and at <= last and len(due) < BATCH_LIMIT:
        due.append(at)
        at = trigger.next_after(at)
    skipped = _skipped(entry, first, (due[0] if due else last + 1) - 1, SkipReason.WINDOW)
    if not due:
        return Verdict((), skipped, last, wake)
    more = due[-1] < last
    return Verdict(tuple(due), skipped, due[-1], now_us if more else wake)


def _skipped(entry: Entry, first: int, until: int, why: SkipReason) -> Skipped | None:
    if first > until:
        return None
    count, at, last = 0, first, first
    while at <= until and count < COUNT_LIMIT:
        count, last = count + 1, at
        following = entry.trigger.next_after(at)
        if following is None:
            break
        at = following
    if count == COUNT_LIMIT:
        last = last_at_or_before(entry.trigger, until, after_us=last) or last
    return Skipped(first, last, count, why)
