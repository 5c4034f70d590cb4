"""Traces from a message and an occurrence to the span of a stock worker, through a real daemon and a real broker."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.builders import ADT_FEED, MARKER, adt, framed, site_text, write_site
from tests.support.collector import Collector
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

INTERNAL, PRODUCER, CONSUMER = 1, 4, 5
TICK = '[schedule.tick]\ntask = "recording.tick"\nevery = "1s"\n'


def test_an_occurrence_and_a_message_are_traced_into_the_worker(valkey: ValkeyServer, tmp_path: Path) -> None:
    with Collector() as collector:
        tracing = f'[tracing]\nendpoint = "{collector.endpoint}"\nauthorization = "Bearer abc"\n'
        text = site_text(broker_url=valkey.url, schedule=TICK, feeds=ADT_FEED, more=tracing)
        worker = Worker(valkey.url, app="traced_tasks", environment={"SPANS_ENDPOINT": collector.endpoint})
        with worker, DaemonProcess(write_site(tmp_path, text)) as daemon:
            daemon.ready()
            with Peer(daemon.port()) as peer:
                peer.send(framed(adt("CTRL77")))
                assert b"MSA|AA" in peer.replies(1)[0]
            received = collector.wait_for(lambda span: span.name == "receive adt")
            occurrence = collector.wait_for(lambda span: span.name == "occurrence tick")
            for origin in (received, occurrence):
                sent = collector.child(origin.span_id)
                ran = collector.child(sent.span_id)
                assert (sent.service, sent.kind, ran.service) == ("carillon", PRODUCER, "worker")
                assert origin.trace_id == sent.trace_id == ran.trace_id
                assert (origin.service, origin.parent_id, sent.name) == ("carillon", "", "send celery")
                assert ran.name.startswith("run/recording.")
            # what is in them, and what is not
            assert (received.kind, occurrence.kind) == (CONSUMER, INTERNAL)
            assert received.attributes["carillon.feed"] == "adt"
            assert occurrence.attributes["carillon.entry"] == "tick"
            assert received.took_ns >= 0
            assert occurrence.attributes["carillon.lateness_ms"] >= 0
            ours = [span for span in collector.spans if span.service == "carillon"]
            assert all(MARKER not in repr(span) and "CTRL77" not in repr(span) for span in ours)
            assert any(("authorization", "Bearer abc") in headers.items() for headers in collector.headers)
            assert daemon.metric("carillon_spans_total", outcome="sent") > 0


def test_without_an_endpoint_messages_carry_no_header(valkey: ValkeyServer, tmp_path: Path) -> None:
    text = site_text(broker_url=valkey.url, schedule=TICK)
    with DaemonProcess(write_site(tmp_path, text)) as daemon, Worker(valkey.url):
        daemon.ready()
        [first, *_] = wait_until_ran(valkey.client, 1)
        assert "traceparent" not in json.dumps(first["custom"])


def test_a_collector_that_is_away_holds_nothing_up_and_is_told_of_once(valkey: ValkeyServer, tmp_path: Path) -> None:
    with Collector() as collector:
        collector.status = 400
        text = site_text(broker_url=valkey.url, schedule=TICK, more=f'[tracing]\nendpoint = "{collector.endpoint}"\n')
        with DaemonProcess(write_site(tmp_path, text)) as daemon:
            daemon.ready()
            daemon.wait_for("collector.lost")
            collector.status = 200
            daemon.wait_for("collector.back")
            assert [one["action"] for one in daemon.records].count("collector.lost") == 1
            assert daemon.metric("carillon_spans_total", outcome="lost") > 0
            assert daemon.metric("carillon_occurrences_total", entry="tick", outcome="enqueued") > 0
