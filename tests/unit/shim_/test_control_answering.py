"""Whether a node answers, held against the node of Celery 5.7's beat."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from celery.beat import BeatPidbox, _BeatNode, beat_nodename
from hypothesis import given
from hypothesis import strategies as st
from kombu import pidbox

from shim.control.answering import Question, beat_name, bound_queues, read_question, write_answer
from shim.control.message import read_message

mailbox: Any = pidbox.Mailbox
NODE = "celerybeat@host"
ROUTE = {"exchange": "reply.celery.pidbox", "routing_key": "oid"}


def celerys(body: Any) -> list[tuple[Any, ...]]:
    """Let Celery's beat have a command, and give the answers it would send."""
    sent: list[tuple[Any, ...]] = []
    node = _BeatNode(
        NODE, handlers={"ping": lambda _state, **_: {"ok": "pong"}}, mailbox=mailbox("celery", type="fanout")
    )
    node.reply = lambda data, exchange, routing_key, ticket: sent.append((data, exchange, routing_key, ticket))
    BeatPidbox.on_message(SimpleNamespace(node=node), body, SimpleNamespace(headers={"clock": 1}))
    return sent


def ours(body: Any) -> list[tuple[Any, ...]]:
    question = read_question(message(body), NODE)
    if question is None:
        return []
    answer = read_message(write_answer(question, NODE, clock=2, delivery_tag="tag"))
    assert answer is not None
    return [(answer.body, question.exchange, question.routing_key, answer.headers["ticket"])]


def message(body: Any) -> bytes:
    return json.dumps(
        {"body": json.dumps(body), "content-type": "application/json", "headers": {"clock": 1}, "properties": {}}
    ).encode()


COMMANDS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["ping", "active", "hello", "shutdown", "", None, 5, ["ping"]]),
        "arguments": st.sampled_from([None, {}, {"a": 1}]),
        "destination": st.sampled_from(
            [None, [], [NODE], ["w1@host", NODE], ["w1@host"], "", NODE, f"x{NODE}x", "w1@host", {NODE: 1}, {}, 5, [5]]
        ),
        "pattern": st.sampled_from([None, "", "*", "celerybeat@*", "celery@*", "(", r"\w+@host$", "[", 5, ["*"]]),
        "matcher": st.sampled_from([None, "", "glob", "pcre", "exact", 5]),
        "ticket": st.sampled_from([None, "t", 5]),
        "reply_to": st.sampled_from([None, {}, ROUTE, {"exchange": "", "routing_key": "list"}, {"exchange": "e"}]),
        "surplus": st.integers(),
    },
)


@given(COMMANDS | st.none() | st.integers() | st.lists(st.integers()) | st.text())
def test_a_command_is_answered_exactly_as_celerys_beat_answers_it(body: Any) -> None:
    assert ours(body) == celerys(body)


@given(
    destination=st.sampled_from([None, [NODE], ["w1@host"]]),
    pattern=st.sampled_from([None, "*", "celerybeat*", r".+beat@h"]),
    matcher=st.sampled_from(["glob", "pcre"]),
)
def test_a_ping_is_answered_exactly_as_celerys_beat_answers_it(
    destination: Any, pattern: str | None, matcher: str
) -> None:
    body = {"method": "ping", "arguments": {}, "destination": destination, "pattern": pattern, "matcher": matcher}
    asked = {**body, "ticket": "t", "reply_to": ROUTE}
    assert ours(asked) == celerys(asked)


def test_a_broadcast_is_answered() -> None:
    body = {"method": "ping", "ticket": "t", "reply_to": ROUTE}
    assert ours(body) == [({NODE: {"ok": "pong"}}, "reply.celery.pidbox", "oid", "t")]


@pytest.mark.parametrize(
    "route",
    [
        {"exchange": "e", "routing_key": ""},
        {"exchange": 5, "routing_key": "x"},
        {"exchange": "e", "routing_key": "x" * 256},
        [],
    ],
)
def test_a_route_that_leads_nowhere_is_not_gone(route: Any) -> None:
    assert ours({"method": "ping", "reply_to": route}) == []


@given(st.binary())
def test_reading_never_raises(payload: bytes) -> None:
    read_question(payload, NODE)


def test_the_answer_has_the_form_workers_write() -> None:
    """As it was taken from a worker, ids apart."""
    written = json.loads(
        write_answer(Question("reply.celery.pidbox", "oid", "t", 2), NODE, clock=3, delivery_tag="tag")
    )
    assert written == {
        "body": "eyJjZWxlcnliZWF0QGhvc3QiOnsib2siOiJwb25nIn19",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"ticket": "t", "clock": 3},
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": "reply.celery.pidbox", "routing_key": "oid"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "tag",
        },
    }


@pytest.mark.parametrize("host", ["host", "host.example", "beat@host"])
def test_the_node_is_named_as_celerys_beat_names_itself(host: str) -> None:
    assert beat_name(host) == beat_nodename(host)


def test_the_queues_bound_by_a_key_are_found() -> None:
    members = [
        b"oid\x06\x16\x06\x16oid.reply",
        b"oid\x06\x16\x06\x16second",
        b"x\x06\x16\x06\x16other",
        b"junk",
        b"oid\x06\x16\x06\x16",
    ]
    assert bound_queues(members, "oid", "\x06\x16") == ("oid.reply", "second")
    assert bound_queues([b"oid||q"], "oid", "|") == ("q",)
    assert bound_queues([], "oid", "|") == ()
