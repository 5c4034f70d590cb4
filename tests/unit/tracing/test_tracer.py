"""Traces of orders: the same ids for the same task, sampled as OpenTelemetry samples, and nothing in them that is not public."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from daemon.keys import entries_ledger, feed_ledger
from daemon.ports import Order, Settled, Settlement, Ticket, WorkItem
from daemon.public import Public
from daemon.tracing.context import HEADER, is_sampled, root_context, send_context, write_header
from daemon.tracing.span import Span, SpanKind
from daemon.tracing.tracer import Tracer

SITE, ADT, TASK, LLM = Public("ward"), Public("adt"), Public("app.add"), Public("llm")
NOW_US = 1_800_000_000_000_000
BEGAN_US = NOW_US - 5_000
DONE = Settlement(Settled.ENQUEUED)


def item(task_id: str = "t1", **more: object) -> WorkItem:
    return WorkItem(TASK, task_id, kwargs={"name": "ZZPATIENT"}, since_us=NOW_US - 2_000_000, **more)  # type: ignore[arg-type]


def message(*items: WorkItem) -> Order:
    return Order(Ticket(feed_ledger(SITE, ADT, "e1"), "seq", None, "17"), items[0], more=items[1:])


def occurrence(one: WorkItem) -> Order:
    named = one._replace(headers={"periodic_task_name": "tick"})
    return Order(Ticket(entries_ledger(SITE), "tick", None, "x"), named)


def traced(order: Order, settlement: Settlement = DONE, *, share: float = 1.0) -> list[Span]:
    spans: list[Span] = []
    tracer = Tracer(spans.append, lambda: NOW_US, share=share)
    marked = tracer.mark(order)
    assert marked.item is not None
    tracer.told(marked, settlement, [(one.task_id, "llm") for one in (marked.item, *marked.more)], BEGAN_US)
    return spans


@given(st.text(min_size=1), st.floats(0, 1))
def test_the_header_is_what_opentelemetry_reads(task_id: str, share: float) -> None:
    root = root_context(task_id, share)
    sent = send_context(root, task_id)
    context = TraceContextTextMapPropagator().extract({HEADER: write_header(sent)}, Context())
    found = get_current_span(context).get_span_context()
    assert (found.trace_id, found.span_id, found.trace_flags.sampled) == (sent.trace_id, sent.span_id, sent.is_sampled)
    assert found.is_valid
    assert root.span_id != sent.span_id


@given(st.integers(0, (1 << 128) - 1), st.floats(0, 1))
def test_sampling_is_that_of_opentelemetry(trace_id: int, share: float) -> None:
    found = TraceIdRatioBased(share).should_sample(None, trace_id, "x").decision
    assert is_sampled(trace_id, share) is (found is Decision.RECORD_AND_SAMPLE)


def test_an_order_that_is_given_again_carries_the_same_header() -> None:
    tracer = Tracer(lambda _: None, lambda: NOW_US)
    first, again = tracer.mark(message(item())), tracer.mark(message(item()))
    assert first == again
    assert first.item is not None
    assert first.item.headers[HEADER].startswith("00-")


def test_all_tasks_of_a_message_are_one_trace() -> None:
    origin, *sent = traced(message(item("a"), item("b"), item("c")))
    assert (origin.name, origin.kind, origin.parent_id) == ("receive adt", SpanKind.CONSUMER, 0)
    assert {one.context.trace_id for one in (origin, *sent)} == {origin.context.trace_id}
    assert [(one.name, one.kind, one.parent_id) for one in sent] == [
        ("send llm", SpanKind.PRODUCER, origin.context.span_id)
    ] * 3
    assert len({one.context.span_id for one in (origin, *sent)}) == 4
    assert origin.attributes == {"carillon.feed": "adt", "carillon.spool_id": "e1:17"}


def test_an_occurrence_shows_how_late_it_was() -> None:
    origin, sent = traced(occurrence(item()))
    assert (origin.name, origin.attributes["carillon.lateness_ms"]) == ("occurrence tick", 2000.0)
    assert (origin.end_us - origin.start_us, sent.start_us) == (2_000_000, BEGAN_US)
    assert sent.attributes["messaging.message.id"] == "t1"
    assert sent.attributes["messaging.destination.name"] == "llm"


def test_what_is_run_once_more_links_to_the_first_time() -> None:
    [origin, _] = traced(message(item("t2", repeats="t1")))
    assert origin.link is not None
    assert origin.link.trace_id == root_context("t1", 1.0).trace_id != origin.context.trace_id


@pytest.mark.parametrize("outcome", [one for one in Settled if one is not Settled.ENQUEUED])
def test_only_what_was_carried_out_is_told_of(outcome: Settled) -> None:
    assert traced(message(item()), Settlement(outcome)) == []


def test_what_is_not_sampled_says_so_to_workers_and_is_not_told_of() -> None:
    assert traced(message(item()), share=0.0) == []
    marked = Tracer(lambda _: None, lambda: NOW_US, share=0.0).mark(message(item()))
    assert marked.item is not None
    assert marked.item.headers[HEADER].endswith("-00")


def test_a_header_of_the_site_file_stands() -> None:
    marked = Tracer(lambda _: None, lambda: NOW_US).mark(message(item(headers={HEADER: "mine"})))
    assert marked.item is not None
    assert marked.item.headers[HEADER] == "mine"


def test_an_order_without_a_task_is_left_alone() -> None:
    bare = Order(Ticket(entries_ledger(SITE), "tick", None, "x"), None)
    assert Tracer(lambda _: None, lambda: NOW_US).mark(bare) is bare


def test_nothing_a_task_is_given_is_in_a_span() -> None:
    assert "ZZPATIENT" not in repr(traced(message(item()))) + repr(traced(occurrence(item())))
