"""Triggers put together of others, against going through all instants and leaving out what does not count."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.clock import SECOND_US, instant, microseconds
from daemon.scheduler.triggers import (
    Cron,
    Days,
    Dst,
    Excluding,
    Exclusion,
    FromStart,
    Instants,
    Interval,
    Jittered,
    Minutes,
    Shifted,
    Stretch,
    Trigger,
    Union,
    Window,
    last_at_or_before,
)
from daemon.scheduler.triggers.excluding import STEPS_LIMIT
from daemon.scheduler.triggers.spread import offset_us

ZONES = ("Europe/London", "Australia/Lord_Howe", "America/Havana", "America/St_Johns", "UTC")
BEGIN_US = microseconds(datetime(2026, 3, 1, tzinfo=UTC))
DAYS = 45
END_US = BEGIN_US + DAYS * 86_400 * SECOND_US
MINUTE_US = 60 * SECOND_US
DAY_US = 1440 * MINUTE_US
KEY = "an entry"


class Made(NamedTuple):
    """A trigger, and its instants from BEGIN to END (END_US - 2 days for what is moved), worked out the slow way."""

    trigger: Trigger
    instants: list[int]


def _instants(trigger: Trigger) -> list[int]:
    """List what a plain trigger says; its own tests show that this is right."""
    found: list[int] = []
    at_us: int | None = BEGIN_US - 3 * DAY_US
    while at_us is not None and (at_us := trigger.next_after(at_us)) is not None and at_us < END_US + 3 * DAY_US:
        found.append(at_us)
    return found


@st.composite
def plain(draw: st.DrawFn) -> Made:
    moments = st.integers(BEGIN_US, END_US)
    trigger: Trigger = draw(
        st.one_of(
            st.builds(Interval, st.integers(47 * MINUTE_US, 5 * DAY_US), moments),
            st.builds(Instants, st.lists(moments, min_size=1, max_size=20)),
            st.builds(
                Cron,
                st.sampled_from(("30 1 * * *", "*/40 * * * *", "0 9-17 * * 1-5", "15 0 1,15 * *")),
                st.sampled_from(ZONES),
                st.sampled_from((Dst.CRON, Dst.INSTANT)),
            ),
        )
    )
    return Made(trigger, _instants(trigger))


class Rule(NamedTuple):
    """An exclusion, and whether it leaves an instant out, told by the calendar of the standard library."""

    exclusion: Exclusion
    leaves_out: Callable[[int], bool]


@st.composite
def exclusions(draw: st.DrawFn) -> Rule:
    zone = draw(st.sampled_from(ZONES))
    kind = draw(st.integers(0, 2))
    if kind == 0:
        dates = draw(st.sets(st.dates(date(2026, 2, 26), date(2026, 4, 18)), max_size=20))
        yearly = draw(st.sets(st.sampled_from(((3, 29), (3, 30), (4, 5), (3, 8), (4, 1))), max_size=3))
        weekdays = draw(st.sets(st.integers(0, 6), max_size=6))

        def on_a_day(at_us: int) -> bool:
            local = instant(at_us).astimezone(ZoneInfo(zone))
            day = (local.month, local.day)
            return local.date() in dates or day in yearly or local.weekday() in weekdays

        return Rule(Days(zone, dates, yearly, weekdays), on_a_day)
    if kind == 1:
        from_us = draw(st.integers(BEGIN_US - DAY_US, END_US))
        to_us = from_us + draw(st.integers(1, 9 * DAY_US))
        return Rule(Stretch(from_us, to_us), lambda at_us: from_us <= at_us < to_us)
    text = draw(
        st.sampled_from(
            (
                "* * 5-9 * *",
                "* 0-6,22-23 * * *",
                "0-29 * * * *",
                "* * * * 0,6",
                "* 1-2 * * *",
                "*/7 */3 * * *",
                "* * * 4 *",
            )
        )
    )

    def in_a_minute(at_us: int) -> bool:
        local = instant(at_us).astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
        return bool(croniter.match(text, local, precision_in_seconds=60))

    return Rule(Minutes(text, zone), in_a_minute)


@st.composite
def composed(draw: st.DrawFn) -> Made:
    parts = draw(st.lists(plain(), min_size=1, max_size=3))
    trigger: Trigger = Union(one.trigger for one in parts)
    found = sorted({at for one in parts for at in one.instants})
    rules = draw(st.lists(exclusions(), max_size=3))
    if rules:
        trigger = Excluding(trigger, [one.exclusion for one in rules])
        found = [at for at in found if not any(one.leaves_out(at) for one in rules)]
    if draw(st.booleans()):
        start = draw(st.none() | st.integers(BEGIN_US, END_US))
        end = draw(st.none() | st.integers(BEGIN_US, END_US))
        trigger = Window(trigger, start, end)
        found = [at for at in found if (start is None or at >= start) and (end is None or at <= end)]
    if draw(st.booleans()):
        by_us = draw(st.integers(0, DAY_US))
        trigger = Shifted(trigger, by_us)
        found = [at + by_us for at in found]
    if draw(st.booleans()):
        below_us = draw(st.integers(1, DAY_US))
        trigger = Jittered(trigger, below_us, KEY)
        found = [_moved(at, after, below_us) for at, after in zip(found, [*found, None][1:], strict=True)]
    return Made(trigger, found)


def _moved(at_us: int, following_us: int | None, below_us: int) -> int:
    room_us = below_us if following_us is None else min(below_us, following_us - at_us)
    digest = hashlib.blake2b(f"{KEY}\n{at_us}".encode(), digest_size=8).digest()
    return at_us + int.from_bytes(digest, "big") * room_us // 2**64


@settings(max_examples=120, deadline=None)
@given(composed(), st.integers(BEGIN_US, END_US - 4 * DAY_US))
def test_the_next_instant_is_the_next_of_all_that_count(made: Made, after_us: int) -> None:
    place = bisect_right(made.instants, after_us)
    for expected in made.instants[place : place + 12]:
        if expected > END_US:
            break
        assert made.trigger.next_after(after_us) == expected
        assert made.trigger.next_after(expected - 1) == expected
        after_us = expected


@settings(max_examples=60, deadline=None)
@given(composed(), st.integers(BEGIN_US, END_US - 8 * DAY_US), st.integers(1, 4 * DAY_US))
def test_the_last_instant_is_found_by_bisection(made: Made, after_us: int, length_us: int) -> None:
    within = [at for at in made.instants if after_us < at <= after_us + length_us]
    found = last_at_or_before(made.trigger, after_us + length_us, after_us=after_us)
    assert found == (within[-1] if within else None)


@settings(max_examples=50, deadline=None)
@given(composed(), composed())
def test_triggers_with_one_description_have_the_same_instants(one: Made, other: Made) -> None:
    if one.trigger.describe() == other.trigger.describe():
        assert one.instants == other.instants
    inside = [at for at in one.instants if BEGIN_US < at < END_US]
    if inside != [at for at in other.instants if BEGIN_US < at < END_US]:
        assert one.trigger.describe() != other.trigger.describe()


@settings(max_examples=40, deadline=None)
@given(st.lists(plain(), min_size=2, max_size=4), st.lists(exclusions(), min_size=1, max_size=3), st.randoms())
def test_the_order_in_which_rules_are_written_does_not_matter(
    parts: list[Made], rules: list[Rule], random: Random
) -> None:
    def together() -> str:
        return Excluding(Union(one.trigger for one in parts), [one.exclusion for one in rules]).describe()

    before = together()
    random.shuffle(parts)
    random.shuffle(rules)
    parts.append(parts[0])
    rules.append(rules[0])
    assert together() == before


@given(st.text(), st.integers(1, 10**12))
def test_an_offset_lies_below_its_bound_and_depends_on_nothing_else(text: str, below_us: int) -> None:
    found = offset_us(text, below_us)
    assert 0 <= found < below_us
    assert found == offset_us(text, below_us)


def test_an_offset_is_the_same_on_every_machine() -> None:
    assert [offset_us(text, 600_000_000) for text in ("nightly", "hourly", "")] == [
        575_940_342,
        15_514_367,
        535_900_509,
    ]


def test_jitter_uses_the_whole_of_its_room_and_keeps_the_order() -> None:
    trigger = Jittered(Interval(60 * SECOND_US), 60 * SECOND_US, KEY)
    found, at_us = [], BEGIN_US
    for _ in range(2000):
        following_us = trigger.next_after(at_us)
        assert following_us is not None
        assert following_us > at_us
        at_us = following_us
        found.append(at_us % MINUTE_US)
    assert min(found) < SECOND_US
    assert max(found) > 59 * SECOND_US


def test_beginning_reaches_what_is_counted_from_the_start() -> None:
    hour_us = 3600 * SECOND_US
    inner: Trigger = Union([FromStart(hour_us), Instants([BEGIN_US])])
    rule = Stretch(BEGIN_US + hour_us, BEGIN_US + 2 * hour_us)
    trigger = Jittered(Shifted(Window(Excluding(inner, [rule]), BEGIN_US), 7), 1, KEY).begun(BEGIN_US - 30 * MINUTE_US)
    assert trigger.next_after(BEGIN_US) == BEGIN_US + 7
    assert trigger.next_after(BEGIN_US + 7) == BEGIN_US + 2 * hour_us + 7
    assert FromStart(hour_us).next_after(1) == hour_us


def test_a_search_without_an_end_is_given_up_and_not_made_again() -> None:
    class Counted(Interval):
        asked = 0

        def next_after(self, after_us: int) -> int:
            Counted.asked += 1
            return super().next_after(after_us)

    trigger = Excluding(Counted(SECOND_US), [Minutes("* * * * *", "Europe/Paris")])
    assert trigger.next_after(BEGIN_US) is None
    assert Counted.asked <= STEPS_LIMIT + 1
    Counted.asked = 0
    assert last_at_or_before(trigger, END_US, after_us=BEGIN_US) is None
    assert Counted.asked == 0


def test_what_is_due_again_only_after_a_hundred_years_is_never_due() -> None:
    end_us = BEGIN_US + 101 * 366 * DAY_US
    assert Excluding(Interval(SECOND_US), [Stretch(BEGIN_US, end_us)]).next_after(BEGIN_US) is None
    assert Excluding(Interval(SECOND_US), [Stretch(BEGIN_US, END_US)]).next_after(BEGIN_US) == END_US
