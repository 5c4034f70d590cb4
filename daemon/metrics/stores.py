"""Numbers of what the daemon stands on: the spool, the broker, and its own services."""

from __future__ import annotations

from daemon import celery_events, events, feed_events, spool_events, tracing_events, trust_events
from daemon.metrics.making import FAST_S, Handlers, Making


class StoreMetrics:
    """Counts what happens to spool, broker and services."""

    def __init__(self, make: Making, feeds: int) -> None:
        """Make them; a site without feeds has no spool that could accept."""
        self._waiting = make.gauge("spool_messages", "Messages that wait in the spool.", "feed")
        self._oldest = make.gauge("spool_oldest_seconds", "Age of the oldest message that waits.", "feed")
        self._commit_s = make.histogram("spool_fsync_seconds", "Duration of a group commit.", FAST_S)
        self._stored = make.counter("spool_stored", "Answers that waited for a commit.")
        self._pruned = make.counter("spool_pruned", "Messages removed after their retention.")
        self._accepting = make.gauge("spool_accepting", "1 while messages can be stored.")
        if not feeds:
            make.registry.unregister(self._accepting)
        self._damaged = make.counter("spool_damages", "Findings of damage when the spool was opened.")
        self._room = make.gauge("spool_free_bytes", "Room on the disk of the spool.")
        self._lasts = make.gauge(
            "spool_full_in_seconds", "When that disk is full if it goes on like this; +Inf if it does not."
        )
        self._broker_up = make.gauge("broker_up", "1 while the broker answers.")
        self._broker_s = make.histogram("broker_command_seconds", "Duration of a look at the broker.", FAST_S)
        self._evicting = make.gauge("broker_evicting", "1 if the broker may throw data away.")
        self._forgot = make.counter("broker_history_changes", "Times the broker came back with another history.")
        self._offset = make.gauge("clock_offset_seconds", "How far the broker's clock is ahead of ours.")
        self._restarts = make.counter("service_restarts", "Services started again after an error.", "service")
        self._audit_failures = make.counter("audit_failures", "Records of the audit trail not written, or not sent on.")
        self._lag = make.gauge("loop_lag_seconds", "How late the event loop woke at most, of late.")
        self._spans = make.counter("spans", "Spans of traces: sent, or lost before they were.", "outcome")

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {
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
            events.BrokerAnswered: lambda event: self._broker_s.observe(event.took_s),
            events.BrokerEvicting: lambda _: self._evicting.set(1),
            events.BrokerKeeping: lambda _: self._evicting.set(0),
            events.BrokerHistoryChanged: lambda _: self._forgot.inc(),
            events.ClockOffset: lambda event: self._offset.set(event.offset_s),
            events.ServiceFailed: lambda event: self._restarts.labels(event.service).inc(),
            trust_events.AuditLost: lambda event: self._audit_failures.inc(event.count),
            celery_events.LoopSeen: lambda event: self._lag.set(event.lag_s),
            tracing_events.SpansSent: lambda event: self._spans.labels("sent").inc(event.count),
            tracing_events.SpansLost: lambda event: self._spans.labels("lost").inc(event.count),
        }

    def _backlog(self, event: events.Backlog) -> None:
        self._waiting.labels(event.feed).set(event.waiting)
        self._oldest.labels(event.feed).set(event.oldest_s)

    def _committed(self, event: events.Committed) -> None:
        self._commit_s.observe(event.took_s)
        self._stored.inc(event.count)

    def _disk(self, event: spool_events.DiskSeen) -> None:
        self._room.set(event.free_bytes)
        self._lasts.set(event.lasts_s)
