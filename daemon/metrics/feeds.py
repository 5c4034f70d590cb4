"""Numbers of the feeds: who is connected, what came, how it was answered, where it went."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from daemon import answer_events, events, feed_events, trust_events, watch_events
from daemon.clock import SECOND_US
from daemon.metrics.making import FAST_S, RUN_S, Handlers, Making

QUIET = "feed-quiet"


class FeedMetrics:
    """Counts what happens to feeds."""

    def __init__(self, make: Making) -> None:
        """Make them."""
        self._acks = make.counter("feed_acks", "Answers sent, by code; empty where none was due.", "feed", "code")
        self._ack_s = make.histogram(
            "feed_ack_seconds", "From a message's last byte until its answer was sent.", FAST_S, "feed"
        )
        self._last_message = make.gauge(
            "feed_last_message_timestamp_seconds", "When the last message was answered.", "feed"
        )
        self._connecting(make)
        self._receiving(make)
        self._answering(make)
        self._answer_children: dict[tuple[str, str], tuple[Counter, Histogram, Gauge]] = {}

    def _connecting(self, make: Making) -> None:
        self._reached = make.gauge("feed_reached", "1 while a feed that connects out has its connection.", "feed")
        self._connections = make.gauge("feed_connections", "Senders connected now.", "feed")
        self._refused = make.counter("feed_refused_connections", "Connections not accepted.", "feed", "reason")
        self._closed = make.counter("feed_closed_connections", "Connections ended, by reason.", "feed", "reason")
        self._expiry = make.gauge(
            "feed_certificate_expiry_timestamp_seconds", "When the certificate in use expires.", "feed"
        )
        self._alarms = make.counter("feed_alarms", "Alarms of feeds, by what is wrong.", "feed", "what")
        self._alarm = make.gauge("feed_alarm", "1 while something is wrong with a feed, by what.", "feed", "what")
        self._quiet = make.gauge("feed_quiet", "1 while a feed is quieter than usual.", "feed")

    def _receiving(self, make: Making) -> None:
        self._deviations = make.counter("feed_deviations", "Framing that strays from the standard.", "feed", "kind")
        self._resends = make.counter("feed_duplicates", "Messages that came again and got their first answer.", "feed")
        self._messages = make.counter("feed_messages", "Messages received, resends too, by type.", "feed", "type")
        self._bytes = make.counter("feed_bytes", "Bytes of blocks received.", "feed")
        self._routed = make.counter("feed_route_messages", "Messages by the route that wants them.", "feed", "route")
        self._filtered = make.counter("feed_filtered", "Messages with which nothing is to be done.", "feed")
        self._unrouted = make.counter("feed_unrouted", "Messages no route wants.", "feed")
        self._quarantined = make.counter("feed_quarantined", "Blocks refused and kept.", "feed", "reason")
        self._enqueued = make.counter("feed_enqueued", "Messages handed to their queues.", "feed")
        self._handed_on_s = make.histogram(
            "feed_handed_on_seconds",
            "From the arrival of the first message of a group until all of it was in its queues.",
            FAST_S,
            "feed",
        )
        self._parked = make.counter("feed_parked", "Messages that could not be handed on.", "feed")
        self._repeated = make.counter("feed_repeated", "Messages pushed again after the broker forgot them.", "feed")

    def _answering(self, make: Making) -> None:
        self._late = make.counter(
            "feed_late_answers", "Answers that waited for tasks, by how that ended.", "feed", "ending"
        )
        self._late_s = make.histogram(
            "feed_late_answer_seconds", "From a message's commit until its late answer was decided.", RUN_S, "feed"
        )
        self._reused = make.counter("feed_reused_control_ids", "Control ids used again for another content.", "feed")
        self._unsequenced = make.counter("feed_out_of_sequence", "Messages refused for their number.", "feed", "turn")
        self._elsewhere = make.counter(
            "feed_answered_elsewhere", "Messages another daemon had accepted before.", "feed"
        )

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {
            feed_events.Answered: self._answered,
            feed_events.PeerConnected: lambda event: self._connections.labels(event.feed).set(event.connections),
            feed_events.PeerGone: self._gone,
            feed_events.PeerRefused: lambda event: self._refused.labels(event.feed, event.reason.value).inc(),
            trust_events.NodeRefused: lambda event: self._refused.labels(event.feed, event.reason.value).inc(),
            trust_events.CertificateTaken: lambda event: self._expiry.labels(event.feed).set(
                event.until_us / SECOND_US
            ),
            watch_events.FeedAlarmRaised: self._alarm_raised,
            watch_events.FeedAlarmEnded: self._alarm_ended,
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
        }

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

    def _gone(self, event: feed_events.PeerGone) -> None:
        self._connections.labels(event.feed).set(event.connections)
        self._closed.labels(event.feed, event.reason.value).inc()

    def _alarm_raised(self, event: watch_events.FeedAlarmRaised) -> None:
        self._alarms.labels(event.feed, event.what.value).inc()
        self._alarm.labels(event.feed, event.what.value).set(1)
        if event.what.value == QUIET:
            self._quiet.labels(event.feed).set(1)

    def _alarm_ended(self, event: watch_events.FeedAlarmEnded) -> None:
        self._alarm.labels(event.feed, event.what.value).set(0)
        if event.what.value == QUIET:
            self._quiet.labels(event.feed).set(0)

    def _received(self, event: feed_events.Received) -> None:
        for kind, count in event.kinds.items():
            self._messages.labels(event.feed, kind).inc(count)
        for route, count in event.routes.items():
            self._routed.labels(event.feed, route).inc(count)
        self._bytes.labels(event.feed).inc(event.size_bytes)
        self._filtered.labels(event.feed).inc(event.filtered)
        self._unrouted.labels(event.feed).inc(event.unrouted)

    def _handed_on(self, event: events.MessagesEnqueued) -> None:
        self._enqueued.labels(event.feed).inc(event.count)
        self._handed_on_s.labels(event.feed).observe(event.waited_s)

    def _answered_late(self, event: answer_events.AnsweredLate) -> None:
        self._late.labels(event.feed, event.ending.value).inc()
        self._late_s.labels(event.feed).observe(event.took_s)
