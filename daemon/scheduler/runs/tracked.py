"""A run that is being watched, and what speaks for and against its going on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.keys import entry_scope, overlap_scope, queue_scope
from daemon.ports import RunningTask
from daemon.scheduler.ports import Holders, WorkerSign
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.runs.judge import Traces


@dataclass(slots=True)
class Tracked:
    """A run under watch.

    Attributes:
        heard_s: when anything last told that it goes on, in monotonic seconds.
        scopes: where it may hold places.
        pid: of its worker's process when it was seen to have started.
        stale_at_us: when the broker lets its places go by itself; ``None`` if that is not known.
        is_bare: only its places are known; it is not written into the history.
        absences, denials, silences: see ``Traces``.
    """

    run: Run
    heard_s: float
    scopes: frozenset[str] = frozenset()
    pid: int | None = None
    stale_at_us: int | None = None
    is_bare: bool = False
    absences: int = 0
    denials: int = 0
    silences: int = 0

    @classmethod
    def bare(cls, one: RunningTask, now_us: int, now_s: float) -> Tracked:
        """Begin with a task that holds places and of which nothing else is known."""
        entry = next((name for scope in one.scopes if (name := scope.partition(":")[2])), "")
        run = Run(entry, entry, 0, RunState.ENQUEUED, settled_us=now_us, task_id=one.task_id, holds=True)
        return cls(run, now_s, frozenset(one.scopes), stale_at_us=one.stale_at_us or None, is_bare=True)

    @property
    def is_suspect(self) -> bool:
        """Say whether the last answers spoke against its going on."""
        return bool(self.absences or self.denials or self.silences)

    def hear(self, now_s: float) -> None:
        """Note that something told of it."""
        self.heard_s = now_s
        self.absences = self.denials = self.silences = 0

    def answer(self, holders: Holders, now_s: float) -> None:
        """Take in what workers answered."""
        task_id, worker = self.run.task_id, self.run.worker
        if task_id in holders.by_task:
            self.hear(now_s)
        elif self.run.state is not RunState.STARTED:
            self.absences = self.absences + 1 if holders.is_complete and task_id in holders.unqueued else 0
        elif worker in holders.answered:
            self.denials += 1
            self.absences = self.silences = 0
        else:
            self.silences += 1
            self.absences = self.absences + 1 if holders.is_complete else 0

    def traces(self, sign: WorkerSign, now_us: int, now_s: float, *, stale_us: int, is_told: bool) -> Traces:
        """Give what is known, for a judgement; ``sign`` is that of its worker."""
        stale_at_us = self.run.settled_us + stale_us if self.stale_at_us is None else self.stale_at_us
        quiet_s = max(now_s - self.heard_s, 0.0)
        if sign.silent_s is not None:
            quiet_s = min(quiet_s, sign.silent_s)
        return Traces(
            is_started=self.run.state is RunState.STARTED,
            age_us=max(now_us - self.run.settled_us, 0),
            is_stale=now_us >= stale_at_us,
            quiet_s=quiet_s,
            holds=self.run.holds,
            is_told=is_told,
            absences=self.absences,
            denials=self.denials,
            silences=self.silences,
            has_left=sign.has_left,
            has_restarted=self.pid is not None and sign.pid is not None and sign.pid != self.pid,
            beats_at_work=bool(sign.beats_at_work),
        )


def scopes_of(run: Run) -> frozenset[str]:
    """Name the scopes in which a run may hold places."""
    if not run.holds:
        return frozenset()
    scopes = {overlap_scope(run.entry), entry_scope(run.entry)}
    return frozenset(scopes | {queue_scope(run.queue)} if run.queue else scopes)
