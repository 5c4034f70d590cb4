"""What another scheduler sends, held against what this one would: occurrences that do not come, and tasks that are none. Pure.

A shadow is told of tasks as they are sent, and of the time, and answers with what differs. It keeps what it awaits, and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from daemon.public import Public
from daemon.scheduler.forecast import Forecast, forecast
from daemon.scheduler.model import Entry

STRANGERS_LIMIT = 1000
SENDERS_LIMIT = 1000
"""Senders, and kinds of tasks by sender, that are remembered."""


class Difference(Enum):
    """How what was sent differs from what would have been."""

    LATE = "late"
    """It was sent, and later than tolerated."""
    MISSING = "missing"
    """It was not sent."""
    UNEXPECTED = "unexpected"
    """It was sent, and is no occurrence of any entry."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference.

    Attributes:
        task: its name, as it was sent.
        entry: whose occurrence it is; ``None`` if it is nobody's.
        due_us: when it was due.
        sent_us: when it was sent, on the clock of its sender; of several that are nobody's, the first.
        count: of what is nobody's, how many were sent until it was known who sent them.
    """

    kind: Difference
    task: str
    entry: Public | None = None
    due_us: int | None = None
    sent_us: int | None = None
    count: int = 1


@dataclass(slots=True)
class Tally:
    """What became of the occurrences of one entry.

    Attributes:
        unheard: of which nothing can be said, for nobody listened.
        furthest_us: the largest distance of what was sent from its instant; negative if it came before.
    """

    matched: int = 0
    late: int = 0
    missing: int = 0
    unheard: int = 0
    furthest_us: int = 0

    @property
    def due(self) -> int:
        """Count those that are judged."""
        return self.matched + self.late + self.missing


@dataclass(frozen=True, slots=True)
class _Line:
    entry: Entry
    awaited: Forecast
    tally: Tally = field(default_factory=Tally)

    def missing(self, instants: Iterable[int]) -> list[Finding]:
        """Count what was not sent."""
        found = [
            Finding(Difference.MISSING, str(self.entry.task), self.entry.name, due_us=due_us) for due_us in instants
        ]
        self.tally.missing += len(found)
        return found


class Shadow:
    """Holds what is sent against the entries of a site.

    Attributes:
        heard: tasks it was told of.
        unexpected: those that the other scheduler sent and that are no occurrence.
        others: those that somebody else sent.
    """

    def __init__(self, entries: Sequence[Entry], from_us: int, tolerance_us: int) -> None:
        """Begin at ``from_us``; what is sent within ``tolerance_us`` of its instant is on time."""
        self.heard = self.unexpected = self.others = 0
        self._tolerance_us = tolerance_us
        self._lines = [_Line(entry, forecast(entry.trigger, from_us, tolerance_us)) for entry in entries]
        self._by_task: dict[str, list[_Line]] = {}
        for line in self._lines:
            self._by_task.setdefault(str(line.entry.task), []).append(line)
        self._senders: set[str] = set()
        self._strangers: dict[tuple[str, str], Finding] = {}

    @property
    def tallies(self) -> Mapping[Public, Tally]:
        """What became of each entry, by name."""
        return {line.entry.name: line.tally for line in self._lines}

    @property
    def due(self) -> int:
        """Count the occurrences that are judged."""
        return sum(line.tally.due for line in self._lines)

    @property
    def is_matched(self) -> bool:
        """Say whether everything that was due was sent in time, and nothing else, and all of it was heard."""
        tallies = [line.tally for line in self._lines]
        return not self.unexpected and not any(one.late or one.missing or one.unheard for one in tallies)

    def take(self, task: str, at_us: int, sender: str) -> list[Finding]:
        """Take in a task that was sent, and say what differs.

        Whoever sends what is awaited is the other scheduler; what else it sends is unexpected. Others may send what they like.
        """
        self.heard += 1
        lines = self._by_task.get(task, ())
        found: list[Finding] = []
        for line in lines:
            line.awaited.expect(at_us)
            found += line.missing(line.awaited.overdue(at_us))
        matched = self._match(lines, at_us)
        if matched is None:
            for line in lines:
                line.awaited.stray(at_us)
            return found + self._unmatched(Finding(Difference.UNEXPECTED, task, sent_us=at_us), sender)
        return [*found, *matched, *self._know(sender)]

    def settle(self, now_us: int) -> list[Finding]:
        """Say what should have been sent long before ``now_us`` and was not, oldest first."""
        found = []
        for line in self._lines:
            line.awaited.expect(now_us)
            found += line.missing(line.awaited.overdue(now_us))
        return sorted(found, key=_due)

    def skip(self, from_us: int, until_us: int) -> None:
        """Await nothing of a time nobody listened."""
        for line in self._lines:
            line.tally.unheard += line.awaited.skip(from_us, until_us)

    def close(self, until_us: int) -> list[Finding]:
        """End at ``until_us``, and say what was due by then and was not sent."""
        found = self.settle(until_us)
        for line in self._lines:
            found += line.missing(line.awaited.rest(until_us))
        self.others += sum(one.count for one in self._strangers.values())
        self._strangers.clear()
        return sorted(found, key=_due)

    def _match(self, lines: Sequence[_Line], at_us: int) -> list[Finding] | None:
        """Find whose occurrence it is: the nearest, else of one whose phase is not known, else the last before; or nobody's."""
        near = [
            (abs(due_us - at_us), due_us, line) for line in lines if (due_us := line.awaited.nearest(at_us)) is not None
        ]
        if near:
            _, due_us, line = min(near, key=lambda one: one[0])
            return self._settled(line, due_us, at_us)
        for line in lines:
            if line.awaited.adopt(at_us):
                line.tally.matched += 1
                return []
        before = [(due_us, line) for line in lines if (due_us := line.awaited.last_before(at_us)) is not None]
        if before:
            due_us, line = max(before, key=lambda one: one[0])
            return self._settled(line, due_us, at_us)
        return None

    def _settled(self, line: _Line, due_us: int, at_us: int) -> list[Finding]:
        if not line.awaited.take(due_us, at_us):
            return []
        tally, late_us = line.tally, at_us - due_us
        if abs(late_us) > abs(tally.furthest_us):
            tally.furthest_us = late_us
        if late_us <= self._tolerance_us:
            tally.matched += 1
            return []
        tally.late += 1
        return [Finding(Difference.LATE, str(line.entry.task), line.entry.name, due_us, at_us)]

    def _know(self, sender: str) -> list[Finding]:
        """Note who the other scheduler is, and give what it sent before that was known."""
        if sender in self._senders or len(self._senders) >= SENDERS_LIMIT:
            return []
        self._senders.add(sender)
        found = [self._strangers.pop(key) for key in [key for key in self._strangers if key[0] == sender]]
        self.unexpected += sum(one.count for one in found)
        return found

    def _unmatched(self, one: Finding, sender: str) -> list[Finding]:
        if sender in self._senders:
            self.unexpected += 1
            return [one]
        key = (sender, one.task)
        known = self._strangers.get(key)
        if known is not None:
            self._strangers[key] = Finding(one.kind, one.task, sent_us=known.sent_us, count=known.count + 1)
        elif len(self._strangers) < STRANGERS_LIMIT:
            self._strangers[key] = one
        else:
            self.others += 1
        return []


def _due(one: Finding) -> int:
    return one.due_us or 0
