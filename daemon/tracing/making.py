"""Tracing as the settings of a site want it."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from daemon.clock import Clock
from daemon.ports import Emit
from daemon.public import Public
from daemon.settings import Settings
from daemon.tracing.export import SpanExport, otlp_sender
from daemon.tracing.tracer import Tracer


def make_tracing(settings: Settings, version: str, clock: Clock, emit: Emit) -> tuple[Tracer, SpanExport] | None:
    """Make what marks orders and what sends spans; ``None`` without an endpoint. Nothing is opened."""
    wanted = settings.tracing
    if not wanted.endpoint:
        return None
    resource = {
        "service.name": "carillon",
        "service.namespace": str(settings.site.name),
        "service.version": version,
    }
    parts = urlsplit(wanted.endpoint)
    shown = Public(f"{parts.scheme}://{parts.hostname}{parts.path}")
    export = SpanExport(shown, partial(otlp_sender, wanted.endpoint, wanted.authorization, resource), emit)
    return Tracer(export.take, clock.now_us, share=wanted.sample), export
