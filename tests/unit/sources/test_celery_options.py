"""Options and arguments of a call in beat as keys of a site file."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from kombu.utils.json import dumps as kombu_dumps

from daemon.settings.entry_section import EntryOptions
from daemon.sources.celery_options import argument_keys, option_keys
from daemon.sources.sourced import Unfit

dumps: Any = kombu_dumps


@pytest.mark.parametrize(
    ("options", "data", "said"),
    [
        ({}, {}, []),
        ({"queue": "q", "priority": 3, "expires": 3600}, {"queue": "q", "priority": 3, "expires": "1h"}, []),
        ({"queue": {"name": "q", "durable": True}}, {"queue": "q"}, []),
        ({"queue": "q", "exchange": "q", "routing_key": "q"}, {"queue": "q"}, []),
        ({"queue": "q", "routing_key": "r"}, {"queue": "q"}, ['the queue "q" alone']),
        ({"routing_key": "r"}, {"queue": "r"}, ['routing key "r"']),
        ({"exchange": "x"}, {}, ['exchange "x"']),
        ({"priority": 200}, {"priority": 9}, ["priority 200 becomes 9"]),
        ({"expires": "soon"}, {}, ["expires is no length of time"]),
        ({"time_limit": 30, "soft_time_limit": 20.5}, {"time_limit": "30s", "soft_time_limit": "20500ms"}, []),
        ({"headers": {"a": 1}}, {"headers": {"a": 1}}, []),
        ({"countdown": 10, "shadow": "x"}, {}, ["option countdown", "option shadow"]),
        ({"retry": True, "retry_policy": {}, "connection": None}, {}, []),
        ({"queue": None, "priority": None}, {}, []),
    ],
)
def test_options_keep_their_meaning_and_what_is_left_out_is_said(
    options: dict[str, Any], data: dict[str, Any], said: list[str]
) -> None:
    keys = option_keys(options)
    assert keys.data.get("options", {}) == data
    assert len(keys.differences) == len(said)
    assert all(words in sentence for words, sentence in zip(said, keys.differences, strict=True))
    EntryOptions.model_validate(data)


def test_the_mark_of_templates_stands_for_itself() -> None:
    assert argument_keys(["{{x}}", ["{{"]], {"{{k}}": {"a": "{{b"}}) == {
        "args": ["{{{{x}}", ["{{{{"]],
        "kwargs": {"{{k}}": {"a": "{{{{b"}},
    }


def test_typed_objects_of_celerys_json_are_what_they_mean() -> None:
    values = [
        datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 2),  # noqa: DTZ001 - an argument may have no zone
        date(2026, 1, 2), time(3, 4), Decimal("1.50"), UUID(int=5), b"\xff\x00", b"text",
    ]  # fmt: skip
    assert argument_keys(json.loads(dumps(values)), {})["args"] == values


@pytest.mark.parametrize(
    ("args", "unsaid", "said"),
    [
        ([], ["celery.beat.BeatLazyFunc"], "computed when the task is sent"),
        ([], ["app.Ward"], "app.Ward"),
        ([{"__type__": "ward", "__value__": 1}], [], '"ward"'),
        ([{"__type__": "datetime", "__value__": "never"}], [], '"datetime"'),
    ],
)
def test_arguments_json_has_no_words_for_stay_behind(args: list[Any], unsaid: list[str], said: str) -> None:
    with pytest.raises(Unfit) as caught:
        argument_keys(args, {}, unsaid)
    assert said in caught.value.reason
