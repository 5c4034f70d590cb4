"""The application acknowledgements of one feed that wait until their messages are enqueued, or their tasks have succeeded.

A shell around ``deferred``: it hears of lanes and results, and has each final answer on disk before it is sent, so that a
resend gets the same bytes whatever happens in between.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from daemon.answer_events import AnsweredLate, AnswerUndecided
from daemon.clock import SECOND_US, Clock
from daemon.errors import SpoolFailed
from daemon.hl7listener.ack.answering import AckWhen
from daemon.hl7listener.ack.deferred import Deferred, Ended, Ending
from daemon.hl7listener.ack.replying import NOT_IN_TIME, TASK_FAILED, final_reply, split_accept
from daemon.hl7listener.ack.writer import time_stamp
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding, judge
from daemon.hl7listener.lanes.order import task_ids
from daemon.hl7listener.spool import Row, Spool, Stored
from daemon.hl7listener.wire.taking import NewControlId, Taken
from daemon.ports import Emit, TaskOutcomes
from daemon.public import Public

Tell: TypeAlias = Callable[[bytes | None], None]

REMEMBERED = 1000
LOOK_AGAIN_S = 1.0
_REFUSALS = {Ending.FAILED: TASK_FAILED, Ending.LATE_ERROR: NOT_IN_TIME}


@dataclass(slots=True)
class _Open:
    """A message whose final answer is not on disk."""

    finding: Finding = field(repr=False)
    accept: bytes = field(repr=False)
    since_s: float
    askers: list[Tell] = field(default_factory=list)
    final: bytes | None = field(default=None, repr=False)
    """What is on its way to the disk."""


class TaskWaiting:
    """The late answers of one feed: what its connections ask, and its lane tells."""

    def __init__(
        self,
        site: Public,
        feed: Feed,
        spool: Spool,
        outcomes: TaskOutcomes,
        clock: Clock,
        emit: Emit,
        new_control_id: NewControlId,
    ) -> None:
        """Keep the collaborators.

        Args:
            site: of the daemon.
            feed: whose messages.
            spool: where they and their answers are kept.
            outcomes: tells what became of tasks.
            clock: the time.
            emit: takes events.
            new_control_id: gives the control ids of acknowledgements.
        """
        self.feed = feed
        self._site = site
        self._spool = spool
        self._outcomes = outcomes
        self._clock = clock
        self._emit = emit
        self._new_control_id = new_control_id
        self._room_listeners: list[Callable[[], None]] = []
        self._cursor = 0
        self._forget()

    def _forget(self) -> None:
        answering = self.feed.answering
        self._deferred = Deferred(
            answering.when, answering.fallback, deadline_s=answering.deadline_s, most=answering.pending
        )
        self._open: dict[int, _Open] = {}
        self._known: OrderedDict[int, bytes] = OrderedDict()
        self._to_follow: deque[int] = deque()
        self._to_look_up: deque[int] = deque()
        self._changed = anyio.Event()

    # -- for connections -----------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Say whether another answer may wait."""
        return len(self._open) < self.feed.answering.pending

    def on_room(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when there is no more room, and when there is again."""
        self._room_listeners.append(tell)

    def settle(self, taken: Taken, stored: Stored, tell: Tell) -> tuple[bytes, bytes | None]:
        """Give what is sent at once, and the rest if it is known; else have it told later."""
        is_refused = stored.is_reused and self.feed.answering.refuses_same_id
        is_new = taken.is_late and not stored.is_resend and not is_refused
        if not is_new and not stored.is_pending:
            return split_accept(stored.ack)
        known = self._known.get(stored.seq)
        if known is not None:
            return stored.ack, known
        one = self._open.get(stored.seq)
        if one is None:
            one = self._begin(stored.seq, taken.arrival.finding, stored.ack)
            if stored.is_pending:
                self._to_look_up.append(stored.seq)
        one.askers.append(tell)
        return stored.ack, None

    def prepare(self, taken: Taken) -> Taken:
        """Change nothing before a block is stored."""
        return taken

    def kept(self, taken: Taken, stored: Stored) -> None:
        """Nothing is counted here."""

    def lost(self, taken: Taken) -> None:
        """Nothing was begun for a block that was not stored."""

    # -- for the lane --------------------------------------------------------------------------------------------------

    def enqueued(self, cursor: int) -> None:
        """Take note that everything up to ``cursor`` has been handed on, or told as parked before."""
        self._cursor = max(self._cursor, cursor)
        if self._open:
            self._end(self._deferred.enqueued(cursor))

    def parked(self, seq: int) -> None:
        """Take note that a message cannot be handed on."""
        if self._open:
            self._end(self._deferred.parked(seq))

    async def owned_elsewhere(self, rows: Sequence[Row]) -> frozenset[int]:
        """Say that every message is ours."""
        del rows
        return frozenset()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up what waited when the process ended.

        Raises:
            SpoolFailed: the spool cannot be read.
        """
        self._forget()
        self._cursor = await self._spool.reader.cursor(self.feed.name)
        limit = self.feed.answering.pending
        for row in await self._spool.reader.pending(self.feed.name, limit):
            finding = judge(row.data, self.feed)
            one = self._begin(row.seq, finding, row.ack)
            if not self.feed.answering.is_late:  # the settings changed: it is stored, which is all that is asked now
                self._finish(row.seq, one, Ending.ACCEPT)
            else:
                self._to_look_up.append(row.seq)

    async def run(self) -> None:
        """End waits that take too long, and follow tasks, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._changed = anyio.Event()
                await self._look_up()
                self._follow(tasks)
                self._end(self._deferred.lapse(self._clock.monotonic_s()))
                due_s = self._deferred.next_due_s
                pause_s = None if due_s is None else max(due_s - self._clock.monotonic_s(), 0.0)
                if self._to_look_up:
                    pause_s = LOOK_AGAIN_S if pause_s is None else min(pause_s, LOOK_AGAIN_S)
                with anyio.move_on_after(pause_s):
                    await self._changed.wait()

    def _follow(self, tasks: TaskGroup) -> None:
        while self._to_follow:
            seq = self._to_follow.popleft()
            if seq in self._deferred:
                tasks.start_soon(self._watch, seq)

    async def _look_up(self) -> None:
        """Ask the disk what became of messages before anybody listened here."""
        if not self._to_look_up:
            return
        try:
            parked = {seq for seq, _ in await self._spool.reader.parked(self.feed.name, 10_000)}
        except SpoolFailed:
            return
        while self._to_look_up:
            seq = self._to_look_up.popleft()
            if seq in parked:
                self._end(self._deferred.parked(seq))
        self._end(self._deferred.enqueued(self._cursor))

    async def _watch(self, seq: int) -> None:
        """Wait for the tasks of one message."""
        task_ids = await self._task_ids(seq)
        if task_ids is None:
            return
        self._end(self._deferred.depends_on(seq, task_ids))
        async with anyio.create_task_group() as tasks:
            for task_id in task_ids:
                tasks.start_soon(self._watch_task, seq, task_id)

    async def _watch_task(self, seq: int, task_id: str) -> None:
        within_s = self.feed.answering.deadline_s
        has_succeeded = await self._outcomes.succeeded(task_id, within_s)
        if has_succeeded is not None:
            self._end(self._deferred.task_ended(seq, task_id, has_succeeded=has_succeeded))

    async def _task_ids(self, seq: int) -> Sequence[str] | None:
        while seq in self._deferred:
            try:
                row = await self._spool.reader.fetch_one(seq)
            except SpoolFailed:
                await anyio.sleep(LOOK_AGAIN_S)
                continue
            return None if row is None or not row.is_whole else task_ids(row, self.feed, self._site)
        return None

    # -- within --------------------------------------------------------------------------------------------------------

    def _begin(self, seq: int, finding: Finding, accept: bytes) -> _Open:
        now_s = self._clock.monotonic_s()
        one = self._open[seq] = _Open(finding._replace(decoded=None, routes=()), accept, now_s)
        self._deferred.begin(seq, now_s)
        if self.feed.answering.when is AckWhen.SUCCEEDED:
            self._to_follow.append(seq)
        self._changed.set()
        if not self.has_room:
            self._room_changed()
        return one

    def _end(self, ended: Sequence[Ended]) -> None:
        for seq, ending in ended:
            one = self._open.get(seq)
            if one is not None and one.final is None:
                self._finish(seq, one, ending)

    def _finish(self, seq: int, one: _Open, ending: Ending) -> None:
        took_s = self._clock.monotonic_s() - one.since_s
        self._emit(AnsweredLate(self.feed.name, ending, took_s))
        if ending is Ending.UNANSWERED:  # the row still waits: a resend takes it up again
            self._emit(AnswerUndecided(self.feed.name, took_s))
            del self._open[seq]
            self._tell(one, None)
            return
        stamp = time_stamp(self._clock.now_us() // SECOND_US)
        final, _ = final_reply(
            one.finding,
            self.feed.answering,
            _REFUSALS.get(ending),
            stamp=stamp,
            new_control_id=self._new_control_id,
        )
        one.final = final
        self._spool.answered(seq, one.accept + final, partial(self._kept, seq, one, final))

    def _kept(self, seq: int, one: _Open, final: bytes, is_kept: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        self._open.pop(seq, None)
        if is_kept:
            self._known[seq] = final
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._tell(one, final if is_kept else None)

    def _tell(self, one: _Open, final: bytes | None) -> None:
        for tell in one.askers:
            tell(final)
        if len(self._open) == self.feed.answering.pending - 1:
            self._room_changed()

    def _room_changed(self) -> None:
        for adjust in self._room_listeners:
            adjust()
