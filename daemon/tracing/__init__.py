"""Traces from a message or an occurrence to its tasks, for OpenTelemetry. Off unless an endpoint is given.

Nothing of patients, arguments or control ids is in them: names of the site file, ids of tasks, instants.
"""

from daemon.tracing.export import SpanExport
from daemon.tracing.making import make_tracing
from daemon.tracing.tracer import Tracer

__all__ = ["SpanExport", "Tracer", "make_tracing"]
