"""Numbers for Prometheus, fed by events. Every metric name of the daemon stands in this file.

Labels are bounded: entries, feeds and services come from the site file, codes and kinds from our own enums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from daemon import (
    answer_events,
    events,
    feed_events,
    run_events,
    schedule_events,
    spool_events,
    trust_events,
    watch_events,
)
from daemon.clock import SECOND_US

ENTRIES_SHOWN = 1000
"""With more entries than this, the series of single entries are left out."""

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_FAST_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_RUN_S = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_LATE_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0)


class Metrics:
    """Counts what happens."""

    def __init__(self, version: str, *, entries: int, feeds: int) -> None:
        """Make the metrics of a site with that many entries and feeds."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._shows_entries = entries <= ENTRIES_SHOWN
        self._labels: set[str] = set()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"carillon_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"carillon_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"carillon_{name}", text, labels, registry=registry, buckets=buckets)

        gauge("build_info", "Version of the daemon.", "version").labels(version).set(1)
        gauge("entries", "Entries of the schedule that are enabled.").set(entries)
        self._occurrences = counter("occurrences", "Occurrences by what became of them.", "entry", "outcome")
        self._lateness = histogram(
            "occurrence_lateness_seconds", "From the planned instant until the message was in its queue.", _LATE_S
        )
        self._runs_and_watching(counter, gauge, histogram)
        self._entry_next = gauge("entry_next_timestamp_seconds", "When an entry is next due.", "entry")
        self._acks = counter("feed_acks", "Answers sent, by code; empty where none was due.", "feed", "code")
        self._ack_s = histogram(
            "feed_ack_seconds", "From a message's last byte until its answer was sent.", _FAST_S, "feed"
        )
        self._last_message = gauge("feed_last_message_timestamp_seconds", "When the last message was answered.", "feed")
        self._connecting(counter, gauge)
        self._answering(counter, histogram)
        self._quarantined = counter("feed_quarantined", "Blocks refused and kept.", "feed", "reason")
        self._enqueued = counter("feed_enqueued", "Messages handed to their queues.", "feed")
        self._handed_on_s = histogram(
            "feed_handed_on_seconds",
            "From the arrival of the first message of a group until all of it was in its queues.",
            _FAST_S,
            "feed",
        )
        self._parked = counter("feed_parked", "Messages that could not be handed on.", "feed")
        self._repeated = counter("feed_repeated", "Messages pushed again after the broker forgot them.", "feed")
        self._spool(counter, gauge, histogram)
        if not feeds:
            registry.unregister(self._accepting)  # without feeds there is no spool that could accept
        self._broker_up = gauge("broker_up", "1 while the broker answers.")
        self._evicting = gauge("broker_evicting", "1 if the broker may throw data away.")
        self._forgot = counter("broker_history_changes", "Times the broker came back with another history.")
        self._offset = gauge("clock_offset_seconds", "How far the broker's clock is ahead of ours.")
        self._restarts = counter("service_restarts", "Services started again after an error.", "service")
        # Of the busiest: looking a child up costs more than counting. There are as many of them as there are series.
        self._occurrence_children: dict[tuple[str, str], Counter] = {}
        self._next_children: dict[str, Gauge] = {}
        self._answer_children: dict[tuple[str, str], tuple[Counter, Histogram, Gauge]] = {}
        self._handlers: Mapping[type, Callable[[Any], None]] = self._table()

    def _spool(
        self, counter: Callable[..., Counter], gauge: Callable[..., Gauge], histogram: Callable[..., Histogram]
    ) -> None:
        self._waiting = gauge("spool_messages", "Messages that wait in the spool.", "feed")
        self._oldest = gauge("spool_oldest_seconds", "Age of the oldest message that waits.", "feed")
        self._commit_s = histogram("spool_fsync_seconds", "Duration of a group commit.", _FAST_S)
        self._stored = counter("spool_stored", "Answers that waited for a commit.")
        self._pruned = counter("spool_pruned", "Messages removed after their retention.")
        self._accepting = gauge("spool_accepting", "1 while messages can be stored.")
        self._damaged = counter("spool_damages", "Findings of damage when the spool was opened.")
        self._room = gauge("spool_free_bytes", "Room on the disk of the spool.")
        self._lasts = gauge(
            "spool_full_in_seconds", "When that disk is full if it goes on like this; +Inf if it does not."
        )

    def _runs_and_watching(
        self, counter: Callable[..., Counter], gauge: Callable[..., Gauge], histogram: Callable[..., Histogram]
    ) -> None:
        self._missed = counter(
            "expectations_missed", "Occurrences that did not do what is expected of them, by what.", "entry", "what"
        )
        self._daemons = gauge("daemons", "Daemons of the site that give signs of life, this one included.")
        self._alerts = counter("alerts", "Alerts and pings by channel, and whether they arrived.", "channel", "outcome")
        self._runs = counter("runs", "Runs that are over, by outcome.", "entry", "state")
        self._run_s = histogram("run_seconds", "Duration of runs whose start and end are known.", _RUN_S)
        self._history_kept = gauge("history_kept", "1 while the history is written.")

    def _connecting(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        self._reached = gauge("feed_reached", "1 while a feed that connects out has its connection.", "feed")
        self._deviations = counter("feed_deviations", "Framing that strays from the standard.", "feed", "kind")
        self._resends = counter("feed_duplicates", "Messages that came again and got their first answer.", "feed")
        self._connections = gauge("feed_connections", "Senders connected now.", "feed")
        self._messages = counter("feed_messages", "Messages received, resends too, by type.", "feed", "type")
        self._bytes = counter("feed_bytes", "Bytes of blocks received.", "feed")
        self._routed = counter("feed_route_messages", "Messages by the route that wants them.", "feed", "route")
        self._filtered = counter("feed_filtered", "Messages with which nothing is to be done.", "feed")
        self._unrouted = counter("feed_unrouted", "Messages no route wants.", "feed")
        self._refused = counter("feed_refused_connections", "Connections not accepted.", "feed", "reason")
        self._closed = counter("feed_closed_connections", "Connections ended, by reason.", "feed", "reason")
        self._expiry = gauge(
            "feed_certificate_expiry_timestamp_seconds", "When the certificate in use expires.", "feed"
        )
        self._feed_alarms = counter("feed_alarms", "Alarms of feeds, by what is wrong.", "feed", "what")
        self._feed_alarm = gauge("feed_alarm", "1 while something is wrong with a feed, by what.", "feed", "what")
        self._audit_failures = counter("audit_failures", "Records of the audit trail not written, or not sent on.")

    def _answering(self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]) -> None:
        self._late = counter("feed_late_answers", "Answers that waited for tasks, by how that ended.", "feed", "ending")
        self._late_s = histogram(
            "feed_late_answer_seconds", "From a message's commit until its late answer was decided.", _RUN_S, "feed"
        )
        self._reused = counter("feed_reused_control_ids", "Control ids used again for another content.", "feed")
        self._unsequenced = counter("feed_out_of_sequence", "Messages refused for their number.", "feed", "turn")
        self._elsewhere = counter("feed_answered_elsewhere", "Messages another daemon had accepted before.", "feed")

    def __call__(self, event: object) -> None:
        """Count an event."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def exposition(self) -> bytes:
        """Write all metrics in the text format."""
        return generate_latest(self.registry)

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """Give one sample; 0 if it does not exist yet."""
        return self.registry.get_sample_value(name, dict(labels or {})) or 0.0

    def _table(self) -> dict[type, Callable[[Any], None]]:
        return {
            schedule_events.OccurrenceEnqueued: self._occurrence_enqueued,
            schedule_events.OccurrenceTaken: lambda event: self._occurrence(event.entry, "taken"),
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
            feed_events.Answered: self._answered,
            feed_events.PeerConnected: lambda event: self._connections.labels(event.feed).set(event.connections),
            feed_events.PeerGone: self._gone,
            feed_events.PeerRefused: lambda event: self._refused.labels(event.feed, event.reason.value).inc(),
            trust_events.NodeRefused: lambda event: self._refused.labels(event.feed, event.reason.value).inc(),
            trust_events.CertificateTaken: lambda event: self._expiry.labels(event.feed).set(
                event.until_us / SECOND_US
            ),
            trust_events.AuditLost: lambda event: self._audit_failures.inc(event.count),
            watch_events.FeedAlarmRaised: self._alarm,
            watch_events.FeedAlarmEnded: lambda event: self._feed_alarm.labels(event.feed, event.what.value).set(0),
            feed_events.FeedReached: lambda event: self._reached.labels(event.feed).set(1),
            feed_events.FeedUnreached: lambda event: self._reached.labels(event.feed).set(0),
            feed_events.Deviated: lambda event: self._deviations.labels(event.feed, event.kind.value).inc(),
            answer_events.AnsweredLate: self._answered_late,
            answer_events.ControlIdReused: lambda event: self._reused.labels(event.feed).inc(),
            answer_events.OutOfSequence: lambda event: self._unsequenced.labels(event.feed, event.turn.value).inc(),
            answer_events.AnsweredElsewhere: lambda event: self._elsewhere.labels(event.feed).inc(),
            feed_events.Received: self._received,
            feed_events.Resent: lambda event: self._resends.labels(event.feed).inc(),
            feed_events.Quarantined: lambda event: self._quarantined.labels(event.feed, event.reason.value).inc(),
            events.MessagesEnqueued: self._handed_on,
            events.MessageParked: lambda event: self._parked.labels(event.feed).inc(),
            events.MessagesRepeated: lambda event: self._repeated.labels(event.feed).inc(event.pushed),
            events.Backlog: self._backlog,
            events.Committed: self._committed,
            events.Pruned: lambda event: self._pruned.inc(event.count),
            events.SpoolDamaged: lambda _: self._damaged.inc(),
            spool_events.DiskSeen: self._disk,
            events.SpoolOpened: lambda _: self._accepting.set(1),
            feed_events.FeedWithholding: lambda _: self._accepting.set(0),
            feed_events.FeedResumed: lambda _: self._accepting.set(1),
            events.BrokerUp: lambda _: self._broker_up.set(1),
            events.BrokerLost: lambda _: self._broker_up.set(0),
            events.BrokerEvicting: lambda _: self._evicting.set(1),
            events.BrokerKeeping: lambda _: self._evicting.set(0),
            events.BrokerHistoryChanged: lambda _: self._forgot.inc(),
            events.ClockOffset: lambda event: self._offset.set(event.offset_s),
            events.ServiceFailed: lambda event: self._restarts.labels(event.service).inc(),
        }

    def _alarm(self, event: watch_events.FeedAlarmRaised) -> None:
        self._feed_alarms.labels(event.feed, event.what.value).inc()
        self._feed_alarm.labels(event.feed, event.what.value).set(1)

    def _handed_on(self, event: events.MessagesEnqueued) -> None:
        self._enqueued.labels(event.feed).inc(event.count)
        self._handed_on_s.labels(event.feed).observe(event.waited_s)

    def _disk(self, event: spool_events.DiskSeen) -> None:
        self._room.set(event.free_bytes)
        self._lasts.set(event.lasts_s)

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

    def _run(self, entry: str, state: str) -> None:
        self._runs.labels(entry if self._shows_entries else "", state).inc()

    def _run_ended(self, event: run_events.RunEnded) -> None:
        self._run(event.entry, event.state)
        if event.ran_s >= 0:
            self._run_s.observe(event.ran_s)

    def _missed_one(self, event: watch_events.OccurrenceMissed) -> None:
        self._missed.labels(self._label(event.entry), event.what.value).inc()

    def _planned(self, event: schedule_events.EntryPlanned) -> None:
        if self._label(event.entry):
            next_s = event.next_us / SECOND_US if event.next_us is not None else float("inf")
            known = self._next_children.get(event.entry)
            if known is None:
                known = self._next_children[event.entry] = self._entry_next.labels(event.entry)
            known.set(next_s)

    def _answered_late(self, event: answer_events.AnsweredLate) -> None:
        self._late.labels(event.feed, event.ending.value).inc()
        self._late_s.labels(event.feed).observe(event.took_s)

    def _answered(self, event: feed_events.Answered) -> None:
        known = self._answer_children.get((event.feed, event.code))
        if known is None:
            known = self._answer_children[event.feed, event.code] = (
                self._acks.labels(event.feed, event.code),
                self._ack_s.labels(event.feed),
                self._last_message.labels(event.feed),
            )
        count, took, last = known
        count.inc(len(event.took_s))
        for took_s in event.took_s:
            took.observe(took_s)
        last.set_to_current_time()

    def _received(self, event: feed_events.Received) -> None:
        for kind, count in event.kinds.items():
            self._messages.labels(event.feed, kind).inc(count)
        for route, count in event.routes.items():
            self._routed.labels(event.feed, route).inc(count)
        self._bytes.labels(event.feed).inc(event.size_bytes)
        self._filtered.labels(event.feed).inc(event.filtered)
        self._unrouted.labels(event.feed).inc(event.unrouted)

    def _gone(self, event: feed_events.PeerGone) -> None:
        self._connections.labels(event.feed).set(event.connections)
        self._closed.labels(event.feed, event.reason.value).inc()

    def _backlog(self, event: events.Backlog) -> None:
        self._waiting.labels(event.feed).set(event.waiting)
        self._oldest.labels(event.feed).set(event.oldest_s)

    def _committed(self, event: events.Committed) -> None:
        self._commit_s.observe(event.took_s)
        self._stored.inc(event.count)
