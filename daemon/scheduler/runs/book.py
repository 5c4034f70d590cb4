"""The recent runs of each entry, kept at hand in bounded number. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from daemon.scheduler.run import Run, RunState

ENTRIES_LIMIT = 20_000
RECENT_LIMIT = 10
RUNNING_LIMIT = 100

Tell = Callable[[Run, Run | None], None]
"""Takes a run as it stands now, and as it stood before; ``None`` if it is new."""

_FAILED = (RunState.FAILED, RunState.LOST)


@dataclass(slots=True)
class EntryRuns:
    """What is known of one entry's runs.

    Attributes:
        recent: runs and what was passed over, by key, in the order in which they were heard of.
        running: those not over, by key.
        last_enqueued, last_success, last_failure: the latest of their kind, by instant.
    """

    recent: OrderedDict[str, Run] = field(default_factory=OrderedDict)
    running: OrderedDict[str, Run] = field(default_factory=OrderedDict)
    last_enqueued: Run | None = None
    last_success: Run | None = None
    last_failure: Run | None = None

    def runs(self) -> tuple[Run, ...]:
        """Give the recent ones, the latest instant first."""
        return tuple(sorted(self.recent.values(), key=lambda run: run.occurrence_us, reverse=True))


class RunBook:
    """Recent runs by entry; entries that were not heard of for longest are forgotten first."""

    def __init__(self, *, entries_limit: int = ENTRIES_LIMIT) -> None:
        """Begin with nothing."""
        self._entries: OrderedDict[str, EntryRuns] = OrderedDict()
        self._entries_limit = entries_limit
        self._tells: list[Tell] = []

    def on_change(self, tell: Tell) -> None:
        """Have ``tell`` called with each run that is new or has changed; not with those that are remembered at the start."""
        self._tells.append(tell)

    def remember(self, runs: Iterable[Run]) -> None:
        """Take in runs of former times, oldest first, and tell nobody."""
        for run in runs:
            self._take(run)

    def take(self, run: Run) -> None:
        """Take in what is newly known of a run."""
        before = self._take(run)
        if before is not run and before != run:
            for tell in self._tells:
                tell(run, before)

    def _take(self, run: Run) -> Run | None:
        """Note a run; give what was known of it, which is the same run if nothing is new."""
        known = self._entries.get(run.entry)
        if known is None:
            known = self._entries[run.entry] = EntryRuns()
            if len(self._entries) > self._entries_limit:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(run.entry)
        before = known.recent.get(run.key) or known.running.get(run.key)
        if before is not None and before.state.is_over and not run.state.is_over:
            return run  # an old record, read again
        known.recent[run.key] = run
        if len(known.recent) > RECENT_LIMIT:
            known.recent.popitem(last=False)
        if run.state.is_over:
            known.running.pop(run.key, None)
        else:
            known.running[run.key] = run
            if len(known.running) > RUNNING_LIMIT:
                known.running.popitem(last=False)
        _note(known, run, before)
        return before

    # -- looking -------------------------------------------------------------------------------------------------------

    def of(self, entry_id: str) -> EntryRuns | None:
        """Give what is known of an entry's runs; for reading only."""
        return self._entries.get(entry_id)

    def known(self, run: Run) -> Run | None:
        """Give what is known of a run already; ``None`` if it is new, or was forgotten."""
        known = self._entries.get(run.entry)
        return None if known is None else known.recent.get(run.key) or known.running.get(run.key)

    def last_success_us(self, entry_id: str) -> int | None:
        """Give the instant of the latest occurrence that succeeded."""
        known = self._entries.get(entry_id)
        return known.last_success.occurrence_us if known is not None and known.last_success is not None else None

    def last_run_us(self, entry_id: str) -> int | None:
        """Give the instant of the latest occurrence that was enqueued."""
        known = self._entries.get(entry_id)
        return known.last_enqueued.occurrence_us if known is not None and known.last_enqueued is not None else None

    def running(self, entry_id: str) -> tuple[Run, ...]:
        """Give the runs that are enqueued or started, oldest first."""
        known = self._entries.get(entry_id)
        return tuple(known.running.values()) if known is not None else ()


def _note(known: EntryRuns, run: Run, before: Run | None) -> None:
    if run.state is RunState.SKIPPED:
        return
    known.last_enqueued = _later(known.last_enqueued, run)
    if before is not None and before.state is run.state:
        return
    if run.state is RunState.SUCCEEDED:
        known.last_success = _later(known.last_success, run)
    elif run.state in _FAILED:
        known.last_failure = _later(known.last_failure, run)


def _later(known: Run | None, run: Run) -> Run:
    return run if known is None or run.occurrence_us >= known.occurrence_us else known
