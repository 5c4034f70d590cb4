"""When an entry is due, in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.scheduler.desk.words import timing_text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"every": "15m"}, "every 15 min"),
        ({"every": "1h"}, "every hour"),
        ({"every": "36h"}, "every 36 h"),
        ({"every": "2d"}, "every 2 days"),
        ({"every": "250ms"}, "every 0.25 s"),
        ({"every": 60}, "every minute"),
        ({"cron": "30 1 * * *"}, "daily at 01:30"),
        ({"cron": "0 7 * * 1-5"}, "Monday to Friday at 07:00"),
        ({"cron": "0 7 * * mon"}, "Mondays at 07:00"),
        ({"cron": "0 7 * * 0"}, "Sundays at 07:00"),
        ({"cron": "0 7 * * 7"}, "Sundays at 07:00"),
        ({"cron": "5 * * * *"}, "hourly at :05"),
        ({"cron": "*/10 * * * *"}, "every 10 min"),
        ({"cron": "* * * * *"}, "every minute"),
        ({"cron": "0 */6 * * *"}, "every 6 h at :00"),
        ({"cron": "*/7 * * * *"}, "cron */7 * * * *"),
        ({"cron": "0 7 1 * *"}, "cron 0 7 1 * *"),
        ({"cron": ["0 7 * * *", "0 8 * * *"]}, "by several cron expressions"),
        ({"at": "2026-01-01T00:00:00Z"}, "once, 2026-01-01T00:00:00Z"),
        ({"at": ["a", "b", "c", "d"]}, "at 4 instants"),
        ({"solar": {"event": "dawn_civil", "latitude": 1, "longitude": 2}}, "at dawn civil"),
        ({"rrule": "FREQ=DAILY"}, "by a rule of RFC 5545"),
        ({"triggers": [{}, {}]}, "by 2 rules"),
        ({}, ""),
    ],
)
def test_plain_rules_are_said_in_words_and_others_as_they_are_written(data: dict[str, Any], words: str) -> None:
    assert timing_text(data, "UTC").words == words


def test_an_expression_is_shown_as_it_is_written_and_cut() -> None:
    assert timing_text({"cron": "30 1 * * *"}, "Europe/London").expression == "cron 30 1 * * *"
    assert len(timing_text({"rrule": "X" * 1000}, "UTC").expression) <= 120


@given(st.dictionaries(st.sampled_from(["every", "cron", "at", "solar", "rrule", "triggers"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)))  # fmt: skip
def test_whatever_is_written_can_be_said(data: dict[str, Any]) -> None:
    found = timing_text(data, "UTC")
    assert len(found.words) <= 120
