"""What is open, acknowledged, silenced and closed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from daemon import feed_events
from daemon.alerts.book import CLOSED_LIMIT, DAY_US, KEPT_US, OPEN_LIMIT, AlertBook
from daemon.alerts.book_data import read_book, write_book
from daemon.alerts.conditions import _RUNBOOKS, CONDITIONS, link_of, runbook_of
from daemon.alerts.hearing import _READERS, heard_in
from daemon.desks import AlertState, Mark, Severity, Silence
from daemon.public import Public
from tests.support.clock import START_US

WHO = Public("jdoe")


class _What(Enum):
    """Stands for what is wrong."""

    QUIET = "feed-quiet"


def _value(kind: str) -> Any:
    """Give some value of a field of an event."""
    return {"int": 5, "float": 0.5, "bool": True, "Enum": _What.QUIET}.get(kind, Public("text"))


ADT = Public("adt")


def book_with(code: str = "feed-quiet", where: Public = ADT) -> AlertBook:
    book = AlertBook()
    assert book.raised(code, where, START_US, detail=Public("nothing for 9 min"))
    return book


def test_what_is_raised_again_is_counted_and_begins_when_it_began() -> None:
    book = book_with()
    assert not book.raised("feed-quiet", ADT, START_US + 5)
    [row] = book.rows()
    assert (row.id, row.count, row.since_us, row.last_us) == ("feed-quiet:adt", 2, START_US, START_US + 5)
    assert (row.detail, row.state, row.link) == ("nothing for 9 min", AlertState.OPEN, "/feeds/adt")


def test_what_has_ended_is_closed_and_kept_for_a_week() -> None:
    book = book_with()
    assert book.ended("feed-quiet", ADT, START_US + 1)
    assert not book.ended("feed-quiet", ADT, START_US + 2)
    [row] = book.rows()
    assert (row.state, row.closed_us) == (AlertState.CLOSED, START_US + 1)
    assert not book.tidied(START_US + KEPT_US)
    assert book.tidied(START_US + KEPT_US + 1)
    assert book.rows() == []


def test_of_a_family_the_latest_stands() -> None:
    book = book_with("certificate-ends-in-30-days")
    book.raised("certificate-ends-in-7-days", ADT, START_US + 1)
    assert [row.code for row in book.open.values()] == ["certificate-ends-in-7-days"]
    book.raised("failed", Public("nightly"), START_US)
    book.ended("not-enqueued", "nightly", START_US + 2)
    assert "failed:nightly" in book.open
    book.ended("not-enqueued", "nightly", START_US + 2, of_family=True)
    assert "failed:nightly" not in book.open


def test_what_was_for_a_moment_is_closed_by_who_has_seen_it_or_after_a_day() -> None:
    book = book_with("messages-parked")
    book.raised("messages-parked", Public("lab"), START_US)
    book.acknowledged("messages-parked:adt", Mark(WHO, START_US + 1))
    assert list(book.open) == ["messages-parked:lab"]
    assert book.tidied(START_US + DAY_US)
    assert not book.open


def test_the_gravest_are_listed_first() -> None:
    book = book_with()
    book.raised("feed-refusing", ADT, START_US - 5)
    assert [row.severity for row in book.rows()] == [Severity.CRITICAL, Severity.WARNING]


def test_a_silence_ends_by_itself() -> None:
    book = book_with()
    book.silenced("feed-quiet:adt", Silence(WHO, START_US, START_US + 10, "upgrade"))
    assert book.rows()[0].state is AlertState.SILENCED
    book.ended("feed-quiet", ADT, START_US + 1)
    book.raised("feed-quiet", ADT, START_US + 2)
    assert book.rows()[0].state is AlertState.SILENCED
    assert book.tidied(START_US + 10)
    assert book.rows()[0].state is AlertState.OPEN


def test_what_is_looked_at_is_opened_and_closed_as_it_is_found() -> None:
    book = AlertBook()
    assert book.observed("queue-without-consumer", {"llm": "25 wait"}, START_US)
    assert not book.observed("queue-without-consumer", {"llm": "26 wait"}, START_US + 1)
    assert book.observed("queue-without-consumer", {}, START_US + 2)
    assert [row.state for row in book.rows()] == [AlertState.CLOSED]


def test_what_people_did_outlives_the_daemon() -> None:
    book = book_with()
    book.raised("failed", Public("nightly"), START_US)
    book.raised("feed-refusing", ADT, START_US)
    book.ended("feed-refusing", ADT, START_US + 1)
    book.acknowledged("feed-quiet:adt", Mark(WHO, START_US, "seen"))
    book.silenced("feed-quiet:adt", Silence(WHO, START_US, START_US + 99, "upgrade"))
    again = AlertBook()
    again.restore(*read_book(write_book(book)))
    assert set(again.open) == {"failed:nightly"}
    assert set(again.closed) == {"feed-refusing:adt"}
    again.raised("feed-quiet", ADT, START_US + 50)
    row = again.open["feed-quiet:adt"]
    assert (row.since_us, row.acknowledged, row.state) == (START_US, Mark(WHO, START_US, "seen"), AlertState.SILENCED)


def test_there_is_a_bound_on_everything() -> None:
    book = AlertBook()
    for number in range(OPEN_LIMIT + 5):
        book.raised("failed", Public(f"e{number}"), START_US)
    assert (len(book.open), book.forgotten) == (OPEN_LIMIT, 5)
    for number in range(OPEN_LIMIT):
        book.ended("failed", f"e{number}", START_US)
    assert (len(book.open), len(book.closed)) == (0, CLOSED_LIMIT)


@pytest.mark.parametrize("kind", _READERS)
def test_every_event_that_is_read_gives_conditions_of_the_table(kind: type) -> None:
    assert is_dataclass(kind)
    values = {field.name: _value(str(field.type)) for field in fields(kind)}
    for heard in heard_in(kind(**values)):
        assert heard.code in CONDITIONS


def test_what_nobody_needs_to_be_told_of_is_passed_over() -> None:
    assert heard_in(feed_events.Answered(ADT, Public("AA"), (0.1,))) == ()


@pytest.mark.parametrize("where", ["adt", "w1@node-a", "a b/c", "größe"])
def test_a_link_is_a_path_of_the_page_whatever_the_name(where: str) -> None:
    link = link_of(CONDITIONS["feed-quiet"], where)
    assert link.startswith("/feeds/")
    assert link.isascii()
    assert " " not in link


def test_every_runbook_that_is_named_is_there() -> None:
    assert _RUNBOOKS.keys() <= CONDITIONS.keys()
    for code in _RUNBOOKS:
        assert (Path(__file__).parents[3] / str(runbook_of(code))).is_file()
