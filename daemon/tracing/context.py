"""Ids of traces and spans, and the header that carries them (W3C Trace Context). Pure.

They follow from the id of the first task alone. So an order that is given again, by this daemon or another, carries the same
header, and what was sent twice under one id is one trace.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

HEADER = "traceparent"
_SAMPLED, _NOT_SAMPLED = "01", "00"
_HALF = 1 << 64


class TraceContext(NamedTuple):
    """A span's place.

    Attributes:
        trace_id: 128 bits.
        span_id: 64 bits.
        is_sampled: whether it is recorded; workers do as it says.
    """

    trace_id: int
    span_id: int
    is_sampled: bool


def root_context(task_id: str, share: float) -> TraceContext:
    """Give the context of what a task comes of; ``share`` of all are sampled."""
    trace_id = _number(b"trace", task_id, 16)
    return TraceContext(trace_id, _number(b"root", task_id, 8), is_sampled(trace_id, share))


def send_context(root: TraceContext, task_id: str) -> TraceContext:
    """Give the context of sending one task of it."""
    return root._replace(span_id=_number(b"send", task_id, 8))


def is_sampled(trace_id: int, share: float) -> bool:
    """Decide as OpenTelemetry's own sampler by ratio does, so that all who use it decide alike."""
    return trace_id % _HALF < round(share * _HALF)


def write_header(context: TraceContext) -> str:
    """Write ``traceparent``."""
    flags = _SAMPLED if context.is_sampled else _NOT_SAMPLED
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags}"


def _number(what: bytes, task_id: str, size: int) -> int:
    digest = hashlib.blake2b(task_id.encode(), digest_size=size, person=what).digest()
    return int.from_bytes(digest, "big") or 1  # zero is no id
