"""What a site knows of its Celery side, and the messages it makes of work items."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from daemon.dispatch.beat_node import wants_beat_node
from daemon.dispatch.celery_side import CelerySide, celery_side
from daemon.dispatch.messages import MessageMaker, check_items
from daemon.ports import WorkItem
from daemon.public import Public
from daemon.settings import Settings
from shim.app import AppFacts, KnownTask, Sources
from shim.errors import RequestInvalid

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def settings(**sections: Any) -> Settings:
    return Settings.model_validate({"site": {"name": "s", "state_dir": Path("/nowhere")}, **sections})


def facts(conf: Mapping[str, Any], **tasks: Mapping[str, Any]) -> AppFacts:
    known = {name.replace("__", "."): KnownTask(name.replace("__", "."), options) for name, options in tasks.items()}
    return AppFacts({}, conf, frozenset(), known, {}, "UTC", True, Sources({}, {}, {}, True))  # noqa: FBT003 - its own order


def maker(side: CelerySide) -> MessageMaker:
    numbers = itertools.count()
    return MessageMaker(side, origin="test", pid=7, tags=(f"tag-{number}" for number in numbers))


def item(task: str = "app.run", **fields: Any) -> WorkItem:
    return WorkItem(Public(task), "id", **fields)


def made(side: CelerySide, work: WorkItem) -> Any:
    [envelope] = maker(side).make(work, AT)
    return json.loads(bytes(envelope.payload))


def test_a_site_that_says_nothing_has_the_private_broker_and_keeps_results_there() -> None:
    side = celery_side(settings())
    assert side.is_embedded
    conf = side.beside("redis+socket:///x").conf
    assert (conf["broker_url"], conf["result_backend"]) == ("redis+socket:///x", "redis+socket:///x")


def test_what_the_site_file_says_wins_over_the_application_and_the_rest_is_the_applications() -> None:
    asked = facts(
        {
            "broker_url": "redis://theirs/0",
            "result_backend": "redis://theirs/1",
            "task_default_queue": "theirs",
            "broker_transport_options": {"global_keyprefix": "t:", "sep": "~"},
        }
    )
    site = settings(celery={"broker_url": "redis://ours/0", "broker_transport_options": {"sep": "-"}})
    conf = celery_side(site, asked).conf
    assert conf["broker_url"] == "redis://ours/0"
    assert (conf["result_backend"], conf["task_default_queue"]) == ("redis://theirs/1", "theirs")
    assert conf["broker_transport_options"] == {"global_keyprefix": "t:", "sep": "-"}


def test_an_address_for_writing_is_the_applications_unless_the_site_file_names_one() -> None:
    asked = facts({"broker_url": "redis://a/0", "broker_write_url": "redis://b/0"})
    assert celery_side(settings(), asked).conf["broker_write_url"] == "redis://b/0"
    assert "broker_write_url" not in celery_side(settings(celery={"broker_url": "redis://c/0"}), asked).conf


def test_a_task_declared_by_hand_adds_to_what_the_application_says_of_it() -> None:
    asked = facts({"broker_url": "redis://a/0"}, app__run={"queue": "theirs", "time_limit": 5})
    site = settings(task={"app.run": {"queue": "ours"}, "far.run": {"priority": 6}})
    side = celery_side(site, asked)
    assert side.options_of("app.run") == {"queue": "ours", "time_limit": 5}
    assert side.options_of("far.run") == {"priority": 6}
    assert side.options_of("unheard.of") == {}


def test_nothing_that_may_be_a_password_is_shown() -> None:
    side = celery_side(settings(celery={"broker_url": "redis://:secret@h/0"}))
    assert "secret" not in repr(side)


def test_an_item_goes_where_routes_and_class_send_it_and_gets_their_options() -> None:
    site = settings(
        celery={
            "broker_url": "redis://h/0",
            "task_routes": {"app.*": {"queue": "far", "expires": "1m", "time_limit": 9}},
        },
        task={"app.run": {"priority": 3, "time_limit": 4}},
    )
    message = made(celery_side(site), item())
    assert message["properties"]["delivery_info"]["routing_key"] == "far"
    assert message["properties"]["priority"] == 3
    assert message["headers"]["timelimit"] == [4, None]  # as in Celery, the class goes before the route
    assert datetime.fromisoformat(message["headers"]["expires"]) == AT + timedelta(minutes=1)


def test_what_the_item_says_wins_over_routes_and_class() -> None:
    site = settings(
        celery={"broker_url": "redis://h/0", "task_routes": {"app.*": {"queue": "far", "priority": 9, "expires": 60}}},
        task={"app.run": {"time_limit": 4}},
    )
    work = item(queue=Public("near"), priority=0, expires_at_us=2_000_000_000_000_000, time_limit_s=7, kwargs={"a": 1})
    message = made(celery_side(site), work)
    assert (message["properties"]["delivery_info"]["routing_key"], message["properties"]["priority"]) == ("near", 0)
    assert message["headers"]["expires"].startswith("2033-05-18")
    assert (message["headers"]["timelimit"], json.loads(message["body"])[1]) == ([7, None], {"a": 1})


def test_options_of_the_class_reach_the_message_as_celerys_own_sender_puts_them() -> None:
    celery = Celery("x", broker="memory://", set_as_current=False)
    options = {"soft_time_limit": 3, "compression": "zlib", "queue": "q"}
    theirs = celery.amqp.as_task_v2("id", "app.run", soft_time_limit=3)
    ours = made(celery_side(settings(task={"app.run": options})), item())
    assert ours["headers"]["timelimit"] == list(theirs.headers["timelimit"])
    assert ours["headers"]["compression"] == "application/x-gzip"
    assert ours["properties"]["delivery_info"]["routing_key"] == "q"


def test_a_topic_reaches_every_queue_that_is_bound() -> None:
    queues = {name: {"exchange": "t", "exchange_type": "topic", "routing_key": "a.#"} for name in ("one", "two")}
    site = settings(
        celery={
            "broker_url": "redis://h/0",
            "task_queues": queues,
            "task_routes": {"app.run": {"exchange": "t", "routing_key": "a.b"}},
        }
    )
    envelopes = maker(celery_side(site)).make(item(), AT)
    assert [envelope.target.queue for envelope in envelopes] == ["one", "two"]
    assert len({json.loads(bytes(one.payload))["properties"]["delivery_tag"] for one in envelopes}) == 2


def test_the_event_that_tells_of_a_task_comes_first_and_holds_none_of_its_arguments() -> None:
    site = settings(celery={"broker_url": "redis://h/0", "task_send_sent_event": True})
    told, message = maker(celery_side(site)).make(item(args=["secret"]), AT)
    assert (told.target.exchange, told.target.routing_key) == ("celeryev", "task.sent")
    assert b"secret" not in told.payload
    assert b"secret" in message.payload


def test_a_queue_that_is_not_declared_where_none_are_made_is_found_by_the_check() -> None:
    site = settings(celery={"broker_url": "redis://h/0", "task_queues": ["near"], "task_create_missing_queues": False})
    [(path, text)] = check_items(celery_side(site), [(("schedule", "x"), item(queue=Public("nearr")))])
    assert path == ("schedule", "x")
    assert "near" in text
    with pytest.raises(RequestInvalid):
        maker(celery_side(site)).make(item(queue=Public("nearr")), AT)


def test_settings_celery_could_not_work_with_are_found_by_the_check() -> None:
    queues = {"a": {"exchange": "x", "exchange_type": "topic"}, "b": {"exchange": "x", "exchange_type": "fanout"}}
    [(path, text)] = check_items(celery_side(settings(celery={"task_queues": queues})), [])
    assert path == ("celery",)
    assert "two types" in text


def test_an_application_with_nothing_but_an_address_for_writing_has_no_private_broker() -> None:
    side = celery_side(settings(), facts({"broker_write_url": "redis://b/0"}))
    assert not side.is_embedded
    assert side.beside(None).conf["broker_write_url"] == "redis://b/0"


def test_a_serializer_workers_would_drop_is_found_by_the_check() -> None:
    asked = facts({"broker_url": "redis://a/0", "accept_content": ["json"]}, app__run={"serializer": "yaml"})
    side = celery_side(settings(), asked)
    [(path, text)] = check_items(side, [(("schedule", "x"), item()), (("schedule", "y"), item("other.task"))])
    assert path == ("schedule", "x")
    assert "accept_content" in text


@pytest.mark.parametrize(
    ("celery", "wanted"),
    [
        ({"broker_url": "redis://h/0"}, True),
        ({"broker_url": "redis://h/0", "beat_enable_remote_control": False}, False),
        ({"broker_url": "amqp://h//"}, False),
        ({"broker_url": "sqs://"}, False),
    ],
)
def test_pings_for_beat_are_answered_unless_turned_off_or_not_spoken(celery: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001 - the expectation
    assert wants_beat_node(celery_side(settings(celery=celery)).beside(None)) is wanted


def test_what_the_application_says_of_its_beat_does_not_count() -> None:
    asked = facts({"broker_url": "redis://h/0", "beat_enable_remote_control": False})
    assert wants_beat_node(celery_side(settings(), asked).beside(None))
