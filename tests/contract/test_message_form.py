"""The message the shim writes, beside the one the installed Celery writes for the same request, field by field.

What differs is in the tables of ``tests/support/lean_form.py``; everything else must be equal.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.envelope import build_envelope
from shim.request import NOT_SHOWN, TaskRequest
from shim.routing import Target
from tests.support.lean_form import HEADERS_LEFT_OUT, in_full
from tests.support.stock import StockWorker, read
from tests.support.stock_sender import StockSender
from tests.support.task_requests import elaborate_requests, exactly, names, utc

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
ORIGIN = "me@test"
HEADERS_ALWAYS = {"lang", "task", "id", "root_id", "parent_id", "retries", "argsrepr", "kwargsrepr", "origin"}
INSTANTS = {"eta", "expires"}

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
    group_id="group",
    group_index=3,
    replaced_task_nesting=2,
    stamps={"ward": "7b"},
)

requests = elaborate_requests.map(
    lambda one: one._replace(argsrepr=one.argsrepr or "-", kwargsrepr=one.kwargsrepr or "-")
)
"""An empty representation is the one thing the shim replaces: ``test_envelope.py`` says why."""

targets = st.tuples(names, st.integers(0, 9)).map(lambda one: Target(*one))


@pytest.fixture(scope="module")
def celery() -> StockSender:
    return StockSender(NOW, ORIGIN)


@pytest.fixture(scope="module")
def worker() -> StockWorker:
    return StockWorker()


def ours(request: TaskRequest, target: Target) -> bytes:
    return bytes(build_envelope(request, target, delivery_tag="tag", at=NOW, origin=ORIGIN).payload)


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
    unlike = {"reply_to", "properties", "children", "_children", "callbacks", "errbacks", "chain", "chord"}
    found = {name: value for name, value in vars(context).items() if name not in unlike}
    for name in INSTANTS:
        found[name] = None if found.get(name) is None else utc(datetime.fromisoformat(found[name]))
    said_nothing = {name: left_out.celery_writes for name, left_out in HEADERS_LEFT_OUT.items()}
    embed = {name: exactly(getattr(context, name)) for name in ("callbacks", "errbacks", "chain", "chord")}
    return {**said_nothing, "time_limit": None, "soft_time_limit": None, **found, **embed}


# -- the message -------------------------------------------------------------------------------------------------------


@given(request=requests, target=targets)
def test_every_field_but_the_body_is_celerys_or_a_known_difference(
    celery: StockSender, request: TaskRequest, target: Target
) -> None:
    mine, theirs = in_full(*both(celery, request, target))
    assert mine == theirs
    for name in INSTANTS:  # told apart above by what they mean, not how they are written
        mine["headers"][name] = theirs["headers"][name] = None
    assert exactly(mine) == exactly(theirs)


@given(request=requests, target=targets)
def test_kombu_decodes_both_bodies_to_the_same_values(
    celery: StockSender, worker: StockWorker, request: TaskRequest, target: Target
) -> None:
    mine = body_of(worker, ours(request, target))
    theirs = body_of(worker, celery.payload(request, target))
    assert exactly(mine) == exactly(theirs)
    assert exactly(mine[:2]) == exactly([request.args, request.kwargs])


def test_the_installed_celery_writes_no_field_that_is_unknown_here(celery: StockSender) -> None:
    _, theirs = both(celery, FULL, Target("wards", 3))
    assert theirs["headers"].keys() == HEADERS_ALWAYS | HEADERS_LEFT_OUT.keys() | FULL.headers.keys()
    amqp = celery.app.amqp.as_task_v2("id-1", "app.add", (), {})
    assert amqp.headers.keys() == HEADERS_ALWAYS | HEADERS_LEFT_OUT.keys()


def test_a_request_that_uses_everything_leaves_out_nothing(celery: StockSender) -> None:
    mine, theirs = (one["headers"] for one in both(celery, FULL, Target("wards", 3)))
    assert mine.keys() == theirs.keys()


def test_arguments_are_not_shown_unless_their_representation_is_given(celery: StockSender) -> None:
    mine = read(ours(TaskRequest("app.add", "id-1", ["secret"], {"name": "secret"}), Target("wards", 3)))
    theirs = celery.app.amqp.as_task_v2("id-1", "app.add", ("secret",), {"name": "secret"})
    assert (mine["headers"]["argsrepr"], mine["headers"]["kwargsrepr"]) == (NOT_SHOWN, NOT_SHOWN)
    assert "secret" in theirs.headers["argsrepr"]


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
    assert [one.headers["task"] for one in mine.sent] == [one.headers["task"] for one in theirs.sent]
