"""Spans to OpenTelemetry's own objects and over OTLP/HTTP. Needs the extra ``otel``; runs in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from daemon.tracing import span as ours
from daemon.tracing.context import TraceContext

TIMEOUT_S = 5.0
_US_IN_NS = 1000
_KINDS = {
    ours.SpanKind.INTERNAL: SpanKind.INTERNAL,
    ours.SpanKind.PRODUCER: SpanKind.PRODUCER,
    ours.SpanKind.CONSUMER: SpanKind.CONSUMER,
}


class OtlpSender:
    """Hands spans to a collector."""

    def __init__(self, endpoint: str, authorization: str, resource: Mapping[str, str]) -> None:
        """Make the exporter; nothing is sent."""
        headers = {"Authorization": authorization} if authorization else None
        self._exporter = OTLPSpanExporter(endpoint=endpoint, headers=headers, timeout=TIMEOUT_S)
        self._resource = Resource(dict(resource))
        self._scope = InstrumentationScope("carillon")

    def __call__(self, spans: Sequence[ours.Span]) -> bool:
        """Send spans and say whether they were taken."""
        return self._exporter.export([self._readable(span) for span in spans]) is SpanExportResult.SUCCESS

    def _readable(self, span: ours.Span) -> ReadableSpan:
        context = _context(span.context)
        parent = None
        if span.parent_id:
            parent = _context(span.context._replace(span_id=span.parent_id))
        return ReadableSpan(
            span.name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=dict(span.attributes),
            links=() if span.link is None else (Link(_context(span.link)),),
            kind=_KINDS[span.kind],
            start_time=span.start_us * _US_IN_NS,
            end_time=span.end_us * _US_IN_NS,
            instrumentation_scope=self._scope,
        )


def _context(found: TraceContext) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if found.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(found.trace_id, found.span_id, is_remote=False, trace_flags=flags)
