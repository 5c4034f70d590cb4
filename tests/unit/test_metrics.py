"""Numbers for Prometheus: their names, their labels, and which event moves which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from daemon import (
    answer_events,
    api_events,
    celery_events,
    deeds,
    events,
    feed_events,
    run_events,
    schedule_events,
    spool_events,
    tracing_events,
    trust_events,
    watch_events,
)
from daemon.alerts.channels import Channel
from daemon.clock import SECOND_US
from daemon.hl7listener.ack.deferred import Ending
from daemon.hl7listener.ack.sequence import Turn
from daemon.hl7listener.judging.finding import Reason
from daemon.hl7listener.tls.faults import Refusal
from daemon.hl7listener.tls.keeper import Alarm
from daemon.hl7listener.watch.alarms import FeedAlarm
from daemon.hl7listener.wire.connection import Goodbye
from daemon.hl7listener.wire.framer import Deviation
from daemon.metrics import ENTRIES_SHOWN, Metrics
from daemon.public import Public
from daemon.scheduler.evaluate import SkipReason
from daemon.scheduler.watch.missed import What
from tests.support.clock import START_US

ADT, BELL, BROKER = Public("adt"), Public("bell"), Public("127.0.0.1:6379")

LABELS = {
    "carillon_build_info": ("version",),
    "carillon_entries": (),
    "carillon_occurrences": ("entry", "outcome"),
    "carillon_occurrence_lateness_seconds": ("le",),
    "carillon_expectations_missed": ("entry", "what"),
    "carillon_daemons": (),
    "carillon_alerts": ("channel", "outcome"),
    "carillon_entry_next_timestamp_seconds": ("entry",),
    "carillon_feed_messages": ("feed", "type"),
    "carillon_feed_bytes": ("feed",),
    "carillon_feed_route_messages": ("feed", "route"),
    "carillon_feed_filtered": ("feed",),
    "carillon_feed_unrouted": ("feed",),
    "carillon_feed_acks": ("code", "feed"),
    "carillon_feed_ack_seconds": ("feed", "le"),
    "carillon_feed_last_message_timestamp_seconds": ("feed",),
    "carillon_feed_connections": ("feed",),
    "carillon_feed_reached": ("feed",),
    "carillon_feed_refused_connections": ("feed", "reason"),
    "carillon_feed_closed_connections": ("feed", "reason"),
    "carillon_feed_deviations": ("feed", "kind"),
    "carillon_feed_duplicates": ("feed",),
    "carillon_feed_quarantined": ("feed", "reason"),
    "carillon_feed_enqueued": ("feed",),
    "carillon_feed_parked": ("feed",),
    "carillon_feed_repeated": ("feed",),
    "carillon_spool_messages": ("feed",),
    "carillon_spool_oldest_seconds": ("feed",),
    "carillon_spool_fsync_seconds": ("le",),
    "carillon_spool_stored": (),
    "carillon_spool_pruned": (),
    "carillon_spool_free_bytes": (),
    "carillon_spool_full_in_seconds": (),
    "carillon_spool_accepting": (),
    "carillon_spool_damages": (),
    "carillon_broker_up": (),
    "carillon_broker_evicting": (),
    "carillon_broker_history_changes": (),
    "carillon_clock_offset_seconds": (),
    "carillon_service_restarts": ("service",),
    "carillon_runs": ("entry", "state"),
    "carillon_run_seconds": ("le",),
    "carillon_history_kept": (),
    "carillon_feed_certificate_expiry_timestamp_seconds": ("feed",),
    "carillon_feed_alarms": ("feed", "what"),
    "carillon_feed_alarm": ("feed", "what"),
    "carillon_feed_handed_on_seconds": ("feed", "le"),
    "carillon_audit_failures": (),
    "carillon_feed_late_answers": ("feed", "ending"),
    "carillon_feed_late_answer_seconds": ("feed", "le"),
    "carillon_feed_reused_control_ids": ("feed",),
    "carillon_feed_out_of_sequence": ("feed", "turn"),
    "carillon_feed_answered_elsewhere": ("feed",),
    "carillon_config_info": ("hash",),
    "carillon_config_reload_timestamp_seconds": (),
    "carillon_claims": ("outcome",),
    "carillon_claim_conflicts": (),
    "carillon_entry_last_success_timestamp_seconds": ("entry",),
    "carillon_entry_gap_seconds": ("entry",),
    "carillon_feed_quiet": ("feed",),
    "carillon_broker_command_seconds": ("le",),
    "carillon_queue_oldest_seconds": ("queue",),
    "carillon_queue_consumers": ("queue",),
    "carillon_loop_lag_seconds": (),
    "carillon_spans": ("outcome",),
    "carillon_http_request_seconds": ("le", "route"),
    "carillon_ws_clients": ("route",),
    "carillon_ws_dropped": (),
    "carillon_auth_failures": ("kind",),
    "carillon_reveals": ("kind",),
}
"""Every metric of ours with its labels; what dashboards and alerts are written against."""

ANSWERING: tuple[object, ...] = (
    answer_events.AnsweredLate(ADT, Ending.FAILED, 2.5),
    answer_events.ControlIdReused(ADT, is_refused=False),
    answer_events.OutOfSequence(ADT, Turn.GAP, 5),
    answer_events.AnsweredElsewhere(ADT),
)
LISTENING: tuple[object, ...] = (
    feed_events.FeedReached(ADT, BROKER),
    feed_events.Received(ADT, {Public("ADT"): 3, Public("other"): 2}, 4096, {Public("1 app.task"): 2}, 1, 2),
)
ROUTE, CELERY_TASK = Public("/api/tasks/{id}"), "app.add"
SERVING: tuple[object, ...] = (
    api_events.RequestAnswered(Public("GET"), ROUTE, 200, 0.25),
    api_events.LineOpened(ROUTE, 1),
    api_events.LineOpened(ROUTE, 2),
    api_events.LineClosed(ROUTE, 1, was_slow=True),
    api_events.RequestDenied(Public("not-signed-in"), ROUTE, Public("10.1.2.3")),
    deeds.Deed(deeds.DeedKind.TASK_REVEALED, Public("jdoe"), Public("t1")),
    deeds.Deed(deeds.DeedKind.SIGNED_IN, Public("jdoe"), Public("")),
    watch_events.FeedAlarmRaised(ADT, FeedAlarm.QUIET, START_US),
    events.BrokerAnswered(0.5),
    celery_events.LoopSeen(0.125),
    tracing_events.SpansSent(7),
    tracing_events.SpansLost(2),
    celery_events.QueuesSeen((celery_events.QueueSeen("default", 4, 2, 8, 1.5),)),
    celery_events.WorkersSeen((celery_events.WorkerSeen("w1@ward", "ward", is_alive=True, active=3),)),
    celery_events.TaskTold("task-succeeded", CELERY_TASK, "w1@ward", "ward", "default", runtime_s=2.0),
    schedule_events.EntryPlanned(BELL, START_US + 60 * SECOND_US),
)
BUSY: tuple[object, ...] = (
    schedule_events.OccurrenceEnqueued(BELL, START_US, 0.01, is_misfire=False),
    schedule_events.OccurrenceTaken(BELL, START_US),
    schedule_events.OccurrencesSkipped(BELL, START_US, START_US, 3, SkipReason.COALESCED),
    schedule_events.OccurrenceInvalid(BELL, START_US, Public("no")),
    schedule_events.OccurrenceBlocked(BELL, START_US, Public("key")),
    schedule_events.OccurrenceRepeated(BELL, START_US, had_run=False),
    schedule_events.EntryPlanned(BELL, START_US),
    feed_events.Answered(ADT, Public("AA"), [0.001]),
    feed_events.PeerConnected(ADT, 4),
    feed_events.PeerGone(ADT, 3, Goodbye.PEER, 7),
    feed_events.PeerRefused(ADT, Goodbye.LIMIT),
    feed_events.Deviated(ADT, Deviation.LF_END, 5),
    feed_events.Resent(ADT),
    feed_events.Quarantined(ADT, Reason.TYPE),
    events.MessagesEnqueued(ADT, 9, 0, 0.01),
    events.MessageParked(ADT, 1, Public("no")),
    events.MessagesRepeated(ADT, 2, 1),
    events.Backlog(ADT, 11, 2.5),
    events.Committed(6, 0.002),
    events.Pruned(8),
    events.SpoolDamaged(Public("gap"), 1, 2),
    feed_events.FeedResumed(),
    events.BrokerUp(BROKER, Public("9.1"), 0.0),
    events.BrokerEvicting(BROKER, Public("allkeys-lru")),
    events.BrokerHistoryChanged(BROKER, Public("why")),
    events.ClockOffset(-0.25),
    events.ServiceFailed(ADT, Public("code"), Public("why"), 0.4),
    watch_events.OccurrenceMissed(BELL, START_US, What.FAILED, START_US),
    watch_events.DaemonsSeen(3),
    watch_events.AlertSent(Channel.EMAIL),
    watch_events.AlertFailed(Channel.WEBHOOK, Public("example.org"), Public("answered 500")),
    run_events.RunEnded(BELL, START_US, Public("succeeded"), 7.0),
    run_events.RunLost(BELL, START_US, Public("worker-gone")),
    run_events.HistoryOpened(5),
    spool_events.DiskSeen(1 << 30, 86_400.0),
    *LISTENING,
    *ANSWERING,
    *SERVING,
    trust_events.NodeRefused(ADT, Public("10.1.2.3"), Refusal.NOT_TLS, Public("")),
    trust_events.CertificateTaken(ADT, START_US),
    trust_events.AuditLost(4, Public("full")),
    watch_events.FeedAlarmRaised(ADT, Alarm.WEEK, START_US),
    schedule_events.OccurrenceWaiting(BELL, START_US, Public("overlap")),
    run_events.RunRepeated(BELL, START_US, START_US, START_US),
)


def heard(*happened: object, entries: int = 1, feeds: int = 1) -> Metrics:
    metrics = Metrics("1.2.3", entries=entries, feeds=feeds)
    for event in happened:
        metrics(event)
    return metrics


def families(metrics: Metrics) -> Iterable[Metric]:
    """Read what is exposed, as Prometheus does."""
    return text_string_to_metric_families(metrics.exposition().decode())


def series(metrics: Metrics) -> set[str]:
    """Name every series of ours."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}"
        for family in families(metrics)
        for sample in family.samples
        if sample.name.startswith("carillon_")
    }


# -- names and labels --------------------------------------------------------------------------------------------------


def test_names_and_labels_are_those_that_dashboards_know() -> None:
    found: dict[str, set[str]] = {}
    for family in families(heard(*BUSY)):
        if family.name.startswith("carillon_"):
            found[family.name] = {label for sample in family.samples for label in sample.labels}
    assert found == {name: set(labels) for name, labels in LABELS.items()}


def test_every_metric_has_a_sentence_and_a_unit_in_its_name_if_it_has_one() -> None:
    for family in families(heard(*BUSY)):
        if family.name.startswith("carillon_"):
            assert family.documentation.endswith(".")
            assert family.type != "histogram" or family.name.endswith("_seconds")


def test_the_exposition_says_who_we_are_and_how_the_process_does() -> None:
    metrics = heard(entries=17)
    assert metrics.value("carillon_build_info", {"version": "1.2.3"}) == 1
    assert metrics.value("carillon_entries") == 17
    text = metrics.exposition().decode()
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text


def test_a_site_without_feeds_shows_no_spool_that_does_not_accept() -> None:
    assert b"spool_accepting" not in heard(feeds=0).exposition()
    assert b"spool_accepting" in heard().exposition()


def test_no_series_tells_when_it_was_made() -> None:
    assert b"_created" not in heard(*BUSY).exposition()


# -- which event moves which -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "name", "labels", "value"),
    [
        (BUSY[0], "occurrences_total", {"entry": "bell", "outcome": "enqueued"}, 1),
        (BUSY[0], "occurrence_lateness_seconds_count", {}, 1),
        (BUSY[0], "occurrence_lateness_seconds_sum", {}, 0.01),
        (BUSY[1], "occurrences_total", {"entry": "bell", "outcome": "taken"}, 1),
        (BUSY[2], "occurrences_total", {"entry": "bell", "outcome": "skipped"}, 3),
        (BUSY[3], "occurrences_total", {"entry": "bell", "outcome": "invalid"}, 1),
        (BUSY[4], "occurrences_total", {"entry": "bell", "outcome": "blocked"}, 1),
        (BUSY[5], "occurrences_total", {"entry": "bell", "outcome": "repeated"}, 1),
        (BUSY[6], "entry_next_timestamp_seconds", {"entry": "bell"}, START_US / SECOND_US),
        (schedule_events.EntryPlanned(BELL, None), "entry_next_timestamp_seconds", {"entry": "bell"}, float("inf")),
        (BUSY[7], "feed_acks_total", {"feed": "adt", "code": "AA"}, 1),
        (feed_events.Answered(ADT, Public(""), [0.1, 0.2]), "feed_acks_total", {"feed": "adt", "code": ""}, 2),
        (feed_events.Answered(ADT, Public("AA"), [0.5, 2.0]), "feed_ack_seconds_sum", {"feed": "adt"}, 2.5),
        (BUSY[7], "feed_ack_seconds_sum", {"feed": "adt"}, 0.001),
        (BUSY[8], "feed_connections", {"feed": "adt"}, 4),
        (BUSY[9], "feed_connections", {"feed": "adt"}, 3),
        (BUSY[9], "feed_closed_connections_total", {"feed": "adt", "reason": "peer-closed"}, 1),
        (BUSY[10], "feed_refused_connections_total", {"feed": "adt", "reason": "too-many-connections"}, 1),
        (BUSY[11], "feed_deviations_total", {"feed": "adt", "kind": "lf-after-fs"}, 1),
        (BUSY[12], "feed_duplicates_total", {"feed": "adt"}, 1),
        (BUSY[13], "feed_quarantined_total", {"feed": "adt", "reason": "type-not-routed"}, 1),
        (BUSY[14], "feed_enqueued_total", {"feed": "adt"}, 9),
        (BUSY[15], "feed_parked_total", {"feed": "adt"}, 1),
        (BUSY[16], "feed_repeated_total", {"feed": "adt"}, 2),
        (BUSY[17], "spool_messages", {"feed": "adt"}, 11),
        (BUSY[17], "spool_oldest_seconds", {"feed": "adt"}, 2.5),
        (BUSY[18], "spool_stored_total", {}, 6),
        (BUSY[18], "spool_fsync_seconds_sum", {}, 0.002),
        (spool_events.DiskSeen(7, 9.5), "spool_free_bytes", {}, 7),
        (spool_events.DiskSeen(7, 9.5), "spool_full_in_seconds", {}, 9.5),
        (BUSY[19], "spool_pruned_total", {}, 8),
        (BUSY[20], "spool_damages_total", {}, 1),
        (BUSY[21], "spool_accepting", {}, 1),
        (BUSY[22], "broker_up", {}, 1),
        (BUSY[23], "broker_evicting", {}, 1),
        (BUSY[24], "broker_history_changes_total", {}, 1),
        (BUSY[25], "clock_offset_seconds", {}, -0.25),
        (BUSY[26], "service_restarts_total", {"service": "adt"}, 1),
        (BUSY[27], "expectations_missed_total", {"entry": "bell", "what": "failed"}, 1),
        (BUSY[28], "daemons", {}, 3),
        (BUSY[29], "alerts_total", {"channel": "email", "outcome": "sent"}, 1),
        (BUSY[30], "alerts_total", {"channel": "webhook", "outcome": "failed"}, 1),
        (BUSY[-6], "feed_refused_connections_total", {"feed": "adt", "reason": "not-tls"}, 1),
        (BUSY[-5], "feed_certificate_expiry_timestamp_seconds", {"feed": "adt"}, START_US / SECOND_US),
        (BUSY[-4], "audit_failures_total", {}, 4),
        (BUSY[-3], "feed_alarms_total", {"feed": "adt", "what": "certificate-ends-in-7-days"}, 1),
        (BUSY[-2], "occurrences_total", {"entry": "bell", "outcome": "waiting"}, 1),
        (BUSY[-1], "runs_total", {"entry": "bell", "state": "repeated"}, 1),
        (BUSY[31], "runs_total", {"entry": "bell", "state": "succeeded"}, 1),
        (BUSY[31], "run_seconds_sum", {}, 7.0),
        (BUSY[32], "runs_total", {"entry": "bell", "state": "lost"}, 1),
        (BUSY[33], "history_kept", {}, 1),
        (LISTENING[0], "feed_reached", {"feed": "adt"}, 1),
        (LISTENING[1], "feed_messages_total", {"feed": "adt", "type": "other"}, 2),
        (LISTENING[1], "feed_bytes_total", {"feed": "adt"}, 4096),
        (LISTENING[1], "feed_route_messages_total", {"feed": "adt", "route": "1 app.task"}, 2),
        (LISTENING[1], "feed_filtered_total", {"feed": "adt"}, 1),
        (LISTENING[1], "feed_unrouted_total", {"feed": "adt"}, 2),
        (BUSY[-3], "feed_alarm", {"feed": "adt", "what": "certificate-ends-in-7-days"}, 1),
        (SERVING[0], "http_request_seconds_sum", {"route": ROUTE}, 0.25),
        (SERVING[1], "ws_clients", {"route": ROUTE}, 1),
        (SERVING[3], "ws_dropped_total", {}, 1),
        (SERVING[4], "auth_failures_total", {"kind": "not-signed-in"}, 1),
        (SERVING[5], "reveals_total", {"kind": "task-revealed"}, 1),
        (SERVING[7], "feed_quiet", {"feed": "adt"}, 1),
        (SERVING[8], "broker_command_seconds_sum", {}, 0.5),
        (SERVING[9], "loop_lag_seconds", {}, 0.125),
        (SERVING[10], "spans_total", {"outcome": "sent"}, 7),
        (SERVING[11], "spans_total", {"outcome": "lost"}, 2),
        (SERVING[12], "queue_oldest_seconds", {"queue": "default"}, 1.5),
        (SERVING[12], "queue_consumers", {"queue": "default"}, 2),
        (BUSY[0], "claims_total", {"outcome": "won"}, 1),
        (BUSY[1], "claims_total", {"outcome": "taken"}, 1),
        (BUSY[1], "claim_conflicts_total", {}, 1),
        (ANSWERING[0], "feed_late_answers_total", {"feed": "adt", "ending": "failed"}, 1),
        (ANSWERING[0], "feed_late_answer_seconds_sum", {"feed": "adt"}, 2.5),
        (ANSWERING[1], "feed_reused_control_ids_total", {"feed": "adt"}, 1),
        (ANSWERING[2], "feed_out_of_sequence_total", {"feed": "adt", "turn": "gap"}, 1),
        (ANSWERING[3], "feed_answered_elsewhere_total", {"feed": "adt"}, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, tuple(type(one) for one in BUSY)) else None,
)
def test_an_event_moves_its_number(event: object, name: str, labels: dict[str, str], value: float) -> None:
    assert heard().value(f"carillon_{name}", labels) == 0
    assert heard(event).value(f"carillon_{name}", labels) == pytest.approx(value)


def test_every_event_that_is_counted_is_in_the_table_above() -> None:
    states = {
        run_events.HistoryLost,
        events.BrokerLost,
        events.BrokerKeeping,
        feed_events.FeedUnreached,
        feed_events.FeedWithholding,
        watch_events.FeedAlarmEnded,
        events.SpoolOpened,
    }
    assert {type(event) for event in BUSY} | states == set(heard()._table())


def test_counts_add_up_and_states_follow_the_last_event() -> None:
    metrics = heard(*BUSY, *BUSY)
    assert metrics.value("carillon_feed_enqueued_total", {"feed": "adt"}) == 18
    assert metrics.value("carillon_spool_messages", {"feed": "adt"}) == 11
    assert metrics.value("carillon_feed_connections", {"feed": "adt"}) == 3


def test_what_went_down_or_stopped_is_zero_again() -> None:
    metrics = heard(
        *BUSY, events.BrokerLost(BROKER, Public("c"), Public("r")), feed_events.FeedWithholding(Public("full"))
    )
    metrics(events.BrokerKeeping(BROKER))
    metrics(feed_events.FeedUnreached(ADT, BROKER, Public("refused"), 1.0))
    metrics(watch_events.FeedAlarmEnded(ADT, Alarm.WEEK, START_US))
    metrics(watch_events.FeedAlarmEnded(ADT, FeedAlarm.QUIET, START_US))
    assert metrics.value("carillon_feed_quiet", {"feed": "adt"}) == 0
    assert metrics.value("carillon_feed_reached", {"feed": "adt"}) == 0
    assert metrics.value("carillon_feed_alarm", {"feed": "adt", "what": "certificate-ends-in-7-days"}) == 0
    assert metrics.value("carillon_broker_evicting") == 0
    assert metrics.value("carillon_broker_up") == 0
    assert metrics.value("carillon_spool_accepting") == 0


def test_an_occurrence_that_was_early_by_a_hair_counts_as_on_time() -> None:
    metrics = heard(schedule_events.OccurrenceEnqueued(BELL, START_US, -0.002, is_misfire=False))
    assert metrics.value("carillon_occurrence_lateness_seconds_sum") == 0
    assert metrics.value("carillon_occurrence_lateness_seconds_bucket", {"le": "0.005"}) == 1


def test_the_instant_of_the_last_answer_is_known() -> None:
    first = heard(BUSY[7])
    assert first.value("carillon_feed_last_message_timestamp_seconds", {"feed": "adt"}) > 1_700_000_000


def test_an_event_nobody_counts_moves_nothing() -> None:
    silent = heard()
    before = series(silent)
    silent(events.DaemonStopped(1.0))
    silent(object())
    assert series(silent) == before


# -- bounds ------------------------------------------------------------------------------------------------------------


def storm(count: int) -> Iterator[object]:
    """Let much happen, each time with other numbers, instants and texts of ours."""
    for number in range(count):
        yield feed_events.Answered(ADT, Public("AA"), [number / 7])
        yield events.MessageParked(ADT, number, Public(f"reason {number}"))
        yield feed_events.PeerGone(ADT, number, Goodbye.RESET, number)
        yield events.BrokerLost(BROKER, Public(f"code {number}"), Public(f"reason {number}"))
        yield events.ServiceFailed(ADT, Public(f"code {number}"), Public(f"reason {number}"), number)
        yield schedule_events.OccurrenceBlocked(BELL, START_US + number, Public(f"key {number}"))
        yield events.SpoolDamaged(Public(f"what {number}"), number, number)
        yield schedule_events.EntryPlanned(BELL, START_US + number)


def test_the_number_of_series_does_not_grow_with_what_happens() -> None:
    assert series(heard(*storm(500))) == series(heard(*storm(1)))


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ([feed_events.PeerGone(ADT, 0, one, 0) for one in Goodbye], "feed_closed_connections_total"),
        ([feed_events.Quarantined(ADT, one) for one in Reason], "feed_quarantined_total"),
        ([feed_events.Deviated(ADT, one, 1) for one in Deviation], "feed_deviations_total"),
    ],
)
def test_reasons_and_kinds_are_those_of_our_own_lists(kinds: list[feed_events.Deviated], name: str) -> None:
    label = {"feed_deviations_total": "kind"}.get(name, "reason")
    values = [getattr(event, label) for event in kinds]
    assert all(isinstance(value, Enum) for value in values)
    metrics = heard(*kinds)
    for value in values:
        assert metrics.value(f"carillon_{name}", {"feed": "adt", label: value.value}) == 1


@pytest.mark.parametrize(("entries", "shown"), [(ENTRIES_SHOWN, True), (ENTRIES_SHOWN + 1, False)])
def test_with_very_many_entries_the_series_of_single_entries_are_left_out(entries: int, shown: bool) -> None:  # noqa: FBT001 - a column
    names = [Public(f"e{number}") for number in range(50)]
    metrics = heard(
        *(schedule_events.OccurrenceEnqueued(name, START_US, 0.0, is_misfire=False) for name in names),
        *(schedule_events.EntryPlanned(name, START_US) for name in names),
        entries=entries,
    )
    own = metrics.value("carillon_occurrences_total", {"entry": "e7", "outcome": "enqueued"})
    of_all = metrics.value("carillon_occurrences_total", {"entry": "", "outcome": "enqueued"})
    assert (own, of_all) == ((1, 0) if shown else (0, 50))
    assert any("entry_next" in one for one in series(metrics)) is shown
    assert metrics.value("carillon_occurrence_lateness_seconds_count") == 50


def test_the_gap_of_an_entry_is_the_time_between_two_instants_it_is_due() -> None:
    metrics = heard(schedule_events.EntryPlanned(BELL, START_US), schedule_events.EntryPlanned(BELL, START_US))
    assert metrics.value("carillon_entry_gap_seconds", {"entry": "bell"}) == float("inf")
    metrics(schedule_events.EntryPlanned(BELL, START_US + 90 * SECOND_US))
    metrics(schedule_events.EntryPlanned(BELL, None))
    assert metrics.value("carillon_entry_gap_seconds", {"entry": "bell"}) == 90
