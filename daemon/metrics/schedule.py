"""Numbers of the schedule: occurrences, claims, runs, and what watching finds."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from daemon import run_events, schedule_events, watch_events
from daemon.clock import SECOND_US
from daemon.metrics.making import LATE_S, RUN_S, Handlers, Making

ENTRIES_SHOWN = 1000
"""With more entries than this, the series of single entries are left out."""

SUCCEEDED = "succeeded"


class ScheduleMetrics:
    """Counts what happens to entries and their occurrences."""

    def __init__(self, make: Making, entries: int) -> None:
        """Make the metrics of a schedule of that many entries."""
        self._shows_entries = entries <= ENTRIES_SHOWN
        self._labels: set[str] = set()
        make.gauge("entries", "Entries of the schedule that are enabled.").set(entries)
        self._occurrences = make.counter("occurrences", "Occurrences by what became of them.", "entry", "outcome")
        self._lateness = make.histogram(
            "occurrence_lateness_seconds", "From the planned instant until the message was in its queue.", LATE_S
        )
        self._claims = make.counter("claims", "Occurrences this daemon claimed: won, or taken by another.", "outcome")
        self._conflicts = make.counter("claim_conflicts", "Occurrences another daemon of the site had claimed before.")
        self._missed = make.counter(
            "expectations_missed", "Occurrences that did not do what is expected of them, by what.", "entry", "what"
        )
        self._daemons = make.gauge("daemons", "Daemons of the site that give signs of life, this one included.")
        self._alerts = make.counter(
            "alerts", "Alerts and pings by channel, and whether they arrived.", "channel", "outcome"
        )
        self._runs = make.counter("runs", "Runs that are over, by outcome.", "entry", "state")
        self._run_s = make.histogram("run_seconds", "Duration of runs whose start and end are known.", RUN_S)
        self._success = make.gauge(
            "entry_last_success_timestamp_seconds", "When a run of an entry was last seen to succeed.", "entry"
        )
        self._history_kept = make.gauge("history_kept", "1 while the history is written.")
        self._entry_next = make.gauge("entry_next_timestamp_seconds", "When an entry is next due.", "entry")
        self._gap = make.gauge(
            "entry_gap_seconds", "Between the last two instants an entry was due; +Inf until there are two.", "entry"
        )
        self._due_s: dict[str, float] = {}
        # Of the busiest: looking a child up costs more than counting. There are as many of them as there are series.
        self._occurrence_children: dict[tuple[str, str], Counter] = {}
        self._next_children: dict[str, Gauge] = {}
        self._won, self._taken = self._claims.labels("won"), self._claims.labels("taken")

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {
            schedule_events.OccurrenceEnqueued: self._occurrence_enqueued,
            schedule_events.OccurrenceTaken: self._occurrence_taken,
            schedule_events.OccurrencesSkipped: lambda event: self._occurrence(event.entry, "skipped", event.count),
            schedule_events.OccurrenceInvalid: lambda event: self._occurrence(event.entry, "invalid"),
            schedule_events.OccurrenceBlocked: lambda event: self._occurrence(event.entry, "blocked"),
            schedule_events.OccurrenceWaiting: lambda event: self._occurrence(event.entry, "waiting"),
            schedule_events.OccurrenceRepeated: lambda event: self._occurrence(event.entry, "repeated"),
            schedule_events.EntryPlanned: self._planned,
            run_events.RunEnded: self._run_ended,
            run_events.RunRepeated: lambda event: self._run(event.entry, "repeated"),
            run_events.RunLost: lambda event: self._run(event.entry, "lost"),
            run_events.HistoryOpened: lambda _: self._history_kept.set(1),
            run_events.HistoryLost: lambda _: self._history_kept.set(0),
            watch_events.OccurrenceMissed: self._missed_one,
            watch_events.DaemonsSeen: lambda event: self._daemons.set(event.alive),
            watch_events.AlertSent: lambda event: self._alerts.labels(event.channel.value, "sent").inc(),
            watch_events.AlertFailed: lambda event: self._alerts.labels(event.channel.value, "failed").inc(),
        }

    def _occurrence(self, entry: str, outcome: str, count: int = 1) -> None:
        key = (self._label(entry), outcome)
        known = self._occurrence_children.get(key)
        if known is None:
            known = self._occurrence_children[key] = self._occurrences.labels(*key)
        known.inc(count)

    def _label(self, entry: str) -> str:
        """Give an entry as a label: of those that come and go at run time, the first thousand have series of their own."""
        if not self._shows_entries:
            return ""
        if entry not in self._labels and len(self._labels) < ENTRIES_SHOWN:
            self._labels.add(entry)
        return entry if entry in self._labels else ""

    def _occurrence_enqueued(self, event: schedule_events.OccurrenceEnqueued) -> None:
        self._occurrence(event.entry, "enqueued")
        self._lateness.observe(max(event.lateness_s, 0.0))
        self._won.inc()

    def _occurrence_taken(self, event: schedule_events.OccurrenceTaken) -> None:
        self._occurrence(event.entry, "taken")
        self._taken.inc()
        self._conflicts.inc()

    def _run(self, entry: str, state: str) -> None:
        self._runs.labels(entry if self._shows_entries else "", state).inc()

    def _run_ended(self, event: run_events.RunEnded) -> None:
        self._run(event.entry, event.state)
        if event.ran_s >= 0:
            self._run_s.observe(event.ran_s)
        if event.state == SUCCEEDED and self._label(event.entry):
            self._success.labels(event.entry).set_to_current_time()

    def _missed_one(self, event: watch_events.OccurrenceMissed) -> None:
        self._missed.labels(self._label(event.entry), event.what.value).inc()

    def _planned(self, event: schedule_events.EntryPlanned) -> None:
        if self._label(event.entry):
            next_s = event.next_us / SECOND_US if event.next_us is not None else float("inf")
            known = self._next_children.get(event.entry)
            if known is None:
                known = self._next_children[event.entry] = self._entry_next.labels(event.entry)
                self._gap.labels(event.entry).set(float("inf"))
            known.set(next_s)
            before_s = self._due_s.get(event.entry)
            self._due_s[event.entry] = next_s
            if before_s is not None and before_s < next_s < float("inf"):
                self._gap.labels(event.entry).set(next_s - before_s)
