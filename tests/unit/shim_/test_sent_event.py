"""``task-sent`` events, beside the ones the installed Celery sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.events import EventReceiver

from shim.errors import RequestInvalid
from shim.message import Message, build_message
from shim.request import TaskRequest
from shim.routing import Target
from shim.sent_event import (
    EVENTS_LIMIT,
    Event,
    EventMessage,
    build_event_message,
    build_sent_event,
    event_channel,
    event_payload,
)
from tests.support.stock import read

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_123, tzinfo=UTC)
MARKER = "ZZPATIENT"


def message(**given: Any) -> Message:
    request = TaskRequest(**{"task": "app.add", "task_id": "id-1", **given})
    return build_message(request, Target("wards", 3), at=NOW, origin="me@here")


def event(built: Message | None = None) -> Event:
    return build_sent_event(built or message(), at=NOW, hostname="gen7@here", pid=7, clock=41)


class Wire:
    """Celery's own sender of events, and what it handed to kombu."""

    def __init__(self) -> None:
        self.app = Celery("x", broker="memory://", set_as_current=False)
        self.app.conf.task_send_sent_event = True
        self.app.now = lambda: NOW
        self.published: list[tuple[Any, dict[str, Any]]] = []

    def send(self, request: TaskRequest) -> tuple[Any, dict[str, Any]]:
        producer = self.app.amqp.Producer(self.app.connection_for_write())
        publish = producer.publish

        def record(body: Any, **options: Any) -> None:
            self.published.append((body, options))
            publish(body, **options)

        producer.publish = record
        self.app.send_task(
            request.task,
            request.args,
            request.kwargs,
            task_id=request.task_id,
            eta=request.eta_at,
            expires=request.expires_at,
            root_id=request.root_id,
            parent_id=request.parent_id,
            retries=request.retries,
            argsrepr=request.argsrepr,
            kwargsrepr=request.kwargsrepr,
            queue="wards",
            producer=producer,
        )
        return self.published[-1]


REQUESTS = [
    TaskRequest("app.add", "id-1", [1, 2], {"z": 3}, argsrepr="(1, 2)", kwargsrepr="{'z': 3}"),
    TaskRequest(
        "app.add",
        "id-2",
        eta_at=NOW + timedelta(hours=1),
        expires_at=NOW + timedelta(hours=2),
        root_id="root",
        parent_id="parent",
        retries=2,
        argsrepr="()",
        kwargsrepr="{}",
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=["plain", "with times"])
def test_an_event_is_the_one_celery_sends(request_: TaskRequest) -> None:
    theirs, options = Wire().send(request_)
    built = build_message(request_, Target("wards", 0), at=NOW, origin="me@here")
    mine = build_sent_event(
        built,
        at=datetime.fromtimestamp(theirs["timestamp"], UTC),
        hostname=theirs["hostname"],
        pid=theirs["pid"],
        clock=theirs["clock"],
        utcoffset_h=theirs["utcoffset"],
    )
    assert mine.pop("timestamp") == pytest.approx(theirs.pop("timestamp"), abs=1e-5)
    assert list(mine.items()) == [(name, theirs[name]) for name in mine]
    assert mine.keys() == theirs.keys()
    single = build_event_message([event(built)], hostname=theirs["hostname"])
    assert (single.exchange, single.routing_key, single.headers, single.properties["delivery_mode"]) == (
        options["exchange"],
        options["routing_key"],
        options["headers"],
        options["delivery_mode"],
    )


def test_what_is_shown_are_the_representations_and_never_the_arguments() -> None:
    told = json.dumps(event(message(args=[MARKER], kwargs={"k": MARKER}, headers={"colour": MARKER})))
    assert MARKER not in told
    assert event(message(argsrepr="(...)", kwargsrepr="{...}"))["args"] == "(...)"


def test_a_fanout_is_shown_as_what_it_was_published_to() -> None:
    built = message()._replace(target=Target("wards", 3, exchange="all", routing_key="key"))
    found = event(built)
    assert (found["queue"], found["exchange"], found["routing_key"]) == ("wards", "all", "key")


def test_another_exchange_may_be_shown() -> None:
    found = build_sent_event(message(), at=NOW, hostname="h", pid=1, clock=1, exchange="topics", routing_key="a.b")
    assert (found["queue"], found["exchange"], found["routing_key"]) == ("wards", "topics", "a.b")


def test_an_event_needs_an_aware_instant() -> None:
    with pytest.raises(RequestInvalid, match=r"^at: "):
        build_sent_event(message(), at=NOW.replace(tzinfo=None), hostname="h", pid=1, clock=1)


@pytest.mark.parametrize(("count", "routing_key"), [(1, "task.sent"), (2, "task.multi"), (EVENTS_LIMIT, "task.multi")])
def test_one_event_travels_alone_and_more_as_a_list(count: int, routing_key: str) -> None:
    events = [event(message(task_id=f"id-{number}")) for number in range(count)]
    built = build_event_message(events, hostname="gen7@here")
    assert built.routing_key == routing_key
    assert json.loads(built.body) == (events[0] if count == 1 else events)


@pytest.mark.parametrize("count", [0, EVENTS_LIMIT + 1])
def test_no_event_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(RequestInvalid, match=f"{count} events"):
        build_event_message([event()] * count, hostname="h")


def test_a_channel_is_named_after_database_exchange_and_routing_key() -> None:
    built = build_event_message([event()], hostname="h")
    assert event_channel(built, database=3) == "/3.celeryev/task.sent"
    several = build_event_message([event()] * 2, hostname="h", exchange="mine")
    assert event_channel(several, database=0, prefix="pfx:") == "pfx:/0.mine/task.multi"


@pytest.mark.parametrize("count", [1, 3])
def test_celerys_receiver_reads_the_payload(count: int) -> None:
    app = Celery("x", broker="memory://", set_as_current=False)
    channel = app.connection_for_read().channel()
    events = [event(message(task_id=f"id-{number}", argsrepr="Ä \"'\\")) for number in range(count)]
    payload = event_payload(build_event_message(events, hostname="gen7@here"), delivery_tag="tag")
    found: list[Any] = []
    receiver = EventReceiver(channel, handlers={"task-sent": found.append}, app=app)
    received = channel.Message(read(payload), channel=channel)
    receiver._receive(received.payload, received)
    assert [one["uuid"] for one in found] == [f"id-{number}" for number in range(count)]
    assert [one["args"] for one in found] == ["Ä \"'\\"] * count


def test_neither_message_shows_its_events() -> None:
    built = build_event_message([event(message(argsrepr=MARKER))], hostname="h")
    assert repr(built) == "EventMessage(exchange='celeryev', routing_key='task.sent')"
    assert isinstance(built, EventMessage)
