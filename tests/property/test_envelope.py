"""Whatever the shim accepts, a stock worker runs as it was meant; whatever a worker would choke on, the shim refuses.

The judge is Celery's own receiving code (``tests/support/stock.py``).
"""

from __future__ import annotations

import math
from collections import deque, namedtuple
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from celery.app.task import Context
from hypothesis import given
from hypothesis import strategies as st

from shim.encoding import DEPTH_LIMIT, INTEGER_LIMIT_BITS
from shim.envelope import build_envelope
from shim.errors import RequestInvalid
from shim.request import TaskRequest
from shim.routing import Target
from tests.support.stock import Received, StockWorker
from tests.support.task_requests import (
    elaborate_requests,
    exactly,
    good_leaves,
    good_requests,
    names,
    odd_zones,
    utc,
)

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
MARKER = "ZZPATIENT"


class Number(IntEnum):
    SEVEN = 7


class Word(StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - a bare one, as applications have


@pytest.fixture(scope="module")
def worker() -> StockWorker:
    return StockWorker()


def build(request: TaskRequest, *, queue: str = "queue", priority: int = 0, tag: str = "tag") -> bytes:
    return bytes(build_envelope(request, Target(queue, priority), delivery_tag=tag, at=NOW, origin="me@test").payload)


# -- what callers hand in ----------------------------------------------------------------------------------------------


any_char = st.characters(exclude_categories=())
"""Every code point, lone surrogates among them."""
any_text = st.text(any_char, max_size=12)
any_instants = st.datetimes(timezones=st.timezones() | odd_zones)

typed_objects = st.fixed_dictionaries(
    {"__type__": st.sampled_from(["uuid", "datetime", "bytes", "nope"]) | good_leaves, "__value__": good_leaves}
)
foreign = st.sampled_from(
    [
        *(b"bytes", bytearray(b"x"), NOW, NOW.date(), Decimal(1), UUID(int=1), {1, 2}, frozenset((1,)), object(), int),
        *(math.nan, math.inf, -math.inf, 1j, Fraction(1, 3), range(3), deque([1]), iter(()), NotImplemented, ...),
        *({1: 2}, {None: 1}, {b"k": 1}, {("a",): 1}, {True: 1}, {"a": {2: 3}}, {Text("k"): 1}),
        *(1 << INTEGER_LIMIT_BITS, -(1 << INTEGER_LIMIT_BITS), 1 << 14_000, "\ud800", {"\udfff": 1}, "a\udc80"),
        *(Number.SEVEN, Word.RED, Text("text"), Pair(1, 2), MappingProxyType({"a": 1}), (1, (2, (3,)))),
    ]
)


def nest(depth: int, kind: str) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value] if kind == "list" else {"in": value}
    return value


deep = st.builds(nest, st.integers(1, 2 * DEPTH_LIMIT) | st.just(3000), st.sampled_from(["list", "object"]))
any_values = st.recursive(
    good_leaves | any_text | st.floats() | typed_objects | foreign | deep,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)
celery_words = st.sampled_from(
    [*vars(Context), "lang", "task", "argsrepr", "kwargsrepr", "compression", "meth", "groups", "redelivered"]
)

junk: dict[str, st.SearchStrategy[Any]] = {
    "task": any_text,
    "task_id": any_text,
    "args": any_values | st.lists(any_values, max_size=3),
    "kwargs": any_values | st.dictionaries(any_text, any_values, max_size=3),
    "eta_at": any_instants,
    "expires_at": any_instants,
    "time_limit_s": st.floats() | st.integers() | st.just(1 << 14_000),
    "soft_time_limit_s": st.floats() | st.integers(),
    "shadow": any_text,
    "root_id": any_text,
    "parent_id": any_text,
    "headers": any_values | st.dictionaries(names | celery_words | any_text, any_values, max_size=3),
    "argsrepr": any_text,
    "kwargsrepr": any_text,
    "retries": st.integers() | any_values,
    "serializer": st.sampled_from(["json", "yaml", "msgpack", "pickle", "auth", "raw"]) | any_values,
    "compression": st.sampled_from(["gzip", "bzip2", "lzma", "zlib", "xz", "lz4", "application/x-gzip"]) | any_values,
    "group_id": any_text,
    "group_index": st.integers() | any_values,
    "stamps": any_values | st.dictionaries(names | celery_words | any_text, any_values, max_size=3),
    "reply_to": any_text,
    "delivery_mode": st.integers(-1, 3) | any_values,
    "replaced_task_nesting": st.integers() | any_values,
}
any_requests = st.builds(
    lambda request, change: request._replace(**change),
    good_requests | elaborate_requests,
    st.sampled_from(sorted(junk)).flatmap(lambda field: st.fixed_dictionaries({field: junk[field]})),
)


# -- what the worker must have made of it ------------------------------------------------------------------------------


def assert_as_meant(request: TaskRequest, got: Received, *, queue: str, priority: int) -> None:
    worker_request = got.request
    assert worker_request.id == request.task_id
    assert worker_request.type == request.task
    assert worker_request.name == (request.shadow or request.task)
    assert worker_request.root_id == (request.root_id or request.task_id)
    assert worker_request.parent_id == request.parent_id
    assert utc(worker_request.eta) == utc(request.eta_at)
    assert utc(worker_request.expires) == utc(request.expires_at)
    assert worker_request.time_limits == (None, None) or list(worker_request.time_limits) == [
        request.time_limit_s,
        request.soft_time_limit_s,
    ]
    assert worker_request.delivery_info == {
        "exchange": "",
        "routing_key": queue,
        "priority": priority,
        "redelivered": False,
    }
    assert worker_request.argsrepr == (request.argsrepr or "<not shown>")
    assert worker_request.kwargsrepr == (request.kwargsrepr or "<not shown>")
    if got.context is None:
        assert request.expires_at is not None
        return
    assert exactly(got.args) == exactly(request.args)
    assert exactly(got.kwargs) == exactly(request.kwargs)
    assert exactly(got.context.headers) == exactly(request.headers or None)
    assert got.context.id == request.task_id
    assert got.context.called_directly is False
    if not (request.links or request.chain):
        assert got.context.children == []
    assert got.context.as_execution_options()["task_id"] == request.task_id
    assert got.context.__dict__.get("ignore_result") is request.ignore_result
    assert (got.context.retries, got.context.group, got.context.group_index) == (
        request.retries,
        request.group_id,
        request.group_index,
    )
    assert exactly(got.context.stamps or {}) == exactly(request.stamps)
    assert got.context.reply_to == request.reply_to
    assert got.context.replaced_task_nesting == request.replaced_task_nesting
    assert got.limits == {"timeout": request.time_limit_s, "soft_timeout": request.soft_time_limit_s}


@given(request=good_requests, queue=names, priority=st.integers(0, 9), tag=names)
def test_a_worker_runs_every_well_formed_request_as_it_was_meant(
    worker: StockWorker, request: TaskRequest, queue: str, priority: int, tag: str
) -> None:
    got = worker.receive(build(request, queue=queue, priority=priority, tag=tag))
    assert_as_meant(request, got, queue=queue, priority=priority)


@given(request=any_requests)
def test_what_a_worker_would_choke_on_is_refused_and_nothing_else_is_raised(
    worker: StockWorker, request: TaskRequest
) -> None:
    try:
        payload = build(request)
    except RequestInvalid:
        return
    assert_as_meant(request, worker.receive(payload), queue="queue", priority=0)


@given(
    place=st.sampled_from(["args", "kwargs", "headers"]),
    poison=foreign | deep | typed_objects | st.just({"__type__": "uuid", "__value__": MARKER}),
)
def test_a_refusal_never_quotes_a_value(place: str, poison: Any) -> None:
    hidden = [MARKER, {"k": MARKER, "l": [MARKER, poison]}]
    given_values: dict[str, Any] = {"args": hidden, "kwargs": {"k": hidden}, "headers": {"k": hidden}}
    request = TaskRequest("task", "id", **{place: given_values[place]})
    told = ""
    try:
        build(request)
    except RequestInvalid as error:
        told = f"{error} {error.hint} {error!r} {error.__context__!r}"
    assert MARKER not in told
