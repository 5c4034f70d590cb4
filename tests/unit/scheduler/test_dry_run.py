"""What a whole schedule would fire, in order and counted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.dry_run import MINUTE_US, Share, fires, survey
from daemon.scheduler.model import Entry
from daemon.scheduler.triggers import FromStart, Instants
from tests.support.clock import START_US
from tests.support.scheduling import cron, every

FROM_US = START_US // MINUTE_US * MINUTE_US
HOUR_US = 60 * MINUTE_US


def listed(entries: list[Entry], from_us: int, until_us: int) -> list[tuple[int, str]]:
    return [(fire.at_us, str(entry.name)) for entry, fire in fires(entries, from_us, until_us)]


def test_entries_are_merged_in_the_order_of_time() -> None:
    entries = [every(120, "slow"), every(60, "quick"), cron("*/3 * * * *", "third")]
    found = listed(entries, FROM_US, FROM_US + 3 * MINUTE_US)
    assert [at_us for at_us, _ in found] == sorted(at_us for at_us, _ in found)
    assert [name for _, name in found].count("quick") == 3


def test_the_beginning_is_inside_and_the_end_is_not() -> None:
    entry = every(60)
    assert listed([entry], FROM_US, FROM_US + 2 * MINUTE_US) == [(FROM_US, "e"), (FROM_US + MINUTE_US, "e")]
    assert survey([entry], FROM_US, FROM_US + 2 * MINUTE_US, 10).total == 2


def test_an_entry_counted_from_its_start_counts_as_new_at_the_beginning() -> None:
    entry = replace(every(1), trigger=FromStart(7 * SECOND_US))
    assert listed([entry], FROM_US + 1, FROM_US + 15 * SECOND_US) == [
        (FROM_US + 1 + 7 * SECOND_US, "e"),
        (FROM_US + 1 + 14 * SECOND_US, "e"),
    ]
    assert survey([entry], FROM_US + 1, FROM_US + 15 * SECOND_US, 10).total == 2


def test_an_entry_with_a_number_of_runs_ends_with_the_last() -> None:
    entry = replace(every(1), max_runs=3)
    assert len(listed([entry], FROM_US, FROM_US + HOUR_US)) == 3
    assert survey([entry], FROM_US, FROM_US + HOUR_US, 10).total == 3


def test_an_entry_that_does_not_fire_is_in_the_summary_all_the_same() -> None:
    past = replace(every(1, "past"), trigger=Instants((FROM_US - 1,)))
    found = survey([past], FROM_US, FROM_US + HOUR_US, 10)
    assert (found.shares, found.total, found.busiest_us, found.is_complete) == (
        {Public("past"): Share()},
        0,
        None,
        True,
    )


def test_a_summary_ends_at_its_limit_and_says_so() -> None:
    found = survey([every(1)], FROM_US, FROM_US + HOUR_US, 100)
    assert (found.total, found.is_complete) == (100, False)
    assert survey([every(1)], FROM_US, FROM_US + 100 * SECOND_US, 100).is_complete


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=8),
    st.integers(0, 10**9),
    st.integers(1, 3600),
)
def test_a_summary_counts_what_the_list_holds(periods: list[int], offset_us: int, length_s: int) -> None:
    entries = [every(period, f"e{number}") for number, period in enumerate(periods)]
    from_us = START_US + offset_us
    until_us = from_us + length_s * SECOND_US
    rows, found = listed(entries, from_us, until_us), survey(entries, from_us, until_us, 10**6)
    assert found.total == len(rows)
    for entry in entries:
        instants = [at_us for at_us, name in rows if name == entry.name]
        assert found.shares[entry.name] == Share(len(instants), *((instants[0], instants[-1]) if instants else ()))
    minutes = [at_us // MINUTE_US for at_us, _ in rows]
    most = max(((minutes.count(one), -one) for one in set(minutes)), default=None)
    assert (found.busiest_us, found.busiest_count) == ((-most[1] * MINUTE_US, most[0]) if most else (None, 0))
