"""The keys of a feed about acknowledgements, and those that contradict each other."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.dispatch import CelerySide, check_answers
from daemon.hl7listener.ack.answering import AckType, AckWhen, Answering, Fallback, NoHeader
from daemon.hl7listener.catalog import read_feeds
from daemon.settings import Problem, Settings, Severity

FEED = {"listen": "127.0.0.1:2575", "route": [{"type": "ADT", "task": "t"}]}


def site(**keys: Any) -> Settings:
    return Settings.model_validate(
        {"site": {"name": "site", "state_dir": "/nowhere"}, "feed": {"adt": {**FEED, **keys}}}
    )


def read(**keys: Any) -> tuple[Answering, tuple[Problem, ...]]:
    [feed], problems = read_feeds(site(**keys))
    return feed.answering, problems


def places(problems: tuple[Problem, ...] | list[Problem]) -> list[tuple[object, ...]]:
    return [problem.path[2:] for problem in problems if problem.severity is Severity.ERROR]


def test_a_feed_answers_by_the_standard_once_a_message_is_stored() -> None:
    answering, problems = read()
    assert (answering, problems) == (Answering(), ())
    assert answering.is_simple


def test_every_key_is_taken_over() -> None:
    answering, problems = read(
        ack_type="ACK^event",
        ack_when="succeeded",
        ack_deadline="5s",
        ack_fallback="close",
        ack_pending=7,
        processing_id=["P", ""],
        versions=["2.3", "2.5.1"],
        control_id="made",
        same_id="refuse",
        no_header="silence",
        disk_full="reject",
    )
    assert [problem.severity for problem in problems] == [Severity.WARNING]  # disk_full
    assert answering == Answering(
        when=AckWhen.SUCCEEDED,
        deadline_s=5.0,
        fallback=Fallback.CLOSE,
        pending=7,
        ack_type=AckType.EVENT,
        processing_ids=frozenset((b"P", b"")),
        versions=frozenset((b"2.3", b"2.5.1")),
        makes_control_id=True,
        no_header=NoHeader.SILENCE,
        refuses_same_id=True,
        rejects_when_full=True,
    )
    assert not answering.is_simple


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"processing_id": ["X"]}, ("processing_id", 0)),
        ({"processing_id": []}, ("processing_id",)),
        ({"versions": ["2.5", "3.0"]}, ("versions", 1)),
        ({"versions": ["2.x"]}, ("versions", 0)),
        ({"versions": []}, ("versions",)),
        ({"ack": "none", "ack_when": "succeeded"}, ("ack_when",)),
        ({"ack": "always-aa", "ack_when": "enqueued"}, ("ack_when",)),
        ({"ack": "none", "sequence": True}, ("sequence",)),
        ({"sequence": True, "ack_when": "enqueued"}, ("ack_when",)),
        ({"sequence": True, "shared": True}, ("shared",)),
        ({"shared": True, "ack_when": "enqueued"}, ("ack_when",)),
    ],
)
def test_what_cannot_be_is_a_problem_at_its_key(keys: dict[str, Any], place: tuple[object, ...]) -> None:
    assert place in places(read(**keys)[1])


REDIS = {"broker_url": "redis://localhost/0"}


@pytest.mark.parametrize(
    ("keys", "conf", "place"),
    [
        ({"ack_when": "succeeded"}, {**REDIS, "result_backend": "redis://localhost/1"}, []),
        ({"ack_when": "succeeded"}, {"broker_url": "embedded"}, []),
        ({"ack_when": "succeeded"}, REDIS, [("ack_when",)]),
        ({"ack_when": "succeeded"}, {**REDIS, "result_backend": "rpc://"}, [("ack_when",)]),
        (
            {"ack_when": "succeeded"},
            {**REDIS, "result_backend": "redis://localhost/1", "task_ignore_result": True},
            [("ack_when",)],
        ),
        ({"ack_when": "enqueued"}, REDIS, []),
        ({"shared": True}, REDIS, []),
        ({"shared": True}, {"broker_url": "embedded"}, [("shared",)]),
        ({"shared": True}, {"broker_url": "amqp://localhost"}, [("shared",)]),
    ],
)
def test_what_the_celery_side_cannot_tell_is_a_problem(
    keys: dict[str, Any], conf: dict[str, Any], place: list[tuple[object, ...]]
) -> None:
    assert places(check_answers(site(**keys), CelerySide(conf))) == place
