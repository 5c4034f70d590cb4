"""How an entry stands now, where it tells why an instant left no record."""

from __future__ import annotations

import pytest

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.history.present import Standing, standing
from daemon.scheduler.history.why import Finding, Knowledge, explain
from daemon.scheduler.layers.compose import Composed, Definition, compose
from daemon.scheduler.layers.hold_note import HoldNote, read_hold, write_hold
from daemon.scheduler.layers.layer import OVERRIDE, SITE, Layer, Setting
from daemon.scheduler.model import Horizon
from daemon.scheduler.triggers import Cron
from tests.support.clock import START_US

HOUR_US = 3600 * SECOND_US
DUE_US = START_US // HOUR_US * HOUR_US
"""2026-09-21T14:00:00Z."""
NOW_US = DUE_US + HOUR_US
BEFORE = Horizon("r", DUE_US - HOUR_US, DUE_US - 9 * HOUR_US)
HELD = HoldNote("works", "ada@desk", DUE_US - 60 * SECOND_US)


def known(override: Layer | None = None, **more: object) -> Composed:
    definition = Definition(Public("e"), (Layer.of(SITE, {"task": "app.t", "cron": "0 * * * *", **more}),))
    return compose(definition, override, Public("UTC"), NOW_US)


def told(entry: Composed | None, horizon: Horizon | None = BEFORE, held: HoldNote | None = None) -> Standing:
    found = standing(entry, horizon, held, DUE_US, NOW_US)
    assert found is not None
    return found


def disabled_by(author: str) -> Layer:
    return Layer(OVERRIDE, {"enabled": Setting(value=False, author=author, at_us=DUE_US - HOUR_US, reason="moved")})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (known(enabled=False), "the entry is disabled (site)"),
        (known(disabled_by("ada@desk")), "the entry is disabled (override, by ada@desk since 2026-09-21T13:00:00Z: moved)"),
        (known(task=5), "the entry cannot be as it stands: "),
        (None, "no entry of this name is in the schedule"),
    ],
)  # fmt: skip
def test_an_entry_that_has_no_occurrences_says_why(entry: Composed | None, words: str) -> None:
    found = told(entry)
    assert not found.is_due
    assert words in found.text
    answer = explain(None, DUE_US, Knowledge((), 1, None), NOW_US, found)
    assert answer.finding is Finding.NOT_DUE
    assert words in answer.text


def test_what_lies_before_an_entry_was_taken_up_was_not_due() -> None:
    found = told(known(), Horizon("r", NOW_US, DUE_US))
    assert not found.is_due
    assert "counted from 2026-09-21T14:00:00Z" in found.text


def test_an_entry_no_daemon_took_up_says_so() -> None:
    assert told(known(), None).text == "it was due, and no daemon has taken the entry up yet"


def test_what_waits_while_all_is_held_names_who_holds_it() -> None:
    found = told(known(), held=HELD)
    assert found == Standing(
        "it was due, and all schedules are held by ada@desk since 2026-09-21T13:59:00Z: works", is_due=True
    )
    answer = explain(Cron("0 * * * *", "UTC"), DUE_US, Knowledge((), 1, 1), NOW_US, found)
    assert answer.finding is Finding.WAITS
    assert answer.text == found.text


def test_what_is_not_settled_yet_is_not_called_lost() -> None:
    assert "no daemon has settled it: all is accounted for up to 2026-09-21T13:00:00Z" in told(known()).text
    recent = standing(known(), BEFORE, None, DUE_US, DUE_US + SECOND_US)
    assert recent == Standing("it was due a moment ago, so it may not be recorded yet", is_due=True)


def test_what_waits_is_told_even_if_its_latest_occurrence_is_a_moment_old() -> None:
    found = standing(known(), Horizon("r", DUE_US - 2 * HOUR_US, 1), None, DUE_US, DUE_US + SECOND_US)
    assert found is not None
    assert "waits for a place or a rate" in found.text


def test_an_entry_that_ran_as_often_as_it_may_says_so() -> None:
    found = told(known(max_runs=2), Horizon("r", DUE_US - HOUR_US, 1, 2))
    assert found == Standing("the entry has run max_runs times (2)", is_due=False)
    assert told(known(max_runs=2), Horizon("r", DUE_US - HOUR_US, 1, 1)).is_due


def test_what_is_accounted_for_is_left_to_the_history_even_while_all_is_held() -> None:
    assert standing(known(), Horizon("r", DUE_US, DUE_US - 9 * HOUR_US), HELD, DUE_US, NOW_US) is None


def test_a_hold_is_read_as_it_was_written_and_shown_in_one_line() -> None:
    note = HoldNote("upgrade\nof Redis", "ada@desk", DUE_US, NOW_US)
    assert read_hold(write_hold(note)) == note
    assert str(note) == r"by ada@desk since 2026-09-21T14:00:00Z until 2026-09-21T15:00:00Z: upgrade\nof Redis"


@pytest.mark.parametrize("text", ["maintenance", "[1]", "{}", "7"])
def test_a_hold_that_something_else_wrote_is_shown_as_it_stands(text: str) -> None:
    assert str(read_hold(text)) == f"by someone: {text}"
