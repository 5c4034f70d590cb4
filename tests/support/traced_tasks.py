"""The recording application in a worker that OpenTelemetry's own instrumentation follows; spans go to ``SPANS_ENDPOINT``."""

import os
from typing import Any

import recording  # type: ignore[import-not-found]
from celery.signals import worker_process_init
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

app = recording.app


def follow(**_: Any) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "worker"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=os.environ["SPANS_ENDPOINT"])))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]


worker_process_init.connect(follow, weak=False)
