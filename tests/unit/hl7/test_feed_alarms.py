"""Alarms of feeds, and the counts they rest on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from daemon.clock import SECOND_US
from daemon.events import Backlog
from daemon.feed_events import Answered, FeedListening, PeerRefused, Quarantined, Resent
from daemon.hl7listener.judging.finding import Reason
from daemon.hl7listener.watch.alarms import FeedAlarm, Recent, alarms
from daemon.hl7listener.watch.service import FeedWatch
from daemon.hl7listener.watch.tally import Latencies, Minutes, Tallies
from daemon.hl7listener.watching import Watching
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.public import Public
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised
from tests.support.clock import SetClock
from tests.support.feeds import ADT, feed

pytestmark = pytest.mark.anyio

MINUTE_US = 60 * SECOND_US
WELL = Recent(messages=1000, refused=0, slow=0, oldest_s=0, silent_us=0, usual_us=None, is_listened=True)
SET = Watching(silence_s=600, learns_silence=False)


@pytest.mark.parametrize(
    ("watching", "recent", "expected"),
    [
        (SET, WELL, None),
        (SET, WELL._replace(silent_us=601 * SECOND_US), FeedAlarm.QUIET),
        (SET, WELL._replace(silent_us=600 * SECOND_US), None),
        (SET, WELL._replace(silent_us=601 * SECOND_US, is_listened=False), None),
        (Watching(), WELL._replace(silent_us=10**12), None),
        (Watching(), WELL._replace(silent_us=10**12, usual_us=10**9), FeedAlarm.QUIET),
        (Watching(learns_silence=False), WELL._replace(silent_us=10**12, usual_us=10**9), None),
        (SET, WELL._replace(refused=51), FeedAlarm.REFUSING),
        (SET, WELL._replace(refused=50), None),
        (SET, WELL._replace(messages=19, refused=19), None),
        (SET, WELL._replace(slow=11), FeedAlarm.SLOW),
        (SET, WELL._replace(slow=10), None),
        (SET, WELL._replace(oldest_s=301), FeedAlarm.BACKLOG),
        (replace(SET, backlog_s=1000), WELL._replace(oldest_s=301), None),
    ],
)
def test_each_alarm_is_raised_beyond_its_limit_and_not_at_it(
    watching: Watching, recent: Recent, expected: FeedAlarm | None
) -> None:
    assert list(alarms(watching, recent)) == ([] if expected is None else [expected])


def test_quantiles_are_at_most_a_quarter_too_large() -> None:
    latencies = Latencies()
    assert latencies.quantile_s(0.5) is None
    for number in range(1, 1001):
        latencies.add(number / 1000)
    for share in (0.01, 0.5, 0.99, 1.0):
        found = latencies.quantile_s(share)
        assert found is not None
        assert share <= found <= share * 1.26


def test_a_latency_beyond_all_classes_counts_in_the_last() -> None:
    latencies = Latencies()
    latencies.add(1e9)
    assert latencies.quantile_s(0.5) == latencies.quantile_s(1.0) is not None


def test_minutes_fall_out_of_the_hour() -> None:
    minutes = Minutes()
    start_us = 1_000_000 * MINUTE_US
    for minute in range(61):
        minutes.add(start_us + minute * MINUTE_US, minute)
    assert minutes.last(start_us + 60 * MINUTE_US) == list(range(1, 61))
    assert sum(minutes.last(start_us + 119 * MINUTE_US)) == 60
    assert sum(minutes.last(start_us + 120 * MINUTE_US)) == 0
    assert sum(minutes.last(start_us + 10_000 * MINUTE_US)) == 0


def test_events_are_counted_where_they_belong() -> None:
    clock = SetClock()
    tallies = Tallies({"adt": 1.0}, clock.now_us)
    for event in (
        Answered(ADT, Public("AA"), [0.002, 0.003]),
        Answered(ADT, Public("AE"), [2.0]),
        Answered(Public("other"), Public("AA"), [0.1]),
        Quarantined(ADT, Reason.NO_MSH),
        Resent(ADT),
        PeerRefused(ADT, Goodbye.LIMIT),
        Backlog(ADT, 7, 1.5),
        object(),
    ):
        tallies.hear(event)
    tally = tallies.feeds["adt"]
    assert (tally.codes, tally.messages, tally.negative) == ({"AA": 2, "AE": 1}, 3, 1)
    assert (tally.quarantined, tally.resent) == ({"no-msh": 1}, 1)
    assert (tally.refused, tally.waiting) == ({Goodbye.LIMIT.value: 1}, 7)
    assert tally.minutes.last(clock.now_us() + MINUTE_US)[-2] == 3


class Scene:
    """A watch over one feed, and what it told."""

    def __init__(self, folder: Path, watching: Watching) -> None:
        self.clock = SetClock()
        self.is_open = True
        self.events: list[object] = []
        self.watch = FeedWatch(
            [feed(watching=watching)], folder, self.clock, self.events.append, is_open=lambda _: self.is_open
        )
        self.watch.hear(FeedListening(ADT, Public("here"), inherited=False))

    def minutes(self, count: int) -> list[object]:
        """Let so many minutes pass, looked at each, and give what was told."""
        before = len(self.events)
        for _ in range(count):
            self.clock.advance(60)
            self.watch.look(self.clock.now_us())
        return self.events[before:]

    def message(self, code: str = "AA", took_s: float = 0.001) -> None:
        self.watch.hear(Answered(ADT, Public(code), [took_s]))


def test_silence_raises_one_alarm_and_a_message_ends_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, SET)
    scene.message()
    assert scene.minutes(10) == []
    [raised] = scene.minutes(30)
    assert isinstance(raised, FeedAlarmRaised)
    assert raised.what is FeedAlarm.QUIET
    assert "10 min are allowed" in str(scene.watch.quiet("adt"))
    scene.message()
    [ended] = scene.minutes(1)
    assert isinstance(ended, FeedAlarmEnded)
    assert ended.since_us == raised.since_us
    assert scene.watch.quiet("adt") is None


def test_a_feed_that_never_heard_anything_is_quiet_after_its_silence(tmp_path: Path) -> None:
    assert len(Scene(tmp_path, SET).minutes(12)) == 1


def test_a_paused_feed_is_not_quiet_and_its_silence_begins_anew_afterwards(tmp_path: Path) -> None:
    scene = Scene(tmp_path, SET)
    scene.message()
    scene.is_open = False
    assert scene.minutes(120) == []
    scene.is_open = True
    assert scene.minutes(10) == []
    assert len(scene.minutes(5)) == 1


def test_many_refusals_raise_an_alarm_that_ends_when_they_are_ten_minutes_past(tmp_path: Path) -> None:
    scene = Scene(tmp_path, replace(SET, silence_s=None))
    for _ in range(30):
        scene.message("AE")
    [raised] = scene.minutes(1)
    assert isinstance(raised, FeedAlarmRaised)
    assert raised.what is FeedAlarm.REFUSING
    assert "30 of the last 30" in str(scene.watch.refusing("adt"))
    [ended] = scene.minutes(12)
    assert isinstance(ended, FeedAlarmEnded)


async def test_what_was_learned_is_kept_over_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Watching())
    for _ in range(2 * 7 * 24 * 6):
        scene.message()
        scene.clock.advance(600)
    await scene.watch.drain()
    again = Scene(tmp_path, Watching())
    again.clock.advance(scene.clock.now_us() / SECOND_US - again.clock.now_us() / SECOND_US)
    await again.watch.open()
    again.message()
    assert again.minutes(14) == []
    assert len(again.minutes(30)) == 1
