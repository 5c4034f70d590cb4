"""What the event stream has told so far: tasks and workers, bounded in number, with what screens ask for kept at hand.

No screen may take it for the whole truth: the stream has no replay, so times in which events may have been missed are
recorded as gaps, messages that could not be read are counted, and so is what had to be forgotten.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice, takewhile
from typing import NamedTuple

from shim.errors import RequestInvalid
from shim.events.gap import Gap
from shim.events.message import Event, Reading
from shim.events.pools import Pools
from shim.events.record import TaskRecord
from shim.events.task import FAILURE, Task
from shim.events.worker import Worker, WorkerRecord

TASKS_LIMIT, WORKERS_LIMIT = 10_000, 1_000
"""Kept unless said otherwise."""
OPEN_SHARE = 0.75
"""Part of the tasks' room that unfinished ones may fill: those whose last event was lost never finish."""
SCAN_LIMIT = 10_000
"""Tasks looked at for one question."""
RARE = 4
"""A trait that fewer than one task in so many has is looked up in its pool, and not among the newest."""
GAPS_LIMIT = 100


class Page(NamedTuple):
    """Tasks, the last changed first; not all that match unless ``is_complete``."""

    tasks: tuple[Task, ...]
    is_complete: bool


class Changes(NamedTuple):
    """What changed after a cursor, each as it stands now and only once, the last changed first.

    Attributes:
        cursor: ask for changes since this one next.
        is_complete: false if more changed than was asked for, and the eldest changes are left out.
        gaps_count: gaps there have been; more than last time means events may have been missed.
    """

    cursor: int
    tasks: tuple[Task, ...]
    workers: tuple[Worker, ...]
    is_complete: bool
    gaps_count: int


class EventState:
    """Tasks and workers as their events tell. Not for use from several threads.

    Attributes:
        cursor: number of the last change.
        events_count: events taken in so far, repeated ones included.
        faults: messages and events that could not be read, by ``Fault.value``.
        forgotten_tasks: tasks dropped for want of room; one of them that an event names again begins anew.
        forgotten_workers: the same of workers.
        gaps: the latest times in which events may have been missed, in order.
        gaps_count: all of them.
        listening_since_at: since when nothing was missed; ``None`` while it is not listening.
    """

    def __init__(self, *, tasks_limit: int = TASKS_LIMIT, workers_limit: int = WORKERS_LIMIT) -> None:
        """Begin with nothing.

        Raises:
            RequestInvalid: a limit below 1.
        """
        if tasks_limit < 1 or workers_limit < 1:
            message = "tasks_limit and workers_limit: at least 1 is needed"
            raise RequestInvalid(message)
        self._tasks_limit = tasks_limit
        self._workers_limit = workers_limit
        self._open_limit = int(tasks_limit * OPEN_SHARE)
        self._open: OrderedDict[str, TaskRecord] = OrderedDict()
        self._finished: OrderedDict[str, TaskRecord] = OrderedDict()
        self._by_state, self._by_name, self._by_worker = Pools(), Pools(), Pools()
        self._workers: OrderedDict[str, WorkerRecord] = OrderedDict()
        self.cursor = self.events_count = self.forgotten_tasks = self.forgotten_workers = self.gaps_count = 0
        self.faults: Counter[str] = Counter()
        self.gaps: deque[Gap] = deque(maxlen=GAPS_LIMIT)
        self.listening_since_at: datetime | None = None

    # -- taking in -----------------------------------------------------------------------------------------------------

    def take(self, reading: Reading, at: datetime) -> None:
        """Take in what a message held, which arrived at ``at``."""
        for fault in reading.faults:
            self.faults[fault.value] += 1
        self.apply(reading.events, at)

    def apply(self, events: Sequence[Event], at: datetime) -> None:
        """Take in events that arrived at ``at``; those of other kinds than tasks and workers are only counted."""
        heard_s = at.timestamp()
        for event in events:
            if event.task_id:
                self._take_task(event, heard_s)
            elif event.kind.startswith("worker-"):
                self._take_worker(event, heard_s)
        self.events_count += len(events)

    def _take_task(self, event: Event, heard_s: float) -> None:
        kind, hostname, at_s, task_id, _ = event
        if kind != "task-sent":  # the only one a client sends
            worker = self._workers.get(hostname) or self._add_worker(hostname)
            worker.note(at_s, heard_s)
        record = self._open.get(task_id) or self._finished.get(task_id)
        if record is None:
            record = self._open[task_id] = TaskRecord(task_id)
            state = name = host = ""
        else:
            state, name, host = record.state, record.name, record.worker
        was_finished = record.is_finished
        if not record.merge(event):
            return
        self.cursor = record.changed = self.cursor + 1
        if was_finished:  # for good
            self._finished.move_to_end(task_id)
        elif record.is_finished:
            del self._open[task_id]
            self._finished[task_id] = record
        else:
            self._open.move_to_end(task_id)
        if state != record.state:
            self._by_state.move(record, state, record.state)
        if name != record.name:
            self._by_name.move(record, name, record.name)
        if host != record.worker:
            self._by_worker.move(record, host, record.worker)
        if len(self._open) + len(self._finished) > self._tasks_limit:
            self._forget_task()

    def _take_worker(self, event: Event, heard_s: float) -> None:
        record = self._workers.get(event.hostname) or self._add_worker(event.hostname)
        self._workers.move_to_end(event.hostname)
        if record.merge(event, heard_s):
            self.cursor = record.changed = self.cursor + 1

    def _add_worker(self, hostname: str) -> WorkerRecord:
        if len(self._workers) >= self._workers_limit:
            self._workers.popitem(last=False)
            self.forgotten_workers += 1
        record = self._workers[hostname] = WorkerRecord(hostname)
        self.cursor = record.changed = self.cursor + 1
        return record

    def _forget_task(self) -> None:
        pool = self._open if len(self._open) > self._open_limit or not self._finished else self._finished
        _, record = pool.popitem(last=False)
        self._by_state.move(record, record.state, "")
        if record.name:
            self._by_name.move(record, record.name, "")
        if record.worker:
            self._by_worker.move(record, record.worker, "")
        self.forgotten_tasks += 1

    # -- gaps ----------------------------------------------------------------------------------------------------------

    def open_gap(self, began_at: datetime, reason: str) -> None:
        """Note that events may be missed from ``began_at`` on; nothing is to be noted while it is not listening."""
        if self.listening_since_at is None:
            return
        self.gaps.append(Gap(began_at, None, reason))
        self.gaps_count += 1
        self.listening_since_at = None
        self.cursor += 1

    def close_gap(self, at: datetime) -> None:
        """Note that every event arrives from ``at`` on."""
        if self.gaps and self.gaps[-1].ended_at is None:
            self.gaps[-1] = self.gaps[-1]._replace(ended_at=at)
        self.listening_since_at = at
        self.cursor += 1

    # -- looking -------------------------------------------------------------------------------------------------------

    def task(self, task_id: str) -> Task | None:
        """Give one task, or ``None`` if nothing is known of it."""
        record = self._open.get(task_id) or self._finished.get(task_id)
        return record.view() if record is not None else None

    def worker(self, hostname: str, at: datetime) -> Worker | None:
        """Give one worker as it stands at ``at``, or ``None`` if nothing is known of it."""
        record = self._workers.get(hostname)
        return record.view(at) if record is not None else None

    def workers(self, at: datetime) -> tuple[Worker, ...]:
        """Give every worker as it stands at ``at``, by name; those that went are among them until room is needed."""
        return tuple(record.view(at) for _, record in sorted(self._workers.items()))

    def recent(
        self, *, state: str | None = None, name: str | None = None, worker: str | None = None, limit: int = 100
    ) -> Page:
        """Give up to ``limit`` tasks that match, the last changed first.

        Looks at 10,000 tasks at most, so a rare combination of common traits may not be found to its end.
        """
        asked = ((self._by_state, state), (self._by_name, name), (self._by_worker, worker))
        pools = [index.get(value) for index, value in asked if value is not None]
        records = self._newest()
        if pools:
            pool = min(pools, key=len)
            # Of a common trait the newest tasks hold enough; of a rare one they may hold none.
            if len(pool) <= SCAN_LIMIT and (self.tasks_count > SCAN_LIMIT or len(pool) * RARE < self.tasks_count):
                records = iter(sorted(pool.values(), key=_last_changed_first))
        found: list[Task] = []
        for record in islice(records, SCAN_LIMIT):
            if (
                (state is None or record.state == state)
                and (name is None or record.name == name)
                and (worker is None or record.worker == worker)
            ):
                if len(found) >= limit:
                    return Page(tuple(found), is_complete=False)
                found.append(record.view())
        return Page(tuple(found), is_complete=next(records, None) is None)

    def records(
        self, *, before: int | None = None, state: str | None = None, name: str | None = None, worker: str | None = None
    ) -> Iterator[TaskRecord]:
        """Walk over tasks, the last changed first, those alone whose change has a number below ``before``.

        For reading only, and not across a pause. Of a rare trait none but the tasks that have it are looked at; of a common one
        all are, and the caller judges.
        """
        asked = ((self._by_state, state), (self._by_name, name), (self._by_worker, worker))
        pools = [index.get(value) for index, value in asked if value is not None]
        if pools:
            pool = min(pools, key=len)
            if len(pool) <= SCAN_LIMIT and len(pool) * RARE < self.tasks_count:
                found = pool.values() if before is None else [one for one in pool.values() if one.changed < before]
                return iter(sorted(found, key=_last_changed_first))
        if before is None:
            return self._newest()
        sides = (reversed(self._open.values()), reversed(self._finished.values()))
        return merge(*(_below(side, before) for side in sides), key=_last_changed_first)

    def ids(self) -> list[str]:
        """Give the ids of all tasks, in no order that means anything."""
        return self._by_state.ids()

    def eldest_s(self) -> float:
        """Say when the finished task that is forgotten next was last told of; 0 if there is none."""
        record = next(iter(self._finished.values()), None)
        return 0.0 if record is None else max(record.had[0], record.sent[0])

    def record(self, task_id: str) -> TaskRecord | None:
        """Give what is kept of one task, for reading only."""
        return self._open.get(task_id) or self._finished.get(task_id)

    def changes(self, since: int, at: datetime, *, limit: int = 1_000) -> Changes:
        """Give what changed after cursor ``since``, which is 0 for the first time; workers as they stand at ``at``."""
        newest = islice(self._newest(), limit + 1)
        later = [record.view() for record in takewhile(lambda record: record.changed > since, newest)]
        return Changes(
            cursor=self.cursor,
            tasks=tuple(later[:limit]),
            workers=tuple(record.view(at) for record in self._workers.values() if record.changed > since),
            is_complete=len(later) <= limit,
            gaps_count=self.gaps_count,
        )

    def counts_by_state(self) -> Mapping[str, int]:
        """Count the tasks by state."""
        return self._by_state.counts()

    def counts_by_name(self) -> Mapping[str, int]:
        """Count the tasks by name; those whose name is not known are left out."""
        return self._by_name.counts()

    def counts_by_worker(self) -> Mapping[str, int]:
        """Count the tasks by the worker that had them last; those no worker had are left out."""
        return self._by_worker.counts()

    def failures_by_worker(self) -> Mapping[str, int]:
        """Count the failed tasks by the worker that had them last."""
        return Counter(record.worker for record in self._by_state.get(FAILURE).values())

    def all_records(self) -> list[TaskRecord]:
        """Give the records of all tasks, in no order. Later events change them: read what is wanted, and let them go.

        The order an ``OrderedDict`` keeps is passed over, for walking along it takes thirty times as long.
        """
        return [*dict.values(self._open), *dict.values(self._finished)]

    @property
    def tasks_count(self) -> int:
        """Count the tasks known of."""
        return len(self._open) + len(self._finished)

    def _newest(self) -> Iterator[TaskRecord]:
        return merge(reversed(self._open.values()), reversed(self._finished.values()), key=_last_changed_first)


def _below(records: Iterator[TaskRecord], before: int) -> Iterator[TaskRecord]:
    """Pass over what changed later; a plain loop, for there may be a hundred thousand."""
    for record in records:
        if record.changed < before:
            yield record
            break
    yield from records


def _last_changed_first(record: TaskRecord) -> int:
    return -record.changed
