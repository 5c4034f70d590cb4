"""Whatever the shim accepts as a link or a step, a stock worker can send; whatever it could not send, the shim refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.envelope import build_envelope
from shim.errors import RequestInvalid
from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import PARTS, Signature
from tests.support.stock import StockWorker
from tests.support.task_requests import exactly, good_arguments, good_signatures, good_values, names, odd_zones

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_000, tzinfo=UTC)
MARKER = "ZZPATIENT"
PLACES = ["links", "error_links", "chain"]

junk_values: st.SearchStrategy[Any] = (
    good_values
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=5)
    | st.datetimes(timezones=odd_zones)
    | st.datetimes(timezones=odd_zones).map(datetime.isoformat)
    | st.sampled_from(
        [
            *(
                "json",
                "yaml",
                "msgpack",
                "pickle",
                "gzip",
                "zlib",
                "bzip2",
                "brotli",
                "zstd",
                "2027-01-01",
                "2027-W01-1",
            ),
            *("20270101T000000Z", "2027-01-01T00:00:00,5+00:00", "2027-01-01 00:00:00+00:00", b"bytes", NOW.date()),
            *(math.nan, math.inf, 10**400, -1, 0, 1, 2, True, False, None, {1}, object(), [30, 20], timedelta(1)),
            *({"timelimit": 5}, {"id": None}, {"colour": "red"}, {"max_retries": 0}, ["a", "a"], ["queue"], [None]),
        ]
    )
    | good_signatures
    | st.lists(good_signatures, max_size=2)
)
option_names = st.sampled_from(
    [
        *(
            "task_id",
            "queue",
            "routing_key",
            "countdown",
            "eta",
            "expires",
            "time_limit",
            "soft_time_limit",
            "timelimit",
        ),
        *(
            "priority",
            "serializer",
            "compression",
            "headers",
            "shadow",
            "retries",
            "ignore_result",
            "link",
            "link_error",
        ),
        *("chain", "chord", "group_id", "group_index", "root_id", "parent_id", "reply_to", "delivery_mode", "origin"),
        *("stamped_headers", "stamps", "replaced_task_nesting", "retry", "retry_policy", "argsrepr", "kwargsrepr"),
        *("add_to_parent", "task_type", "producer", "connection", "router", "name", "args", "kwargs", "task", "app"),
        *("user_id", "content_type", "declare", "mandatory", "now", "timezone", "create_sent_event", "interval", "a"),
    ]
)
any_signatures = st.builds(
    Signature,
    names | st.sampled_from(["", "celery.chain"]),
    st.lists(good_arguments | junk_values, max_size=2),
    st.dictionaries(names | st.sampled_from(["tasks", "header", "body", "task", "it", "n"]), junk_values, max_size=2),
    st.dictionaries(option_names, junk_values, max_size=2),
    st.booleans() | st.none(),
    st.none() | st.sampled_from([*PARTS, "starmap", "nope", []]),
)

some = st.lists(good_signatures, min_size=1, max_size=2)
canvases = (
    st.builds(lambda tasks: Signature("celery.chain", kwargs={"tasks": tasks}, subtask_type="chain"), some)
    | st.builds(lambda tasks: Signature("celery.group", kwargs={"tasks": tasks}, subtask_type="group"), some)
    | st.builds(
        lambda kind, task, lists: Signature(f"celery.{kind}", kwargs={"task": task, "it": lists}, subtask_type=kind),
        st.sampled_from(["xmap", "xstarmap"]),
        good_signatures,
        st.lists(st.lists(good_arguments, max_size=2), max_size=2),
    )
)


@pytest.fixture(scope="module")
def worker() -> StockWorker:
    return StockWorker()


def following(place: str, what: Any) -> TaskRequest:
    """Give a request which something follows."""
    more: dict[str, Any] = {place: what}
    return TaskRequest("task", "id", group_id="g")._replace(**more)


def build(request: TaskRequest) -> bytes:
    return bytes(build_envelope(request, Target("queue", 0), delivery_tag="tag", at=NOW, origin="me@test").payload)


@given(place=st.sampled_from(PLACES), signatures=st.lists(good_signatures, min_size=1, max_size=3))
def test_a_worker_sends_every_well_formed_signature(
    worker: StockWorker, place: str, signatures: list[Signature]
) -> None:
    numbered = [replace(one, task=f"task{number}") for number, one in enumerate(signatures)]
    request = following(place, numbered)
    sent = {one.headers["task"]: one for one in worker.receive(build(request), fails=place == "error_links").sent}
    expected = numbered[:1] if place == "chain" else numbered
    assert sorted(sent) == [one.task for one in expected]
    for signature in expected:
        message = sent[signature.task]
        args, kwargs, _ = message.payload
        given_args = list(signature.args)
        assert exactly(args if signature.immutable else args[1:]) == exactly(given_args)
        assert exactly(kwargs) == exactly(signature.kwargs)
        for name, header in (("task_id", "id"), ("retries", "retries"), ("shadow", "shadow"), ("group_id", "group")):
            if name in signature.options:
                assert message.headers[header] == signature.options[name]
        limits = [signature.options.get("time_limit"), signature.options.get("soft_time_limit")]
        assert message.headers["timelimit"] == limits


@given(place=st.sampled_from(PLACES), signature=any_signatures)
def test_what_a_worker_could_not_send_is_refused_and_nothing_else_is_raised(
    worker: StockWorker, place: str, signature: Signature
) -> None:
    request = following(place, [signature])
    try:
        payload = build(request)
    except RequestInvalid:
        return
    got = worker.receive(payload, fails=place == "error_links")
    for message in got.sent:
        worker.app.tasks.pop(message.headers["task"], None)
        again = worker.receive(message.element)  # and what it sends, the next one can run
        assert again.context is not None or "expires" in message.headers
    if signature.subtask_type is None:
        assert [one.headers["task"] for one in got.sent] == [signature.task]


@given(place=st.sampled_from(PLACES), canvas=canvases)
def test_a_worker_sends_a_canvas_unless_it_is_one_that_cannot_follow_a_failure(
    worker: StockWorker, place: str, canvas: Signature
) -> None:
    request = following(place, [canvas])
    if place == "error_links" and canvas.subtask_type != "group":
        with pytest.raises(RequestInvalid, match="never run as an error link"):
            build(request)
        return
    sent = [one.headers["task"] for one in worker.receive(build(request), fails=place == "error_links").sent]
    parts = [one.task for one in canvas.kwargs.get("tasks", [])] or ["celery.map", "celery.starmap"]
    if canvas.subtask_type == "group":
        assert sorted(sent) == sorted(parts)
    else:
        assert len(sent) == 1
        assert sent[0] in parts


@given(
    place=st.sampled_from([*PLACES, "chord"]), junk=junk_values, where=st.sampled_from(["args", "kwargs", "options"])
)
def test_a_refusal_never_quotes_a_value(place: str, junk: Any, where: str) -> None:
    given_values: dict[str, Any] = {
        "args": [MARKER, junk],
        "kwargs": {"k": [MARKER, junk]},
        "options": {"headers": {"k": [MARKER, junk]}, "task_id": junk, "retry_policy": {"k": MARKER}},
    }
    signature = Signature("task", **{where: given_values[where]})
    request = following(place, signature if place == "chord" else [signature])
    told = repr((request, signature))
    try:
        build(request)
    except RequestInvalid as error:
        told += f"{error} {error.hint} {error!r} {error.__context__!r}"
    assert MARKER not in told
