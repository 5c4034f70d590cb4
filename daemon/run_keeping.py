"""Puts together what follows the runs of a site: the book, the history, the tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from daemon.clock import SECOND_US, Clock
from daemon.dispatch import CelerySide, RunWatch, SiteDispatcher, make_history_source
from daemon.lifecycle import Service
from daemon.ports import Emit
from daemon.public import Public
from daemon.scheduler.history import History, Retention
from daemon.scheduler.runs import Patience, RunBook, Tracker
from daemon.settings.history_section import HistorySection


@runtime_checkable
class TellsRecords(Protocol):
    """A dispatcher that tells of records itself, on a broker without a stream."""

    recorded: Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class RunKeeping:
    """What follows the runs of a site."""

    book: RunBook
    history: History
    tracker: Tracker

    @property
    def services(self) -> list[Service]:
        """List the services in the order they are opened."""
        return [self.history, self.tracker]


def keep_runs(
    side: CelerySide,
    site: Public,
    settings: HistorySection,
    state_dir: Path,
    dispatcher: SiteDispatcher,
    clock: Clock,
    emit: Emit,
    *,
    freed: Callable[[frozenset[str]], None],
) -> RunKeeping:
    """Build all of it; nothing is opened.

    Args:
        side: the Celery side, the address of a private broker filled in.
        site: name of the site.
        settings: ``[history]``.
        state_dir: where the history lies.
        dispatcher: lets places go and, on RabbitMQ, tells of records.
        clock: the daemon's.
        emit: takes events.
        freed: told the scopes in which places may have become free.
    """
    book = RunBook()
    source = make_history_source(side, site)
    retention = Retention(settings.keep_per_entry, round(settings.keep * SECOND_US), settings.rows)
    patience = Patience(silence_s=settings.lost_after, absence_s=settings.lost_after_goodbye)
    history = History(state_dir, source, book, clock, emit, retention=retention)
    places = dispatcher if source is not None else None
    tracker = Tracker(RunWatch(side, clock), places, history.changed, clock, emit, freed=freed, patience=patience)
    history.on_open_run(tracker.take)
    if isinstance(dispatcher, TellsRecords):
        dispatcher.recorded = history.recorded
    return RunKeeping(book, history, tracker)
