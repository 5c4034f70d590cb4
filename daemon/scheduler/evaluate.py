"""What is due: a pure verdict over an entry, what is accounted for, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.clock import SECOND_US
from daemon.scheduler.model import CatchUpPolicy, Entry, OverlapPolicy
from daemon.scheduler.triggers import Trigger, last_at_or_before

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
    DEADLINE = "start-deadline"
    """It could not be enqueued by the entry's deadline."""
    PAUSED = "paused"
    """The entry is paused."""
    OVERLAP = "overlap"
    """Its predecessor still runs."""
    INVALID = "invalid"
    """No worker could take its message."""
    HELD = "held"
    """All schedules were held, and its policy did not have it made up for."""


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


@dataclass(frozen=True, slots=True)
class Past:
    """What an entry has behind it, as far as it matters for what is due.

    Attributes:
        since_us: when it was adopted.
        runs: how many occurrences were enqueued since.
        waits: whether its next occurrence is due already and waits for a place or a rate.
        was_held: whether its next occurrence is due already and waited for the end of a hold: the policy for what was missed
            decides what becomes of it.
    """

    since_us: int = 0
    runs: int = 0
    waits: bool = False
    was_held: bool = False


_NEW = Past()


def evaluate(entry: Entry, horizon_us: int, now_us: int, past: Past = _NEW) -> Verdict:
    """Decide what is due of ``entry`` at ``now_us``, everything up to ``horizon_us`` being accounted for."""
    left = None if entry.max_runs is None else entry.max_runs - past.runs
    if left is not None and left <= 0:
        return Verdict((), None, None, None)
    trigger = entry.trigger.begun(past.since_us)
    first = trigger.next_after(horizon_us)
    if first is None or first > now_us:
        return Verdict((), None, None, first)
    second = trigger.next_after(first)
    if second is None or second > now_us:
        last, wake = first, second
    else:
        found = last_at_or_before(trigger, now_us, after_us=first)
        last, wake = found or first, trigger.next_after(now_us)
    if is_paused(entry, now_us):
        return Verdict((), _skipped(trigger, first, last, SkipReason.PAUSED), last, wake)
    policy, limit_us, why = _reach(entry, waits=past.waits)
    why = SkipReason.HELD if past.was_held else why
    if policy is CatchUpPolicy.ALL:
        return _all(trigger, horizon_us, first, last, now_us, wake, limit_us, why, left)
    if limit_us is not None and now_us - last > limit_us:
        return Verdict((), _skipped(trigger, first, last, why), last, wake)
    coalesced = SkipReason.HELD if past.was_held else SkipReason.COALESCED
    earlier = _skipped(trigger, first, last - 1, coalesced) if last > first else None
    return Verdict((last,), earlier, last, None if left == 1 else wake)


def is_paused(entry: Entry, now_us: int) -> bool:
    """Say whether occurrences of ``entry`` are passed over at present."""
    pause = entry.pause
    return pause is not None and (pause.until_us is None or now_us < pause.until_us)


def _reach(entry: Entry, *, waits: bool) -> tuple[CatchUpPolicy, int | None, SkipReason]:
    """Say what becomes of several that are due, how old one may be, and the reason that is given for older ones.

    One that waits for a place was not missed: the policy for what was missed does not count, the deadline does.
    """
    policy, limit_us, why = entry.catch_up.policy, entry.catch_up.window_us, SkipReason.WINDOW
    if waits:
        limit_us = None
        if entry.overlap.policy is OverlapPolicy.QUEUE_ALL:
            policy = CatchUpPolicy.ALL
        elif entry.overlap.policy is OverlapPolicy.QUEUE_ONE or policy is CatchUpPolicy.SKIP:
            policy = CatchUpPolicy.ONE
    elif policy is CatchUpPolicy.SKIP:
        limit_us, why = GRACE_US, SkipReason.POLICY
    deadline_us = entry.start_deadline_us
    if deadline_us is not None and (limit_us is None or deadline_us < limit_us):
        limit_us, why = deadline_us, SkipReason.DEADLINE
    return policy, limit_us, why


def _all(
    trigger: Trigger,
    horizon_us: int,
    first: int,
    last: int,
    now_us: int,
    wake: int | None,
    limit_us: int | None,
    why: SkipReason,
    left: int | None,
) -> Verdict:
    oldest = horizon_us if limit_us is None else max(horizon_us, now_us - limit_us - 1)
    most = BATCH_LIMIT if left is None else min(left, BATCH_LIMIT)
    due: list[int] = []
    at = trigger.next_after(oldest)
    while at is not None and at <= last and len(due) < most:
        due.append(at)
        at = trigger.next_after(at)
    skipped = _skipped(trigger, first, (due[0] if due else last + 1) - 1, why)
    if not due:
        return Verdict((), skipped, last, wake)
    if len(due) == left:
        return Verdict(tuple(due), skipped, due[-1], None)
    more = due[-1] < last
    return Verdict(tuple(due), skipped, due[-1], now_us if more else wake)


def _skipped(trigger: Trigger, first: int, until: int, why: SkipReason) -> Skipped | None:
    if first > until:
        return None
    count, at, last = 0, first, first
    while at <= until and count < COUNT_LIMIT:
        count, last = count + 1, at
        following = trigger.next_after(at)
        if following is None:
            break
        at = following
    if count == COUNT_LIMIT:
        last = last_at_or_before(trigger, until, after_us=last) or last
    return Skipped(first, last, count, why)
