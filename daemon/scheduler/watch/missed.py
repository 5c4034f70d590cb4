"""What was expected of an occurrence and did not happen. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from daemon.scheduler.model import Entry, How, OverlapPolicy
from daemon.scheduler.run import Run, RunState


class What(Enum):
    """What was missed, from what is noticed first to what is noticed last."""

    NOT_ENQUEUED = "not-enqueued"
    """Its message was not in its queue in time."""
    NOT_STARTED = "not-started"
    """No worker had begun it in time."""
    NOT_FINISHED = "not-finished"
    """It was not over in time."""
    FAILED = "failed"
    """It failed, its worker was lost, or it expired unrun."""
    DAEMON_GONE = "daemon-gone"
    """A daemon of the site gives no sign any more."""

    @property
    def rank(self) -> int:
        """Give its place in that order."""
        return _RANKS[self]


_RANKS = {what: place for place, what in enumerate(What)}


class Missed(NamedTuple):
    """Something that was missed.

    Attributes:
        about: id of the entry, or the daemon.
        name: what the entry is called.
        at_us: the occurrence; when the daemon was seen last.
        since_us: from when on it counts as missed.
    """

    about: str
    name: str
    at_us: int
    what: What
    since_us: int


class Telling(NamedTuple):
    """What is heard of runs at all: whether they have started, and whether they are over."""

    starts: bool = True
    ends: bool = True


DELIBERATE = frozenset(("paused", "held", "excluded", "overlap", "limit", "max-runs"))
"""Reasons for which an occurrence is passed over because someone wanted that."""

_REPLACES = (OverlapPolicy.CANCEL_OTHER, OverlapPolicy.TERMINATE_OTHER)


def is_watched(entry: Entry) -> bool:
    """Say whether anything is expected of the runs of ``entry`` by a time."""
    return entry.expect.start_within_us is not None or entry.expect.finish_within_us is not None


def is_deliberate(run: Run) -> bool:
    """Say of an occurrence that was passed over whether someone wanted that."""
    return run.reason.partition(":")[0] in DELIBERATE


def deadlines(entry: Entry, occurrence_us: int, run: Run | None) -> tuple[int | None, int | None]:
    """Say until when an occurrence must have started, and be over.

    Counted from its instant; for one that was enqueued late, which was told already, from when it was.
    """
    expect = entry.expect
    begin_us = occurrence_us
    if run is not None:
        first_us = min((one for one in (expect.start_within_us, expect.finish_within_us) if one is not None), default=0)
        if run.how is How.CATCH_UP or run.settled_us - occurrence_us >= first_us:
            begin_us = max(begin_us, run.settled_us)
    return (
        None if expect.start_within_us is None else begin_us + expect.start_within_us,
        None if expect.finish_within_us is None else begin_us + expect.finish_within_us,
    )


def judge(entry: Entry, occurrence_us: int, run: Run | None, now_us: int, telling: Telling) -> Missed | None:
    """Say what one occurrence has missed by ``now_us``; ``None`` if nothing.

    Args:
        entry: what is expected of it.
        occurrence_us: its instant.
        run: what is known of it; ``None``: nothing, so it is not in its queue.
        now_us: on the clock occurrences are counted by.
        telling: what would be heard of a run.
    """
    if not is_watched(entry):
        return None
    start_us, finish_us = deadlines(entry, occurrence_us, run)
    found: tuple[What, int] | None = None
    if run is None:
        first_us = min(one for one in (start_us, finish_us) if one is not None)
        found = (What.NOT_ENQUEUED, first_us) if now_us >= first_us else None
    elif run.state is RunState.SKIPPED:
        found = None if is_deliberate(run) else (What.NOT_ENQUEUED, run.settled_us or now_us)
    elif run.state in (RunState.FAILED, RunState.LOST) or _is_unwanted(run, entry):
        found = (What.FAILED, run.finished_us or now_us)
    elif not run.state.is_over and finish_us is not None and now_us >= finish_us and telling.ends:
        found = (What.NOT_FINISHED, finish_us)
    elif run.state is RunState.ENQUEUED and start_us is not None and now_us >= start_us and telling.starts:
        found = (What.NOT_STARTED, start_us)
    return None if found is None else Missed(str(entry.id), str(entry.name), occurrence_us, *found)


def _is_unwanted(run: Run, entry: Entry) -> bool:
    """Say of a revoked run whether nobody wanted that: a message that expired unrun is revoked by the worker that finds it."""
    return run.state is RunState.REVOKED and entry.overlap.policy not in _REPLACES


def makes_good(what: What, at_us: int, run: Run) -> bool:
    """Say whether a run ends what was missed by the occurrence at ``at_us``: its own run, late, or a later one."""
    if run.occurrence_us < at_us or run.state is RunState.SKIPPED:
        return False
    if what is What.NOT_ENQUEUED:
        return True
    if what is What.NOT_STARTED:
        return run.state is not RunState.ENQUEUED and run.state is not RunState.REVOKED
    return run.state is RunState.SUCCEEDED or (what is What.NOT_FINISHED and run.state is RunState.UNKNOWN)
