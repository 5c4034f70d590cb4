"""Follows each run until it is over, and lets go what it holds.

Every daemon of a site does so, and nothing goes wrong if several do: an end is written where each keeps its own history, and letting a
place go twice is letting it go once. Decisions are in ``judge.py``; here they are carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.ports import Emit, RunningTask, Runs
from daemon.public import Public, reason
from daemon.run_events import RunEnded, RunLost, RunsSeen, RunsUnseen
from daemon.scheduler.ports import Holders, Progress, Sighting, TaskWatch, Wanted
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.runs.judge import Judgement, Patience, judge
from daemon.scheduler.runs.looks import FIRST_S, Looks, pause_s
from daemon.scheduler.runs.progress import OUTCOMES, advanced, concluded
from daemon.scheduler.runs.tracked import Tracked, scopes_of

TRACKED_LIMIT = 10_000
SWEEP_IDS, ASK_IDS = 1000, 100
ASK_PAUSE_S = 0.5
RECOVER_EVERY_S = 30.0
RETRY_S = 2.0
UNSTORED_FIRST_S = 5.0
GATHER_S = 0.05
LINGER_S = 3.0
LOST_KEPT_US = 7200 * SECOND_US
"""A run that was taken for lost may still tell of its end: a message that was not acknowledged is run again after an hour."""

_STATES = {Judgement.UNTOLD: RunState.UNKNOWN}


class Tracker:
    """Watches what was enqueued."""

    name = Public("runs")

    def __init__(
        self,
        watch: TaskWatch,
        places: Runs | None,
        changed: Callable[[Run], None],
        clock: Clock,
        emit: Emit,
        *,
        freed: Callable[[frozenset[str]], None] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            watch: tells of tasks and workers.
            places: where places are let go; ``None`` on a broker without them.
            changed: told of each run that has come further.
            clock: the daemon's.
            emit: takes events.
            freed: told the scopes in which places may have become free.
            patience: how long silence is borne.
        """
        self._watch = watch
        self._places = places
        self._changed = changed
        self._clock = clock
        self._emit = emit
        self._freed = freed
        self._patience = patience or Patience()
        self._runs: dict[str, Tracked] = {}
        self._looks, self._asks = Looks(), Looks()
        self._ended: dict[str, frozenset[str]] = {}
        """Tasks that are over, and the scopes in which they may have held places."""
        self._wake, self._let_go = anyio.Event(), anyio.Event()
        self._stop = anyio.Event()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin anew after a drain."""
        self._stop = anyio.Event()

    async def drain(self) -> None:
        """Watch no longer; what was watched is taken up again at the next start."""
        self._stop.set()

    async def serve(self) -> None:
        """Watch until drained."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch.run)
            tasks.start_soon(self._listen)
            tasks.start_soon(self._sweep)
            tasks.start_soon(self._ask)
            if self._places is not None:
                tasks.start_soon(self._release, self._places)
                tasks.start_soon(self._recover, self._places)
            await self._stop.wait()
            tasks.cancel_scope.cancel()

    def __len__(self) -> int:
        return len(self._runs)

    def tells_starts(self) -> bool:
        """Say whether the start of a run is told."""
        return self._watch.hears_tasks()

    def tells_ends(self) -> bool:
        """Say whether the end of a run is told."""
        return self._watch.keeps_results or self._watch.hears_tasks()

    def take(self, run: Run) -> None:
        """Watch a run that is not over."""
        if not run.task_id:
            return
        tracked = self._runs.get(run.task_id)
        if tracked is not None:
            if tracked.is_bare:
                tracked.run, tracked.is_bare = run._replace(holds=True), False
            return
        now_s = self._clock.monotonic_s()
        self._add(Tracked(run, now_s, scopes=scopes_of(run)), now_s)

    def _add(self, tracked: Tracked, now_s: float) -> None:
        task_id = tracked.run.task_id
        if len(self._runs) >= TRACKED_LIMIT:
            self._drop(next(iter(self._runs)))
        self._runs[task_id] = tracked
        self._looks.plan(task_id, now_s + self._first_s(tracked.run))
        if tracked.run.holds:
            self._watch.listen_for(task_id)
            self._asks.plan(task_id, now_s + self._patience.ask_first_s)
        seen = self._watch.heard_of(task_id)
        if seen is not None:
            self._see(seen)
        self._wake.set()

    def _drop(self, task_id: str) -> None:
        self._runs.pop(task_id, None)
        self._looks.drop(task_id)
        self._asks.drop(task_id)

    # -- hearing -------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            await self._watch.news()
            for seen in self._watch.heard():
                self._see(seen)
            await anyio.sleep(GATHER_S)

    def _see(self, seen: Sighting) -> None:
        tracked = self._runs.get(seen.task_id)
        if tracked is None:
            return
        now_s = self._clock.monotonic_s()
        tracked.hear(now_s)
        before, after = tracked.run, advanced(tracked.run, seen)
        if after == before:
            return
        if seen.progress is Progress.STARTED:
            tracked.pid = self._watch.sign_of(after.worker).pid
        self._note(tracked, after)
        if after.state in OUTCOMES and before.state is not after.state:
            self._told(tracked)
        elif after.state in OUTCOMES and not self._lacks(after):
            self._drop(seen.task_id)

    def _told(self, tracked: Tracked) -> None:
        """Note an outcome. What the other source knows of the run is waited for a moment."""
        run, now_s = tracked.run, self._clock.monotonic_s()
        ran_s = -1.0
        if run.finished_us is not None and run.started_us is not None:
            ran_s = max(run.finished_us - run.started_us, 0) / SECOND_US
        self._emit(RunEnded(Public(run.entry), run.occurrence_us, Public(run.state.value), ran_s))
        self._end(tracked)
        if self._lacks(run):
            is_reason_stored = run.state is RunState.FAILED and not run.reason and self._watch.keeps_results
            self._looks.plan(run.task_id, now_s if is_reason_stored else now_s + LINGER_S)
            self._wake.set()
        else:
            self._drop(run.task_id)

    def _lacks(self, run: Run) -> bool:
        """Say whether more may be learnt of a run whose outcome is known."""
        if run.state is RunState.FAILED and not run.reason and self._watch.keeps_results:
            return True
        return self._watch.hears_tasks() and (run.started_us is None or not run.worker)

    def _note(self, tracked: Tracked, run: Run) -> None:
        tracked.run = run
        if not tracked.is_bare:
            self._changed(run)

    def _end(self, tracked: Tracked) -> None:
        self._asks.drop(tracked.run.task_id)
        if tracked.run.holds:
            self._ended[tracked.run.task_id] = tracked.scopes
            self._let_go.set()

    # -- looking -------------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await self._until(self._looks)
            task_ids = self._looks.take(self._clock.monotonic_s(), SWEEP_IDS)
            try:
                stored = await self._watch.stored(task_ids) if task_ids and self._watch.keeps_results else {}
            except BrokerDown as error:
                self._again(self._looks, task_ids)
                await self._outlast(error, task_ids[:1])
                continue
            for task_id in task_ids:
                self._look(task_id, stored.get(task_id))

    def _look(self, task_id: str, seen: Sighting | None) -> None:
        if seen is not None:
            self._see(seen)
        tracked = self._runs.get(task_id)
        if tracked is None:
            return
        now_us, now_s = self._clock.now_us(), self._clock.monotonic_s()
        age_us = max(now_us - tracked.run.settled_us, 0)
        if tracked.run.state.is_over:
            if tracked.run.state in OUTCOMES or now_us - (tracked.run.finished_us or 0) > LOST_KEPT_US:
                self._drop(task_id)
            else:
                self._looks.plan(task_id, now_s + pause_s(age_us / SECOND_US))
            return
        sign, is_told = self._watch.sign_of(tracked.run.worker), self._watch.will_tell(tracked.run.task)
        traces = tracked.traces(sign, now_us, now_s, stale_us=self._patience.stale_us, is_told=is_told)
        judgement = judge(traces, self._patience)
        if not judgement.is_open:
            self._conclude(tracked, judgement, now_us)
        elif judgement is Judgement.ASK and not self._asks.is_planned(task_id):
            self._asks.plan(task_id, now_s)
        if task_id in self._runs:
            self._looks.plan(task_id, now_s + pause_s(age_us / SECOND_US, self._first_s(tracked.run)))
        self._wake.set()

    def _first_s(self, run: Run) -> float:
        """Say how soon to look at a young run. Without a stored result there is nothing to see for a while."""
        return FIRST_S if run.holds or self._watch.keeps_results else UNSTORED_FIRST_S

    def _conclude(self, tracked: Tracked, judgement: Judgement, now_us: int) -> None:
        state = _STATES.get(judgement, RunState.LOST)
        run = concluded(tracked.run, state, now_us, judgement.value)
        self._note(tracked, run)
        if state is RunState.LOST:
            self._emit(RunLost(Public(run.entry), run.occurrence_us, Public(judgement.value)))
        self._end(tracked)
        if state is not RunState.LOST:
            self._drop(run.task_id)

    async def _outlast(self, error: BrokerDown, task_ids: list[str]) -> None:
        """Wait until results can be looked up again; said once at either end."""
        self._emit(RunsUnseen(Public(error.code), reason(error)))
        while True:
            await anyio.sleep(RETRY_S)
            try:
                await self._watch.stored(task_ids)
            except BrokerDown:
                continue
            break
        self._emit(RunsSeen())

    # -- asking --------------------------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        while True:
            await self._until(self._asks)
            task_ids = self._asks.take(self._clock.monotonic_s(), ASK_IDS)
            runs = [self._runs[one].run for one in task_ids if one in self._runs]
            if not runs:
                continue
            try:
                holders = await self._watch.held([Wanted(run.task_id, run.task, run.queue) for run in runs])
            except BrokerDown:
                self._again(self._asks, task_ids)
                await anyio.sleep(RETRY_S)
                continue
            for run in runs:
                self._answered(run.task_id, holders)
            await anyio.sleep(ASK_PAUSE_S)

    def _answered(self, task_id: str, holders: Holders) -> None:
        tracked = self._runs.get(task_id)
        if tracked is None or tracked.run.state.is_over:
            return
        now_s = self._clock.monotonic_s()
        worker = holders.by_task.get(task_id)
        if worker is not None and task_id in holders.running:
            self._see(Sighting(task_id, Progress.STARTED, worker=worker))
        tracked.answer(holders, now_s)
        age_s = max(self._clock.now_us() - tracked.run.settled_us, 0) / SECOND_US
        self._asks.plan(
            task_id,
            now_s + (self._patience.ask_again_s if tracked.is_suspect else pause_s(age_s, self._patience.ask_first_s)),
        )
        if tracked.is_suspect:
            self._looks.plan(task_id, now_s)  # it may have ended between answer and now
            self._wake.set()

    def _again(self, looks: Looks, task_ids: Iterable[str]) -> None:
        at_s = self._clock.monotonic_s() + RETRY_S
        for task_id in task_ids:
            if task_id in self._runs:
                looks.plan(task_id, at_s)

    async def _until(self, looks: Looks) -> None:
        """Wait until a look is due."""
        while True:
            first_s = looks.first_s()
            left_s = None if first_s is None else first_s - self._clock.monotonic_s()
            if left_s is not None and left_s <= 0:
                await anyio.sleep(GATHER_S)
                return
            if self._wake.is_set():
                self._wake = anyio.Event()
            with anyio.move_on_after(RECOVER_EVERY_S if left_s is None else left_s):
                await self._wake.wait()

    # -- places --------------------------------------------------------------------------------------------------------

    async def _release(self, places: Runs) -> None:
        while True:
            await self._let_go.wait()
            self._let_go = anyio.Event()
            ended, self._ended = self._ended, {}
            try:
                scopes = await places.release(list(ended))
            except BrokerDown:
                self._ended = {**ended, **self._ended}
                self._let_go.set()
                await anyio.sleep(RETRY_S)
                continue
            self._freed(scopes.union(*ended.values()))

    async def _recover(self, places: Runs) -> None:
        """Take up what holds a place and nobody here knows of: a record that was missed, a run of an earlier daemon."""
        while True:
            try:
                found = await places.running()
            except BrokerDown:
                await anyio.sleep(RETRY_S)
                continue
            for one in found:
                self._recovered(one)
            await anyio.sleep(RECOVER_EVERY_S)

    def _recovered(self, one: RunningTask) -> None:
        tracked, now_s = self._runs.get(one.task_id), self._clock.monotonic_s()
        if tracked is None:
            self._add(Tracked.bare(one, self._clock.now_us(), now_s), now_s)
            return
        tracked.stale_at_us = one.stale_at_us or None
        if tracked.run.state.is_over:
            self._ended[one.task_id] = tracked.scopes | set(one.scopes)  # another daemon pushed it again
            self._let_go.set()
