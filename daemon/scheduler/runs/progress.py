"""How far a run has come, by what was seen of its task. Pure.

What is seen comes in any order and more than once, from events, from results and from workers that were asked. Whatever the order,
all daemons come to the same end: of two outcomes the later one stands.
"""

from __future__ import annotations

from daemon.scheduler.ports import Progress, Sighting
from daemon.scheduler.run import Run, RunState

_STATES = {
    Progress.STARTED: RunState.STARTED,
    Progress.SUCCEEDED: RunState.SUCCEEDED,
    Progress.FAILED: RunState.FAILED,
    Progress.REVOKED: RunState.REVOKED,
}
OUTCOMES = frozenset((RunState.SUCCEEDED, RunState.FAILED, RunState.REVOKED))
"""States that were told, and not concluded from silence."""


def advanced(run: Run, seen: Sighting) -> Run:
    """Bring a run up to date with what was seen of its task; the same run if it tells nothing new."""
    if run.state is RunState.SKIPPED:
        return run
    state = _STATES[seen.progress]
    if state is RunState.STARTED:
        if run.state is not RunState.ENQUEUED:
            return _filled(run, seen)
        return run._replace(state=state, started_us=seen.started_us or seen.at_us, worker=seen.worker)
    if run.state in OUTCOMES and not _is_later(run, seen):
        return _filled(run, seen)
    return run._replace(
        state=state,
        started_us=run.started_us or seen.started_us,
        finished_us=seen.at_us if seen.at_us is not None else run.finished_us if run.state in OUTCOMES else None,
        worker=seen.worker or run.worker,
        reason=seen.reason,
    )


def concluded(run: Run, state: RunState, at_us: int, reason: str) -> Run:
    """End a run of which nothing more was heard."""
    return run if run.state.is_over else run._replace(state=state, finished_us=at_us, reason=reason)


def _is_later(run: Run, seen: Sighting) -> bool:
    if _STATES[seen.progress] is run.state:
        return False
    return seen.at_us is not None and run.finished_us is not None and seen.at_us > run.finished_us


def _filled(run: Run, seen: Sighting) -> Run:
    """Take over what was not known yet."""
    started_us = run.started_us
    if started_us is None:
        started_us = seen.started_us or (seen.at_us if seen.progress is Progress.STARTED else None)
    is_same_end = _STATES[seen.progress] is run.state
    return run._replace(
        started_us=started_us,
        finished_us=seen.at_us if is_same_end and run.finished_us is None and run.state.is_over else run.finished_us,
        worker=run.worker or seen.worker,
        reason=run.reason or (seen.reason if is_same_end else ""),
    )
