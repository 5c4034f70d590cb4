"""The times of one connection."""

from __future__ import annotations

import pytest

from daemon.hl7listener.wire.deadlines import RATE_WINDOW_S, Deadlines
from daemon.hl7listener.wire.framing import Limits
from daemon.hl7listener.wire.goodbye import Goodbye

LIMITS = Limits(idle_s=1000.0, frame_s=30.0, min_rate_bytes=64)


def heard(limits: Limits = LIMITS) -> Deadlines:
    deadlines = Deadlines(limits)
    deadlines.heard_at_s = 0.0
    return deadlines


@pytest.mark.parametrize(("now_s", "expected"), [(999.0, None), (1000.0, None), (1000.5, Goodbye.IDLE)])
def test_a_sender_may_be_silent_between_blocks_for_so_long(now_s: float, expected: Goodbye | None) -> None:
    assert heard().exceeded(now_s, 0) is expected


@pytest.mark.parametrize(("now_s", "expected"), [(30.0, None), (30.5, Goodbye.SLOW_BLOCK)])
def test_a_block_must_be_complete_in_its_time_however_fast_it_comes(now_s: float, expected: Goodbye | None) -> None:
    deadlines = heard()
    deadlines.begin_block(0.0, 0)
    assert deadlines.exceeded(now_s, 1_000_000) is expected


@pytest.mark.parametrize(("total_bytes", "expected"), [(640, None), (639, Goodbye.TOO_SLOW)])
def test_a_block_must_come_at_a_rate(total_bytes: int, expected: Goodbye | None) -> None:
    deadlines = heard()
    deadlines.begin_block(0.0, 0)
    assert deadlines.exceeded(RATE_WINDOW_S - 0.1, 0) is None
    assert deadlines.exceeded(RATE_WINDOW_S, total_bytes) is expected


def test_the_rate_is_that_of_the_last_seconds_not_of_the_whole_block() -> None:
    deadlines = heard()
    deadlines.begin_block(0.0, 0)
    assert deadlines.exceeded(10.0, 1_000_000) is None
    assert deadlines.exceeded(20.0, 1_000_100) is Goodbye.TOO_SLOW


def test_without_a_floor_no_rate_is_asked_for() -> None:
    deadlines = heard(Limits(min_rate_bytes=0))
    deadlines.begin_block(0.0, 0)
    assert deadlines.exceeded(20.0, 0) is None


def test_time_in_which_a_sender_is_not_read_is_not_its_own() -> None:
    deadlines = heard()
    deadlines.begin_block(0.0, 0)
    deadlines.stand_still(500.0, 10)
    assert deadlines.exceeded(509.0, 10) is None
    assert deadlines.exceeded(510.0, 10) is Goodbye.TOO_SLOW
    deadlines.end_block()
    deadlines.stand_still(5000.0, 10)
    assert deadlines.exceeded(5900.0, 10) is None


def test_bytes_that_are_no_block_have_the_time_of_one() -> None:
    deadlines = heard()
    deadlines.hear_noise(5.0)
    deadlines.hear_noise(20.0)
    assert deadlines.exceeded(35.0, 9) is None
    assert deadlines.exceeded(35.5, 9) is Goodbye.NO_BLOCK
    deadlines.stand_still(40.0, 9)
    assert deadlines.exceeded(70.0, 9) is None
    deadlines.begin_block(70.0, 9)
    deadlines.end_block()
    assert deadlines.exceeded(200.0, 9) is None
