"""The task of one occurrence: what the entry says, with its templates filled in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from daemon.clock import SECOND_US
from daemon.keys import occurrence_id
from daemon.ports import WorkItem
from daemon.public import Public
from daemon.scheduler.model import Entry
from daemon.scheduler.template import Context, needs, render
from daemon.scheduler.triggers import last_at_or_before

PREVIOUS_WITHIN_US = 3 * 366 * 86_400 * SECOND_US
"""How far back the occurrence before is looked for."""


class LastRuns(Protocol):
    """What is known of earlier runs, by entry id; each is the instant of an occurrence."""

    def last_success_us(self, entry_id: str) -> int | None:
        """Tell of the last run that succeeded."""
        ...

    def last_run_us(self, entry_id: str) -> int | None:
        """Tell of the last run that was enqueued."""
        ...


class NoRuns:
    """Nothing is known."""

    def last_success_us(self, entry_id: str) -> None:
        """Tell nothing."""

    def last_run_us(self, entry_id: str) -> None:
        """Tell nothing."""


NO_RUNS = NoRuns()


def needed_by(entry: Entry) -> frozenset[str]:
    """Name what the templates of an entry are filled in with: the same for all of its occurrences."""
    return needs((entry.args, entry.kwargs, entry.canvas))


def make_item(
    entry: Entry,
    headers: Mapping[str, object],
    needed: frozenset[str],
    site: Public,
    at_us: int,
    now_us: int,
    runs: LastRuns = NO_RUNS,
) -> WorkItem:
    """Write what is to run for the occurrence of ``entry`` at ``at_us``.

    Args:
        entry: whose occurrence it is.
        headers: of the message.
        needed: from ``needed_by``.
        site: the site's name.
        at_us: the occurrence.
        now_us: from when on the message lives.
        runs: for templates.
    """
    task_id = entry.task_id or occurrence_id(site, entry.id, at_us)
    args, kwargs, canvas = entry.args, entry.kwargs, entry.canvas
    if needed:
        context = Context(
            site,
            str(entry.id),
            task_id,
            at_us,
            entry.zone,
            _previous_us(entry, at_us) if "previous" in needed else None,
            runs.last_success_us(entry.id) if "last_success" in needed else None,
            runs.last_run_us(entry.id) if "last_run" in needed else None,
        )
        args, kwargs, canvas = render(args, context), render(kwargs, context), render(canvas, context)
    return WorkItem(
        task=entry.task,
        task_id=task_id,
        args=args,
        kwargs=kwargs,
        queue=entry.queue,
        priority=entry.priority,
        expires_at_us=entry.expires_at_us if entry.expires_us is None else now_us + entry.expires_us,
        time_limit_s=entry.time_limit_s,
        soft_time_limit_s=entry.soft_time_limit_s,
        headers=headers,
        args_shown=repr(tuple(entry.args)) if entry.args else "()",
        kwargs_shown=repr(dict(entry.kwargs)) if entry.kwargs else "{}",
        canvas=canvas,
        since_us=at_us,
        repeats=occurrence_id(site, entry.kin, at_us) if entry.kin else None,
    )


def _previous_us(entry: Entry, at_us: int) -> int | None:
    return last_at_or_before(entry.trigger, at_us - 1, after_us=at_us - PREVIOUS_WITHIN_US)
