"""What is made of a broker's answers, and the envelope that answers and events are read from."""

from __future__ import annotations

import json

import pytest

from shim.amqp.envelope import Delivery, as_envelope, from_envelope
from shim.amqp.outcome import AmqpOutcome, Refusal, after_close, returned
from shim.control import EVERYONE, methods
from shim.control.answers import read_reply
from shim.control.command import write_command
from shim.events import Fault, read_message

SIZE_TEXT = "PRECONDITION_FAILED - message size 200 is larger than configured max size 100"


def test_the_message_that_was_too_large_is_refused_and_the_others_are_uncertain() -> None:
    large, other = after_close(SIZE_TEXT, 200), after_close(SIZE_TEXT, 50)
    assert (large.outcome, large.refusal) == (AmqpOutcome.REFUSED, Refusal.TOO_LARGE)
    assert "the broker takes 100" in large.reason
    assert other.outcome is AmqpOutcome.UNCERTAIN


def test_only_a_message_too_large_is_refused_for_ever() -> None:
    assert {refusal for refusal in Refusal if refusal.is_final} == {Refusal.TOO_LARGE}


@pytest.mark.parametrize(
    ("exchange", "key", "queue", "reason"),
    [
        ("", "lab", "lab", "no such queue: 'lab'"),
        ("results", "a.b", "lab", "no queue is bound to exchange 'results' with routing key 'a.b'"),
    ],
)
def test_a_returned_message_names_what_is_missing(exchange: str, key: str, queue: str, reason: str) -> None:
    assert returned(exchange, key, queue).reason == reason


def delivery(body: bytes, **headers: object) -> Delivery:
    return Delivery("", "reply", "application/json", headers, body)


def test_an_answer_is_read_as_over_redis() -> None:
    reply = read_reply(as_envelope(delivery(b'{"w@h": {"ok": "pong"}}', ticket="t-1", clock=12, raw=b"\xff")))
    assert reply is not None
    assert (reply.ticket, reply.clock, reply.values) == ("t-1", 12, {"w@h": {"ok": "pong"}})


def test_events_are_read_as_over_redis() -> None:
    event = {"type": "task-sent", "hostname": "é@h", "timestamp": 1.5, "uuid": "id-1"}
    reading = read_message(as_envelope(delivery(json.dumps([event]).encode())))
    assert [one.fields for one in reading.events] == [event]
    assert reading.faults == ()


def test_a_body_that_is_no_json_is_a_fault_and_raises_nothing() -> None:
    assert read_message(as_envelope(delivery(b"\xff\x00"))).faults == (Fault.BODY,)
    other = Delivery("", "", "application/x-python-serialize", {}, b"")
    assert read_message(as_envelope(other)).faults == (Fault.CONTENT_TYPE,)


def test_a_delivery_shows_where_it_came_from_and_not_what_it_holds() -> None:
    assert repr(delivery(b"Mustermann", name="Mustermann")) == "Delivery(exchange='', routing_key='reply')"


def test_a_command_leaves_its_envelope() -> None:
    payload = write_command(
        methods.ping(), EVERYONE, namespace="celery", clock=3, delivery_tag="t-1", reply_to="shim.reply.x"
    )
    message = from_envelope(payload, exchange="celery.pidbox", routing_key="", message_id="t-1")
    body = json.loads(message.body)
    assert (body["method"], body["ticket"], body["reply_to"]) == (
        "ping",
        "t-1",
        {"exchange": "", "routing_key": "shim.reply.x"},
    )
    assert (message.exchange, message.routing_key) == ("celery.pidbox", "")
