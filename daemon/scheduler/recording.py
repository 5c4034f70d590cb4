"""What the history is told of an occurrence when it is settled. Pure; nothing of arguments."""

from __future__ import annotations

from daemon.scheduler.evaluate import Skipped, SkipReason
from daemon.scheduler.model import Entry, How
from daemon.scheduler.run import Run, RunState, write_record


def run_record(entry: Entry, at_us: int, task_id: str, by: str, *, is_late: bool, holds: bool = False) -> str:
    """Write that an occurrence was enqueued; ``holds``: it takes places, so that its end is waited for."""
    how = How.CATCH_UP if entry.how is How.CLOCK and is_late else entry.how
    return write_record(
        Run(
            str(entry.id), str(entry.name), at_us, RunState.ENQUEUED, how, by, task=str(entry.task),
            queue=str(entry.queue or ""), task_id=task_id, holds=holds,
        )
    )  # fmt: skip


def skip_record(entry: Entry, skipped: Skipped, by: str, detail: str = "") -> str:
    """Write that occurrences were passed over, and why; ``detail`` names a run or a person, never more."""
    if not detail and skipped.reason is SkipReason.PAUSED and entry.pause is not None:
        detail = entry.pause.author
    reason = f"{skipped.reason.value}:{detail}" if detail else skipped.reason.value
    return write_record(
        Run(
            str(entry.id), str(entry.name), skipped.first_us, RunState.SKIPPED, entry.how, by, task=str(entry.task),
            reason=reason, last_us=skipped.last_us, times=skipped.count,
        )
    )  # fmt: skip
