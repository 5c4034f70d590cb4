"""The occurrences that are under watch, and their deadlines in a heap: an entry costs nothing until one of them has come. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from daemon.scheduler.model import Entry, How
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.watch.missed import Missed, Telling, deadlines, is_deliberate, is_watched, judge

PENDING_LIMIT = 1000
"""Occurrences of one entry under watch at once; beyond it the oldest are no longer watched."""

LOOKS_LIMIT = 1000
"""Deadlines looked at in one go."""

NEWS_US = 5_000_000
"""A run is judged so long after it was first heard of, at the earliest."""

_BY_CLOCK = (How.CLOCK, How.CATCH_UP)
_EVERYTHING = Telling()


@dataclass(slots=True)
class _Pending:
    """An occurrence under watch: what is known of it, from when on it may be judged, and the worst that was found (``What.rank``)."""

    run: Run | None
    from_us: int = 0
    found: int = -1


@dataclass(slots=True)
class _Watched:
    entry: Entry
    pending: dict[int, _Pending] = field(default_factory=dict)


class Vigil:
    """Takes what is planned and what becomes of it, and says what was missed."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._watched: dict[str, _Watched] = {}
        self._deadlines: list[tuple[int, str, int]] = []

    # -- entries -------------------------------------------------------------------------------------------------------

    def put(self, entries: Iterable[Entry]) -> None:
        """Watch entries of which something is expected, by what they say now; no longer those of which nothing is."""
        for entry in entries:
            key = str(entry.id)
            known = self._watched.get(key)
            if not is_watched(entry) or entry.is_once:
                self._watched.pop(key, None)
            elif known is None:
                self._watched[key] = _Watched(entry)
            elif known.entry is not entry:
                known.entry = entry
                for at_us, one in known.pending.items():
                    self._push(known, at_us, one.run)

    def drop(self, ids: Iterable[str]) -> None:
        """Watch these no more."""
        for key in ids:
            self._watched.pop(key, None)

    def entry(self, key: str) -> Entry | None:
        """Give a watched entry."""
        known = self._watched.get(key)
        return None if known is None else known.entry

    def __len__(self) -> int:
        """Count the watched entries."""
        return len(self._watched)

    # -- occurrences ---------------------------------------------------------------------------------------------------

    def planned(self, key: str, next_us: int | None, now_us: int) -> None:
        """Expect the next occurrence of an entry; what is not ahead is no occurrence but another look."""
        known = self._watched.get(key)
        if known is None or next_us is None or next_us <= now_us or next_us in known.pending:
            return
        for at_us in [at_us for at_us, one in known.pending.items() if one.run is None and at_us > next_us]:
            del known.pending[at_us]  # its timing has changed
        self._add(known, next_us, None)

    def excuse(self, key: str, occurrence_us: int) -> None:
        """Expect an occurrence no more: it waits because someone wants it to."""
        known = self._watched.get(key)
        if known is not None and occurrence_us in known.pending and known.pending[occurrence_us].run is None:
            del known.pending[occurrence_us]

    def enqueued(self, key: str, occurrence_us: int, now_us: int) -> Run | None:
        """Take in that an expected occurrence is in its queue, before the history tells; give what is known of it now."""
        known = self._watched.get(key)
        one = None if known is None else known.pending.get(occurrence_us)
        if known is None or one is None or one.run is not None:
            return None
        name, task = str(known.entry.name), str(known.entry.task)
        one.run = Run(key, name, occurrence_us, RunState.ENQUEUED, settled_us=now_us, task=task)
        return one.run

    def heard(self, run: Run, now_us: int) -> Missed | None:
        """Take in how far a run has come; say if that alone is a miss."""
        known = self._watched.get(run.entry)
        if known is None or run.how not in _BY_CLOCK:
            return None
        if run.state is RunState.SKIPPED:
            return self._passed_over(known, run, now_us)
        at_us = run.occurrence_us
        if not run.state.is_over:
            if at_us not in known.pending:
                self._add(known, at_us, run)
            one = known.pending[at_us]
            if one.run is None or one.run is run:
                one.from_us = now_us + NEWS_US  # heard of late, the rest of what is known of it is still to come
            one.run = run
            return None
        known.pending.pop(at_us, None)
        return judge(known.entry, at_us, run, now_us, _EVERYTHING)

    def _passed_over(self, known: _Watched, run: Run, now_us: int) -> Missed | None:
        last_us = max(run.last_us, run.occurrence_us)
        for at_us in [at_us for at_us in known.pending if run.occurrence_us <= at_us <= last_us]:
            del known.pending[at_us]
        return None if is_deliberate(run) else judge(known.entry, last_us, run, now_us, _EVERYTHING)

    def _add(self, known: _Watched, at_us: int, run: Run | None) -> None:
        if len(known.pending) >= PENDING_LIMIT:
            del known.pending[next(iter(known.pending))]
        known.pending[at_us] = _Pending(run)
        self._push(known, at_us, run)

    def _push(self, known: _Watched, at_us: int, run: Run | None) -> None:
        for deadline_us in deadlines(known.entry, at_us, run):
            if deadline_us is not None:
                heapq.heappush(self._deadlines, (deadline_us, str(known.entry.id), at_us))

    # -- deadlines -----------------------------------------------------------------------------------------------------

    def first_us(self) -> int | None:
        """Give the next deadline; ``None`` if there is none."""
        return self._deadlines[0][0] if self._deadlines else None

    def due(self, now_us: int, telling: Telling) -> list[Missed]:
        """Judge the occurrences whose deadlines have come; some, if there are many: ``first_us`` tells of the rest."""
        found = []
        for _ in range(LOOKS_LIMIT):
            if not self._deadlines or self._deadlines[0][0] > now_us:
                break
            _, key, at_us = heapq.heappop(self._deadlines)
            known = self._watched.get(key)
            one = None if known is None else known.pending.get(at_us)
            if known is None or one is None:
                continue
            if now_us < one.from_us:
                heapq.heappush(self._deadlines, (one.from_us, key, at_us))
                continue
            missed = judge(known.entry, at_us, one.run, now_us, telling)
            if missed is not None and missed.what.rank > one.found:
                one.found = missed.what.rank
                found.append(missed)
            later = [
                one_us for one_us in deadlines(known.entry, at_us, one.run) if one_us is not None and one_us > now_us
            ]
            if later:
                heapq.heappush(self._deadlines, (min(later), key, at_us))
            else:
                del known.pending[at_us]
        return found
