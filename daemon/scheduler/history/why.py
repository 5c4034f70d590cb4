"""Why an occurrence ran, or did not: told from the history and the entry's trigger. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from daemon.clock import SECOND_US, instant
from daemon.scheduler.history.present import Standing
from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.triggers import Trigger, last_at_or_before

LOOK_BACK_US = 400 * 86_400 * SECOND_US
"""How far back the occurrence before an instant is searched for."""


class Knowledge(NamedTuple):
    """What a history holds about an instant of an entry.

    Attributes:
        runs: at the instant and next to it.
        first_us: when its first record was written; ``None`` if it holds none.
        entry_us: instant of the entry's first record; ``None`` if it has none.
        watches: times (from, until) in which this daemon copied records.
        gaps: times of which records may be missing.
    """

    runs: Sequence[Run]
    first_us: int | None = None
    entry_us: int | None = None
    watches: Sequence[tuple[int, int]] = ()
    gaps: Sequence[tuple[int, int]] = ()


class Finding(Enum):
    """What the answer comes to."""

    RAN = "ran"
    SKIPPED = "skipped"
    NOT_DUE = "not-due"
    NOT_YET = "not-yet"
    WAITS = "waits"
    UNKNOWN = "unknown"


class Explanation(NamedTuple):
    """An answer in words, the run it is about, and the occurrences next to an instant at which nothing was due."""

    finding: Finding
    text: str
    run: Run | None = None
    before_us: int | None = None
    after_us: int | None = None


def explain(
    trigger: Trigger | None, at_us: int, known: Knowledge, now_us: int, stands: Standing | None = None
) -> Explanation:
    """Say what became of the occurrence at an instant (to the second).

    Without a trigger the history alone tells. Of what left no record, ``stands`` tells how the entry stands now.
    """
    for run in known.runs:
        if _is_meant(run, at_us):
            return Explanation(_finding(run), _told(run, at_us), run)
    if stands is not None and not stands.is_due:
        return Explanation(Finding.NOT_DUE, f"nothing of it is recorded, and {stands.text}")
    if trigger is not None:
        due_us = trigger.next_after(at_us - at_us % SECOND_US - 1)
        if due_us is None or due_us // SECOND_US != at_us // SECOND_US:
            before_us = last_at_or_before(trigger, at_us, after_us=at_us - LOOK_BACK_US)
            return Explanation(Finding.NOT_DUE, _not_due(before_us, due_us), None, before_us, due_us)
        at_us = due_us
    if at_us > now_us:
        return Explanation(Finding.NOT_YET, f"{_at(at_us)} has not come yet")
    if stands is not None:
        return Explanation(Finding.WAITS, stands.text)
    return Explanation(Finding.UNKNOWN, _nothing(at_us, known, is_due=trigger is not None))


def _is_meant(run: Run, at_us: int) -> bool:
    if run.state is RunState.SKIPPED and run.last_us:
        return run.occurrence_us // SECOND_US <= at_us // SECOND_US <= run.last_us // SECOND_US
    return run.occurrence_us // SECOND_US == at_us // SECOND_US


def _finding(run: Run) -> Finding:
    return Finding.SKIPPED if run.state is RunState.SKIPPED else Finding.RAN


def _told(run: Run, at_us: int) -> str:
    if run.state is RunState.SKIPPED:
        text = f"it was passed over: {skip_text(run.reason)}"
        if run.times > 1:
            text += f" (with {run.times - 1} more, from {_at(run.occurrence_us)} to {_at(run.last_us)})"
        return text
    origin = _ORIGINS.get(run.how, "")
    sent = f"it was enqueued at {_at(run.settled_us)}, {_span(run.settled_us - at_us)} after its instant{origin}"
    return f"{sent}; {_ending(run)}"


_ORIGINS = {
    How.MANUAL: " because someone asked for it",
    How.BACKFILL: " by a backfill",
    How.MESSAGE: " because a message of a feed asked for it",
    How.CATCH_UP: " to catch up",
}

_ENDINGS = {
    RunState.ENQUEUED: "no worker is known to have started it",
    RunState.STARTED: "it runs",
    RunState.SUCCEEDED: "it succeeded",
    RunState.FAILED: "it failed",
    RunState.REVOKED: "it was revoked",
    RunState.LOST: "it was lost",
    RunState.UNKNOWN: "what became of it nobody tells: the workers send no events of tasks and no result is kept",
}

_LOST = {
    "worker-gone": "its worker is gone",
    "worker-restarted": "its worker was started anew",
    "vanished": "no worker has it and it is in no queue",
    "stale": "nothing was heard of it for longer than it may take",
}


def _ending(run: Run) -> str:
    text = _ENDINGS[run.state]
    if run.worker and run.state is not RunState.UNKNOWN:
        text += f" on {run.worker}"
    if run.state is RunState.STARTED and run.started_us is not None:
        text += f" since {_at(run.started_us)}"
    elif run.finished_us is not None and run.state is not RunState.UNKNOWN:
        text += f" at {_at(run.finished_us)}"
    if run.reason and run.state is not RunState.UNKNOWN:
        text += f" ({_LOST.get(run.reason, run.reason)})"
    return text


_SKIPS = {
    "coalesced": "a later one ran in its place (catch_up)",
    "catch-up-skip": "it was missed, and catch_up is skip",
    "outside-window": "it was missed, and is older than the window of catch_up",
    "start-deadline": "it could not be enqueued within start_deadline",
    "overlap": "its predecessor still ran",
    "paused": "the entry was paused",
    "held": "all schedules were held",
    "excluded": "except names this instant",
    "limit": "a limit was reached",
    "max-runs": "the entry had run max_runs times",
    "malformed": "no worker could take its message",
    "invalid": "no worker could take its message",
}
"""Reasons in words. What stands behind a colon is added."""


def skip_text(reason: str) -> str:
    """Say in words why an occurrence was passed over."""
    word, _, more = reason.partition(":")
    text = _SKIPS.get(word, word or "nobody said why")
    more = more.strip()
    if not more:
        return text
    return f"{text}, run {more}" if word == "overlap" else f"{text}: {more}"


def _not_due(before_us: int | None, after_us: int | None) -> str:
    before = f"the occurrence before was {_at(before_us)}" if before_us is not None else "there was none before"
    after = f"the next is {_at(after_us)}" if after_us is not None else "there is none after"
    return f"it was not due then: {before}, {after}"


def _nothing(at_us: int, known: Knowledge, *, is_due: bool) -> str:
    due = "it was due" if is_due else "nothing is recorded"
    if known.first_us is None:
        return f"{due}, but the history is empty"
    if any(from_us <= at_us <= until_us for from_us, until_us in known.gaps):
        return f"{due}, but records of that time were dropped from the broker before this daemon had copied them"
    if known.entry_us is None:
        return f"{due}, but nothing of this entry was ever recorded: it is new, or no daemon ran it"
    if at_us < known.entry_us:
        return f"{due}, but the entry's first record is of {_at(known.entry_us)}: before, it was not known, or the history is no longer kept"
    away = _away(at_us, known.watches)
    if away is not None:
        return f"{due}, but this daemon did not run {away}, and no other wrote anything of it"
    return f"{due}, but no daemon wrote anything of it: the broker was away, or the entry was not in the schedule or not enabled"


def _away(at_us: int, watches: Sequence[tuple[int, int]]) -> str | None:
    """Say when the daemon was away, if it was at this instant."""
    if any(began_us <= at_us <= seen_us for began_us, seen_us in watches):
        return None
    before = max((seen_us for _, seen_us in watches if seen_us < at_us), default=None)
    after = min((began_us for began_us, _ in watches if began_us > at_us), default=None)
    if after is None:
        return None  # it runs, and has not noted so yet
    return f"until {_at(after)}" if before is None else f"between {_at(before)} and {_at(after)}"


def _at(at_us: int) -> str:
    return instant(at_us).isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(us: int) -> str:
    return f"{max(us, 0) / SECOND_US:.1f} s"
