"""Triggers against oracles that share no code with them: two other cron engines, and a scan of every minute."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterBadDateError, croniter
from cronsim import CronSim, CronSimError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import (
    Cron,
    Crontab,
    CrontabMode,
    Dst,
    DstPolicy,
    Fold,
    Gap,
    Interval,
    Trigger,
    last_at_or_before,
)
from daemon.scheduler.triggers.cron_fields import parse_cron
from tests.support.cron_oracle import ZONES, Expression, around_the_clock_change, expressions, scan
from tests.support.wall_scan import changes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGIN_S = int((datetime(2015, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
END_S = int((datetime(2040, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
DAY_S = 86_400
SOME = 8

instants_s = st.integers(BEGIN_S, END_S)
zones = st.sampled_from(ZONES)
simple = st.sampled_from((Dst.CRON, Dst.INSTANT))
policies = st.builds(DstPolicy, st.sampled_from(Gap), st.sampled_from(Fold), st.booleans())


def _after(trigger: Trigger, start_s: int, count: int) -> list[int]:
    """Give the first so many instants after ``start_s``, in seconds."""
    found: list[int] = []
    at_us: int | None = start_s * SECOND_US
    while len(found) < count and at_us is not None and (at_us := trigger.next_after(at_us)) is not None:
        found.append(at_us // SECOND_US)
    return found


def _within(trigger: Trigger, start_s: int, end_s: int) -> list[int]:
    """Give the instants in [start, end), in seconds."""
    found = []
    at_us = trigger.next_after(start_s * SECOND_US - 1)
    while at_us is not None and at_us < end_s * SECOND_US:
        found.append(at_us // SECOND_US)
        at_us = trigger.next_after(at_us)
    return found


# -- two other engines, in UTC -----------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(expressions(), instants_s)
def test_in_utc_cronsim_agrees(expression: Expression, start_s: int) -> None:
    start = EPOCH + timedelta(seconds=start_s)
    theirs = []
    with suppress(CronSimError):  # an impossible date; ours is refused too, see below
        theirs = [int((at - EPOCH).total_seconds()) for at in islice(CronSim(expression.text, start), SOME)]
    assert _after(_cron_or_never(expression.text), start_s, SOME) == theirs


@settings(max_examples=300)
@given(expressions(), instants_s)
def test_in_utc_croniter_agrees(expression: Expression, start_s: int) -> None:
    # It takes a list of all days for a star if a later item of the other day field has one: "1,*/2" and "0-6".
    assume(",*" not in expression.text)
    theirs = []
    with suppress(CroniterBadDateError):
        engine = croniter(expression.text, EPOCH + timedelta(seconds=start_s), implement_cron_bug=True)
        theirs = [int((engine.get_next(datetime) - EPOCH).total_seconds()) for _ in range(SOME)]
    assert _after(_cron_or_never(expression.text), start_s, SOME) == theirs


def _cron_or_never(text: str) -> Trigger:
    try:
        return Cron(text, "UTC")
    except TriggerInvalid:
        return _Never()


class _Never(Trigger):
    def next_after(self, after_us: int) -> None:
        del after_us

    def describe(self) -> str:
        return "never"


# -- a scan of every minute around clock changes -----------------------------------------------------------------------


@st.composite
def _clock_changes(draw: st.DrawFn) -> tuple[str, int, Expression]:
    """Choose a zone, one of its clock changes, and an expression for the hours about it."""
    zone, year = draw(zones), draw(st.integers(2015, 2039))
    instants = changes(zone, year)
    assume(instants)
    at_s = draw(st.sampled_from(instants))
    last_hour = datetime.fromtimestamp(at_s - 60, ZoneInfo(zone)).hour
    next_hour = datetime.fromtimestamp(at_s, ZoneInfo(zone)).hour
    hours = {last_hour, (last_hour + 1) % 24, (next_hour - 1) % 24, next_hour}
    return zone, at_s, draw(around_the_clock_change(tuple(sorted(hours))))


@settings(max_examples=150)
@given(_clock_changes(), simple)
def test_around_clock_changes_a_scan_of_every_minute_agrees(
    change: tuple[str, int, Expression], dst: DstPolicy
) -> None:
    zone, at_s, expression = change
    start_s, end_s = at_s - 30 * 3600, at_s + 30 * 3600
    try:
        trigger = Cron(expression.text, zone, dst)
    except TriggerInvalid:
        assert scan(expression, zone, start_s, end_s, cron=dst == Dst.CRON) == []
        return
    assert _within(trigger, start_s, end_s) == scan(expression, zone, start_s, end_s, cron=dst == Dst.CRON)


@settings(max_examples=40)
@given(zones, st.integers(2015, 2039), simple, st.data())
def test_over_whole_days_anywhere_in_the_year_a_scan_agrees(
    zone: str, year: int, dst: DstPolicy, data: st.DataObject
) -> None:
    expression = data.draw(around_the_clock_change(tuple(range(24))))
    first_s = int((datetime(year, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
    start_s = first_s + data.draw(st.integers(-2, 366)) * DAY_S
    try:
        trigger = Cron(expression.text, zone, dst)
    except TriggerInvalid:
        return
    end_s = start_s + 3 * DAY_S
    found = [at for at in scan(expression, zone, start_s - 2 * DAY_S, end_s, cron=dst == Dst.CRON) if at >= start_s]
    assert _within(trigger, start_s, end_s) == found


# -- laws --------------------------------------------------------------------------------------------------------------


@st.composite
def triggers(draw: st.DrawFn) -> Trigger:
    if draw(st.booleans()):
        every_us = draw(st.integers(100_000, 400 * DAY_S * SECOND_US))
        return Interval(every_us, draw(st.integers(-every_us, every_us)))
    try:
        text, zone = draw(expressions()).text, draw(zones | st.just("UTC"))
        if draw(st.booleans()):
            return Crontab(text, zone, draw(st.sampled_from(CrontabMode)))
        return Cron(text, zone, draw(policies))
    except TriggerInvalid:
        return Cron("* * * * *", draw(zones))


@settings(max_examples=300)
@given(triggers(), instants_s, st.integers(0, SECOND_US - 1), st.floats(0, 1, exclude_max=True))
def test_the_next_instant_is_later_and_the_same_from_wherever_before_it_is_asked(
    trigger: Trigger, start_s: int, microsecond: int, part: float
) -> None:
    after_us = start_s * SECOND_US + microsecond
    first = trigger.next_after(after_us)
    assert first is not None
    assert first > after_us
    assert trigger.next_after(after_us + int((first - after_us) * part)) == first
    assert trigger.next_after(first - 1) == first
    second = trigger.next_after(first)
    assert second is not None
    assert second > first


@settings(max_examples=150)
@given(triggers(), instants_s, st.integers(0, 40 * DAY_S * SECOND_US))
def test_the_last_instant_is_the_one_found_by_going_through_all(trigger: Trigger, start_s: int, length_us: int) -> None:
    after_us = start_s * SECOND_US
    last: int | None = None
    at_us = trigger.next_after(after_us)
    for _ in range(300):
        if at_us is None or at_us > after_us + length_us:
            break
        last, at_us = at_us, trigger.next_after(at_us)
    else:
        assert last is not None
        length_us = last - after_us
    assert last_at_or_before(trigger, after_us + length_us, after_us=after_us) == last


@given(st.integers(1, 10**13), st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_an_interval_keeps_to_the_multiples_counted_from_its_anchor(every: int, anchor: int, after: int) -> None:
    found = Interval(every, anchor).next_after(after)
    assert (found - anchor) % every == 0
    assert after < found <= after + every


@settings(max_examples=300)
@given(st.text("0123456789*,-/?#lwhr@ monfriju_\t", max_size=30) | st.text(max_size=20))
@example("* * * * l1-")
@example("@")
def test_no_text_makes_the_parser_fail_otherwise_than_by_refusing_it(text: str) -> None:
    with suppress(TriggerInvalid):
        parse_cron(text)


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(("*", "1", "5-5", "L", "15w", "l5", "5#2", "*/2", "?", "jan", "fri", "1,2", "7", "0-7")),
        min_size=5,
        max_size=7,
    )
)
def test_what_is_accepted_fires(words: list[str]) -> None:
    try:
        trigger = Cron(" ".join(words), "UTC")
    except TriggerInvalid:
        return
    assert trigger.next_after(0) is not None


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Pacific/Apia", "Australia/Lord_Howe"])
def test_instants_before_the_epoch_are_instants_too(zone: str) -> None:
    trigger = Cron("0 12 * * *", zone)
    found = _after(trigger, -40 * DAY_S, 5)
    assert found == sorted(found)
    assert {trigger.clock.show(at).hour for at in found} == {12}
