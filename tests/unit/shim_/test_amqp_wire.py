"""Messages of tasks as they travel to RabbitMQ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import amqp  # type: ignore[import-untyped]
import pytest

from shim.amqp.wire import EXPIRATION_MAX_MS, PROPERTIES_LIMIT_BYTES, AmqpMessage, build_amqp_message
from shim.errors import RequestInvalid
from shim.message import build_message
from shim.request import TaskRequest
from shim.routing import Target

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECRET = "Mustermann"


def build(
    *, queue: str = "q", priority: int = 0, exchange: str = "", routing_key: str | None = None, **options: Any
) -> AmqpMessage:
    request = TaskRequest("app.add", "id-1", **options)
    message = build_message(request, Target(queue, priority), at=NOW, origin="test")
    return build_amqp_message(message, message_id="m-1", exchange=exchange, routing_key=routing_key)


def read(message: AmqpMessage) -> dict[str, Any]:
    """Read the properties as py-amqp, the client of the workers, reads them."""
    found = amqp.Message("")
    found._load_properties(found.CLASS_ID, message.properties, 0)
    return dict(found.properties)


def test_headers_become_the_header_table_and_properties_the_properties() -> None:
    properties = read(
        build(args=[1], time_limit_s=0.3, soft_time_limit_s=None, headers={"big": 2**40, "deep": {"a": [None, True]}})
    )
    headers = properties.pop("application_headers")
    assert headers["task"] == "app.add"
    assert headers["id"] == headers["root_id"] == "id-1"
    assert headers["timelimit"] == [0.3, None]
    assert headers["big"] == 2**40
    assert headers["deep"] == {"a": [None, True]}
    assert properties == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "priority": 0,
        "correlation_id": "id-1",
        "message_id": "m-1",
    }


def test_the_body_is_the_body_and_nothing_around_it() -> None:
    assert build(args=[1]).body.startswith(b"[[1],{},")


def test_the_default_exchange_takes_the_queue_as_the_key() -> None:
    message = build(queue="lab")
    assert (message.exchange, message.routing_key, message.queue) == ("", "lab", "lab")


def test_a_topic_goes_to_its_exchange() -> None:
    message = build(queue="lab", exchange="results", routing_key="lab.blood")
    assert (message.exchange, message.routing_key, message.queue) == ("results", "lab.blood", "lab")


def test_the_priority_goes_along_as_it_is() -> None:
    assert read(build(priority=7))["priority"] == 7


def test_an_expiry_within_49_days_is_in_the_properties_too() -> None:
    assert read(build(expires_at=NOW + timedelta(seconds=60)))["expiration"] == "60000"


def test_an_expiry_the_broker_cannot_count_is_only_in_the_headers() -> None:
    last = NOW + timedelta(milliseconds=EXPIRATION_MAX_MS)
    assert read(build(expires_at=last))["expiration"] == str(EXPIRATION_MAX_MS)
    later = read(build(expires_at=last + timedelta(milliseconds=1)))
    assert "expiration" not in later
    assert later["application_headers"]["expires"] == (last + timedelta(milliseconds=1)).isoformat()


@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_a_header_that_sends_copies_is_refused(name: str) -> None:
    with pytest.raises(RequestInvalid, match=f"{name} would send copies"):
        build(headers={name: ["elsewhere"]})


def test_headers_larger_than_a_frame_are_refused() -> None:
    with pytest.raises(RequestInvalid, match=f"takes {PROPERTIES_LIMIT_BYTES} at most"):
        build(headers={"much": "x" * PROPERTIES_LIMIT_BYTES})


def test_a_body_larger_than_the_broker_takes_is_refused() -> None:
    message = build_message(TaskRequest("app.add", "id-1", args=["x" * 100]), Target("q", 0), at=NOW, origin="test")
    with pytest.raises(RequestInvalid, match="more than 100"):
        build_amqp_message(message, message_id="m", limit_bytes=100)


def test_a_routing_key_of_more_than_255_bytes_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="routing key: more than 255 bytes"):
        build(exchange="x", routing_key="é" * 128)


def test_neither_the_representation_nor_an_error_shows_what_is_inside() -> None:
    assert SECRET not in repr(build(args=[SECRET], argsrepr=SECRET))
    with pytest.raises(RequestInvalid) as caught:
        build(headers={"name": SECRET, "number": 2**70})
    assert SECRET not in str(caught.value)
