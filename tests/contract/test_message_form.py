"""The message the shim writes, beside the one the installed Celery writes for the same request.

Where both write a field it has the same value; what the shim leaves out, Celery would have written as nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.envelope import build_envelope
from shim.request import TaskRequest
from shim.routing import Target
from tests.support.stock import StockWorker, read
from tests.support.stock_sender import StockSender
from tests.support.task_requests import exactly, good_requests, names, utc

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
ORIGIN = "me@test"

HEADERS_LEFT_OUT: dict[str, Any] = {
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "timelimit": [None, None],
    "ignore_result": None,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}
"""Headers that are not written unless there is something to say, and how Celery says nothing."""

HEADERS_ALWAYS = {"lang", "task", "id", "root_id", "parent_id", "retries", "argsrepr", "kwargsrepr", "origin"}
INSTANTS = {"eta", "expires"}

PROPERTIES_LEFT_OUT = {
    "reply_to",  # read by the rpc result back-end only
    "body_encoding",  # absent: the body is text as it is; Celery writes base64
    "argsrepr",  # copies of headers, which Celery lets slip into the properties when they are given by the caller
    "kwargsrepr",
    "origin",
}

FULL = TaskRequest(
    "app.add",
    "id-1",
    args=[1, "zwei", {"drei": [None, 3.5]}],
    kwargs={"größe": 2**70},
    eta_at=NOW + timedelta(hours=1),
    expires_at=NOW + timedelta(hours=2),
    time_limit_s=30,
    soft_time_limit_s=20,
    ignore_result=False,
    shadow="alias",
    root_id="root",
    parent_id="parent",
    headers={"celery_beat_task": True, "periodic_task_name": "nightly"},
    argsrepr="(1, ...)",
    kwargsrepr="{...}",
)

requests = good_requests.map(lambda one: one._replace(argsrepr=one.argsrepr or "-", kwargsrepr=one.kwargsrepr or "-"))
"""An empty representation is the one thing the shim replaces: ``test_envelope.py`` says why."""

targets = st.builds(Target, names, st.integers(0, 9))


@pytest.fixture(scope="module")
def celery() -> StockSender:
    return StockSender(NOW, ORIGIN)


@pytest.fixture(scope="module")
def worker() -> StockWorker:
    return StockWorker()


def ours(request: TaskRequest, target: Target) -> bytes:
    return build_envelope(request, target, delivery_tag="tag", at=NOW, origin=ORIGIN).payload


def both(celery: StockSender, request: TaskRequest, target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give our message and Celery's, decoded as kombu's transport does."""
    return read(ours(request, target)), read(celery.payload(request, target))


def body_of(worker: StockWorker, payload: bytes) -> Any:
    """Give the body as kombu decodes it for a consumer."""
    return worker.message(payload).payload


def in_utc(request: TaskRequest) -> TaskRequest:
    """Bring the instants to UTC: Celery writes the offset it is given, and its workers cannot read one with seconds."""
    return request._replace(eta_at=utc(request.eta_at), expires_at=utc(request.expires_at))


def attributes(context: Any) -> dict[str, Any]:
    """Give what a task finds in ``self.request``, without what differs from message to message."""
    found = {name: value for name, value in vars(context).items() if name not in {"reply_to", "properties", "children"}}
    for name in INSTANTS:
        found[name] = None if found.get(name) is None else utc(datetime.fromisoformat(found[name]))
    return {**HEADERS_LEFT_OUT, "time_limit": None, "soft_time_limit": None, **found}


# -- the message -------------------------------------------------------------------------------------------------------


@given(request=requests, target=targets)
def test_a_header_both_write_has_the_same_value(celery: StockSender, request: TaskRequest, target: Target) -> None:
    mine, theirs = (one["headers"] for one in both(celery, request, target))
    for name in INSTANTS & mine.keys():
        mine[name], theirs[name] = (utc(datetime.fromisoformat(one[name])) for one in (mine, theirs))
        assert mine.pop(name) == theirs.pop(name)
    assert exactly(mine) == exactly({name: theirs[name] for name in mine})


@given(request=requests, target=targets)
def test_a_header_left_out_is_one_in_which_celery_says_nothing(
    celery: StockSender, request: TaskRequest, target: Target
) -> None:
    mine, theirs = (one["headers"] for one in both(celery, request, target))
    for name in theirs.keys() - mine.keys():
        assert theirs[name] == HEADERS_LEFT_OUT[name]


@given(request=requests, target=targets)
def test_a_property_both_write_has_the_same_value_and_those_left_out_are_known(
    celery: StockSender, request: TaskRequest, target: Target
) -> None:
    mine, theirs = (one["properties"] for one in both(celery, request, target))
    assert mine.pop("delivery_tag") != theirs.pop("delivery_tag")
    ends_ms = int(mine.pop("expiration", 0)), int(theirs.pop("expiration", 0))
    assert abs(ends_ms[0] - ends_ms[1]) <= 1  # rounded up, and by Celery down
    assert theirs.keys() - mine.keys() <= PROPERTIES_LEFT_OUT
    assert mine == {name: theirs[name] for name in mine}


@given(request=requests, target=targets)
def test_kombu_decodes_both_bodies_to_the_same_values(
    celery: StockSender, worker: StockWorker, request: TaskRequest, target: Target
) -> None:
    mine = body_of(worker, ours(request, target))
    theirs = body_of(worker, celery.payload(request, target))
    assert exactly(mine) == exactly(theirs)
    assert exactly(mine[:2]) == exactly([request.args, request.kwargs])


def test_content_type_and_encoding_are_celerys(celery: StockSender) -> None:
    mine, theirs = both(celery, FULL, Target("wards", 3))
    assert mine.keys() == theirs.keys()
    for name in ("content-type", "content-encoding"):
        assert mine[name] == theirs[name]


def test_a_request_that_uses_everything_leaves_out_only_what_canvases_use(celery: StockSender) -> None:
    mine, theirs = (one["headers"] for one in both(celery, FULL, Target("wards", 3)))
    assert theirs.keys() - mine.keys() == {
        "group",
        "group_index",
        "replaced_task_nesting",
        "stamped_headers",
        "stamps",
    }


def test_the_installed_celery_writes_no_field_that_is_unknown_here(celery: StockSender) -> None:
    _, theirs = both(celery, FULL, Target("wards", 3))
    assert theirs["headers"].keys() == HEADERS_ALWAYS | HEADERS_LEFT_OUT.keys() | FULL.headers.keys()
    amqp = celery.app.amqp.as_task_v2("id-1", "app.add", (), {})
    assert amqp.headers.keys() == HEADERS_ALWAYS | HEADERS_LEFT_OUT.keys()


def test_the_plain_body_is_shorter_than_celerys_and_the_text_of_the_same_values(celery: StockSender) -> None:
    mine, theirs = both(celery, FULL, Target("wards", 3))
    assert len(mine["body"]) < len(theirs["body"])
    assert json.loads(mine["body"])[:2] == [FULL.args, FULL.kwargs]


# -- the worker --------------------------------------------------------------------------------------------------------


@given(request=requests, target=targets)
def test_a_task_finds_the_same_request_whoever_sent_it(
    celery: StockSender, worker: StockWorker, request: TaskRequest, target: Target
) -> None:
    mine = worker.receive(ours(request, target))
    theirs = worker.receive(celery.payload(in_utc(request), target))
    assert (exactly(mine.args), exactly(mine.kwargs)) == (exactly(theirs.args), exactly(theirs.kwargs))
    assert mine.limits == theirs.limits
    assert (mine.held_until is None) == (theirs.held_until is None)
    assert (mine.context is None) == (theirs.context is None)
    if mine.context is not None:
        assert attributes(mine.context) == attributes(theirs.context)
