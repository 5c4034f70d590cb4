"""When entries are due: clock changes under both policies, and intervals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.clock import SECOND_US, instant, microseconds
from daemon.scheduler.triggers import Cron, Dst, DstPolicy, Fold, Gap, Interval, last_at_or_before


def _us(text: str) -> int:
    return microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _fires(cron: Cron, start: str, end: str) -> list[str]:
    """Give the fires in [start, end) of UTC, as local times."""
    found = []
    at_us = cron.next_after(_us(start) - 1)
    while at_us is not None and at_us < _us(end):
        found.append(f"{cron.clock.show(at_us // SECOND_US):%d %H:%M%z}")
        at_us = cron.next_after(at_us)
    return found


SPRING_LONDON = ("Europe/London", "2026-03-28T12:00", "2026-03-29T12:00")
AUTUMN_LONDON = ("Europe/London", "2026-10-24T12:00", "2026-10-25T12:00")
SPRING_NEW_YORK = ("America/New_York", "2026-03-08T05:00", "2026-03-08T12:00")
SPRING_LORD_HOWE = ("Australia/Lord_Howe", "2026-10-03T13:00", "2026-10-03T20:00")
AUTUMN_LORD_HOWE = ("Australia/Lord_Howe", "2026-04-04T13:00", "2026-04-04T20:00")
SPRING_TROLL = ("Antarctica/Troll", "2026-03-28T22:00", "2026-03-29T06:00")
AUTUMN_TROLL = ("Antarctica/Troll", "2026-10-24T22:00", "2026-10-25T06:00")
APIA = ("Pacific/Apia", "2011-12-29T10:00", "2011-12-31T10:00")
CASEY = ("Antarctica/Casey", "2020-03-07T12:00", "2020-03-08T00:00")

Window = tuple[str, str, str]

CRON: dict[str, tuple[str, Window, list[str]]] = {
    "spring, skipped, once right after": ("30 1 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, several skipped, once": ("0,15,30 1 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, the first skipped minute": ("0 1 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, the last skipped minute": ("59 1 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, the first minute after": ("0 2 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, skipped and right after are one": ("0 1,2 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, skipped and later": ("30 1,2 * * *", SPRING_LONDON, ["29 02:00+0100", "29 02:30+0100"]),
    "spring, before": ("59 0 * * *", SPRING_LONDON, ["29 00:59+0000"]),
    "spring, a wildcard in the skipped hour": ("*/30 1 * * *", SPRING_LONDON, []),
    "spring, every hour": ("0 * * * *", ("Europe/London", "2026-03-29T00:00", "2026-03-29T03:00"),
                           ["29 00:00+0000", "29 02:00+0100", "29 03:00+0100"]),
    "spring, on another day": ("30 1 30 * *", SPRING_LONDON, []),
    "spring, with seconds": ("30 1 * * * 15", SPRING_LONDON, ["29 02:00+0100"]),
    "spring, New York": ("30 2 * * *", SPRING_NEW_YORK, ["08 03:00-0400"]),
    "spring, Lord Howe": ("15 2 * * *", SPRING_LORD_HOWE, ["04 02:30+1100"]),
    "spring, Lord Howe, after the half hour": ("45 2 * * *", SPRING_LORD_HOWE, ["04 02:45+1100"]),
    "spring, Troll": ("30 1,2 * * *", SPRING_TROLL, ["29 03:00+0200"]),
    "autumn, twice, the first only": ("30 1 * * *", AUTUMN_LONDON, ["25 01:30+0100"]),
    "autumn, several, the first only": ("0,30 1 * * *", AUTUMN_LONDON, ["25 01:00+0100", "25 01:30+0100"]),
    "autumn, the last repeated minute": ("59 1 * * *", AUTUMN_LONDON, ["25 01:59+0100"]),
    "autumn, the first minute after": ("0 2 * * *", AUTUMN_LONDON, ["25 02:00+0000"]),
    "autumn, the last minute before": ("59 0 * * *", AUTUMN_LONDON, ["25 00:59+0100"]),
    "autumn, a wildcard follows elapsed time": (
        "*/30 1 * * *", AUTUMN_LONDON, ["25 01:00+0100", "25 01:30+0100", "25 01:00+0000", "25 01:30+0000"]),
    "autumn, every hour": ("0 * * * *", ("Europe/London", "2026-10-25T00:00", "2026-10-25T03:00"),
                           ["25 01:00+0100", "25 01:00+0000", "25 02:00+0000"]),
    "autumn, Lord Howe": ("45 1 * * *", AUTUMN_LORD_HOWE, ["05 01:45+1100"]),
    "autumn, Lord Howe, before the half hour": ("15 1 * * *", AUTUMN_LORD_HOWE, ["05 01:15+1100"]),
    "autumn, Troll": ("30 1,2 * * *", AUTUMN_TROLL, ["25 01:30+0200", "25 02:30+0200"]),
    "a day that does not exist": ("0 12 * * *", APIA, ["29 12:00-1000", "31 12:00+1400"]),
    "three hours back, the clock was set": ("30 1 * * *", CASEY, ["08 01:30+1100", "08 01:30+0800"]),
}  # fmt: skip

INSTANT: dict[str, tuple[str, Window, list[str]]] = {
    "spring, skipped": ("30 1 * * *", SPRING_LONDON, []),
    "spring, the first minute after": ("0 2 * * *", SPRING_LONDON, ["29 02:00+0100"]),
    "autumn, twice": ("30 1 * * *", AUTUMN_LONDON, ["25 01:30+0100", "25 01:30+0000"]),
    "autumn, after": ("0 2 * * *", AUTUMN_LONDON, ["25 02:00+0000"]),
    "autumn, Lord Howe": ("45 1 * * *", AUTUMN_LORD_HOWE, ["05 01:45+1100", "05 01:45+1030"]),
    "a wildcard": ("*/30 1 * * *", AUTUMN_LONDON,
                   ["25 01:00+0100", "25 01:30+0100", "25 01:00+0000", "25 01:30+0000"]),
    "a day that does not exist": ("0 12 * * *", APIA, ["29 12:00-1000", "31 12:00+1400"]),
}  # fmt: skip


OTHERS: dict[str, tuple[str, DstPolicy, Window, list[str]]] = {
    "skipped, once right after": ("*/30 1 * * *", Dst.ONCE_FIRST, SPRING_LONDON, ["29 02:00+0100"]),
    "skipped, not made up": ("30 1,2 * * *", Dst.SKIP_GAP, SPRING_LONDON, ["29 02:30+0100"]),
    "skipped, each an hour later": ("15,45 1 * * *", Dst.SHIFT_GAP, SPRING_LONDON, ["29 02:15+0100", "29 02:45+0100"]),
    "later and usual at once": ("30 1,2 * * *", Dst.SHIFT_GAP, SPRING_LONDON, ["29 02:30+0100"]),
    "half an hour later": ("0,15,40 2 * * *", Dst.SHIFT_GAP, SPRING_LORD_HOWE,
                           ["04 02:30+1100", "04 02:40+1100", "04 02:45+1100"]),
    "the first later, nothing until then": ("15,40 2 * * *", DstPolicy(Gap.SHIFT_ONE, Fold.FIRST), SPRING_LORD_HOWE,
                                            ["04 02:45+1100"]),
    "two hours later": ("30 1,2 * * *", Dst.SHIFT_GAP, SPRING_TROLL, ["29 03:30+0200", "29 04:30+0200"]),
    "twice, the first": ("30 1 * * *", Dst.ONCE_FIRST, AUTUMN_LONDON, ["25 01:30+0100"]),
    "twice, the last": ("30 1 * * *", Dst.ONCE_LAST, AUTUMN_LONDON, ["25 01:30+0000"]),
    "twice, the last, and what is near": (
        "59 0,1 * * *", Dst.ONCE_LAST, AUTUMN_LONDON, ["25 00:59+0100", "25 01:59+0000"]),
    "a wildcard is no exception, first": ("*/30 1 * * *", Dst.ONCE_FIRST, AUTUMN_LONDON, ["25 01:00+0100", "25 01:30+0100"]),
    "a wildcard is no exception, last": ("*/30 1 * * *", Dst.ONCE_LAST, AUTUMN_LONDON, ["25 01:00+0000", "25 01:30+0000"]),
    "half an hour twice, the last": ("15,45 1 * * *", Dst.ONCE_LAST, AUTUMN_LORD_HOWE, ["05 01:15+1100", "05 01:45+1030"]),
    "a day that does not exist, made up": ("0 12 * * *", Dst.ONCE_FIRST, APIA,
                                           ["29 12:00-1000", "31 00:00+1400", "31 12:00+1400"]),
    "a day that does not exist, a day later": ("0 12,18 * * *", Dst.SHIFT_GAP, APIA,
        ["29 12:00-1000", "29 18:00-1000", "31 12:00+1400", "31 18:00+1400"]),
    "three hours back, the first": ("30 1 * * *", Dst.ONCE_FIRST, CASEY, ["08 01:30+1100"]),
    "three hours back, the clock was set": (
        "30 1 * * *", DstPolicy(Gap.SKIP, Fold.LAST, fixed_only=True), CASEY, ["08 01:30+1100", "08 01:30+0800"]),
    "an hour back, as in a cron that takes the last": (
        "30 1 * * *", DstPolicy(Gap.SKIP, Fold.LAST, fixed_only=True), AUTUMN_LONDON, ["25 01:30+0000"]),
    "three hours back, the last": ("30 1 * * *", Dst.ONCE_LAST, CASEY, ["08 01:30+0800"]),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "dst", "window", "expected"), OTHERS.values(), ids=OTHERS)
def test_as_the_policy_says_over_clock_changes(
    expression: str, dst: DstPolicy, window: Window, expected: list[str]
) -> None:
    zone, start, end = window
    assert _fires(Cron(expression, zone, dst), start, end) == expected


def test_the_second_time_is_found_though_the_next_match_is_far_away() -> None:
    cron = Cron("30 1 25 10 *", "Europe/London", Dst.INSTANT)
    assert cron.next_after(_us("2026-10-25T00:30")) == _us("2026-10-25T01:30")


@pytest.mark.parametrize(("expression", "window", "expected"), CRON.values(), ids=CRON)
def test_as_debians_cron_over_clock_changes(expression: str, window: Window, expected: list[str]) -> None:
    zone, start, end = window
    assert _fires(Cron(expression, zone), start, end) == expected


@pytest.mark.parametrize(("expression", "window", "expected"), INSTANT.values(), ids=INSTANT)
def test_at_every_real_instant_over_clock_changes(expression: str, window: Window, expected: list[str]) -> None:
    zone, start, end = window
    assert _fires(Cron(expression, zone, Dst.INSTANT), start, end) == expected


def test_a_skipped_fire_is_found_from_within_the_second_before_the_gap() -> None:
    cron = Cron("30 1 * * *", "Europe/London")
    assert cron.next_after(_us("2026-03-29T01:00") - 1) == _us("2026-03-29T01:00")
    assert cron.next_after(_us("2026-03-29T01:00")) == _us("2026-03-30T00:30")


def test_a_repeated_time_is_not_due_again_when_asked_in_the_middle_of_the_repetition() -> None:
    cron = Cron("30 1 * * *", "Europe/London")
    assert cron.next_after(_us("2026-10-25T01:15")) == _us("2026-10-26T01:30")


def test_every_fire_falls_on_a_whole_second() -> None:
    assert Cron("* * * * *", "UTC").next_after(_us("2026-01-01T00:00") + 1) == _us("2026-01-01T00:01")


def test_an_expression_whose_years_are_over_never_fires_again() -> None:
    assert Cron("0 0 1 1 * 0 2030", "Europe/London").next_after(_us("2030-06-01T00:00")) is None


def test_the_29th_of_february_is_found_over_a_century_without_a_leap_day() -> None:
    found = Cron("0 0 29 2 *", "Europe/London").next_after(_us("2096-03-01T00:00"))
    assert found == _us("2104-02-29T00:00")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Cron("0 2 * * *", "UTC"), Cron("0 3 * * *", "UTC")),
        (Cron("0 2 * * *", "UTC"), Cron("0 2 * * *", "Europe/London")),
        (Cron("0 2 * * *", "UTC"), Cron("0 2 * * *", "UTC", Dst.INSTANT)),
        (Interval(5), Interval(6)),
        (Interval(5), Interval(5, 1)),
    ],
)
def test_triggers_that_may_differ_describe_themselves_differently(one: Cron | Interval, other: Cron | Interval) -> None:
    assert one.describe() != other.describe()


def test_white_space_does_not_make_another_trigger() -> None:
    assert Cron(" 0  2 * * *", "UTC").describe() == Cron("0 2 * * *", "UTC").describe()


# -- intervals ---------------------------------------------------------------------------------------------------------

MINUTE_US = 60 * SECOND_US


def test_an_interval_without_an_anchor_counts_from_the_epoch() -> None:
    assert instant(Interval(15 * MINUTE_US).next_after(_us("2026-09-21T14:13"))) == instant(_us("2026-09-21T14:15"))


def test_an_interval_is_due_strictly_after() -> None:
    every = Interval(15 * MINUTE_US)
    assert every.next_after(_us("2026-09-21T14:15")) == _us("2026-09-21T14:30")
    assert every.next_after(_us("2026-09-21T14:15") - 1) == _us("2026-09-21T14:15")


def test_an_anchor_moves_all_instants_of_an_interval() -> None:
    every = Interval(15 * MINUTE_US, anchor_us=4 * MINUTE_US)
    assert every.next_after(_us("2026-09-21T14:13")) == _us("2026-09-21T14:19")


def test_lateness_does_not_add_up() -> None:
    every = Interval(10 * SECOND_US)
    at_us = _us("2026-09-21T00:00")
    for _ in range(1000):
        late_us = 2_000
        at_us = every.next_after(at_us + late_us)
    assert at_us == _us("2026-09-21T00:00") + 1000 * 10 * SECOND_US


def test_an_anchor_in_the_future_is_no_beginning() -> None:
    every = Interval(MINUTE_US, anchor_us=_us("2030-01-01T00:00") + 7)
    assert every.next_after(_us("2026-01-01T00:00")) == _us("2026-01-01T00:00") + 7


def test_intervals_reach_back_before_the_epoch() -> None:
    assert Interval(10, anchor_us=3).next_after(-25) == -17


# -- the last instant --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after_us", "now_us", "expected"),
    [(0, 9, None), (0, 10, 10), (0, 19, 10), (0, 20, 20), (10, 19, None), (10, 20, 20), (9, 1_000_005, 1_000_000)],
)
def test_the_last_instant_lies_after_the_one_and_not_after_the_other(
    after_us: int, now_us: int, expected: int | None
) -> None:
    assert last_at_or_before(Interval(10), now_us, after_us=after_us) == expected


def test_the_last_instant_of_a_trigger_that_ends_is_found() -> None:
    cron = Cron("0 0 1 1 * 0 2030", "UTC")
    assert last_at_or_before(cron, _us("2040-01-01T00:00"), after_us=_us("2020-01-01T00:00")) == _us("2030-01-01T00:00")
