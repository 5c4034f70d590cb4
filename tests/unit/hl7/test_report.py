"""What a feed keeps of its senders' ways: counted, named, bounded."""

from __future__ import annotations

from daemon.hl7listener.wire.deviation import ADVICE, Breach, Deviation
from daemon.hl7listener.wire.goodbye import Goodbye
from daemon.hl7listener.wire.report import PEERS_KNOWN, PEERS_SHOWN, TELL_AGAIN_S, Deviations, Habits, Recently
from daemon.hl7listener.wire.window import redacted
from daemon.public import Public

ONE, TWO = Public("10.0.0.1"), Public("10.0.0.2")
FEED = Public("adt")


def test_a_report_counts_each_kind_with_its_times_senders_and_advice() -> None:
    deviations = Deviations()
    deviations.note(Deviation.NO_CR, 1, ONE, 100)
    deviations.note(Deviation.NOISE, 7, ONE, 150)
    deviations.note(Deviation.NO_CR, 1, TWO, 200)
    report = deviations.report(FEED)
    assert report.feed == FEED
    noise, no_cr = report.deviations  # the most frequent first
    assert (noise.kind, noise.count, noise.peers) == (Deviation.NOISE, 7, (ONE,))
    assert (no_cr.kind, no_cr.count, no_cr.first_at_us, no_cr.last_at_us) == (Deviation.NO_CR, 2, 100, 200)
    assert no_cr.peers == (ONE, TWO)
    assert no_cr.advice == ADVICE[Deviation.NO_CR]
    assert deviations.of(ONE) == ("no-cr-after-fs", "noise-between-blocks")
    assert deviations.of(TWO) == ("no-cr-after-fs",)


def test_a_sender_is_told_of_once_for_each_kind() -> None:
    deviations = Deviations()
    assert [deviations.note(Deviation.NUL, 1, ONE, 1) for _ in range(3)] == [True, False, False]
    assert deviations.note(Deviation.NUL, 1, TWO, 1)
    assert deviations.note(Deviation.NOISE, 1, ONE, 1)


def test_however_many_senders_stray_only_the_first_are_named_and_all_are_counted() -> None:
    deviations = Deviations()
    told = [deviations.note(Deviation.NUL, 1, Public(f"10.0.1.{number}"), 1) for number in range(100)]
    assert told.count(True) == PEERS_SHOWN
    [seen] = deviations.report(FEED).deviations
    assert (seen.count, len(seen.peers)) == (100, PEERS_SHOWN)


def test_the_latest_window_is_kept() -> None:
    deviations = Deviations()
    deviations.note(Breach.TLS, 1, ONE, 1, Public("16 03"))
    deviations.note(Breach.TLS, 1, ONE, 2)
    assert [seen.window for seen in deviations.report(FEED).deviations] == ["16 03"]


def test_a_sender_whose_cr_came_late_once_is_waited_for_ever_after() -> None:
    habits = Habits()
    assert not habits.leaves_out_cr(ONE)
    habits.note(ONE, leaves_out_cr=True)
    assert habits.leaves_out_cr(ONE)
    assert not habits.leaves_out_cr(TWO)
    habits.note(ONE, leaves_out_cr=False)
    habits.note(ONE, leaves_out_cr=True)
    assert not habits.leaves_out_cr(ONE)


def test_habits_of_so_many_senders_are_kept_and_no_more() -> None:
    habits = Habits()
    for number in range(PEERS_KNOWN + 1):
        habits.note(str(number), leaves_out_cr=True)
    assert not habits.leaves_out_cr("0")
    assert habits.leaves_out_cr("1")
    assert len(habits._known) == PEERS_KNOWN


def test_the_same_is_told_of_a_sender_once_a_minute() -> None:
    recently = Recently()
    assert not recently.was_told(Goodbye.IDLE, ONE, 0.0)
    assert recently.was_told(Goodbye.IDLE, ONE, TELL_AGAIN_S - 1)
    assert not recently.was_told(Goodbye.LIMIT, ONE, TELL_AGAIN_S - 1)
    assert not recently.was_told(Goodbye.IDLE, TWO, TELL_AGAIN_S - 1)
    assert not recently.was_told(Goodbye.IDLE, ONE, TELL_AGAIN_S)
    for number in range(2 * PEERS_KNOWN):
        recently.was_told(Goodbye.IDLE, str(number), TELL_AGAIN_S)
    assert len(recently._told) == PEERS_KNOWN


def test_a_window_shows_control_bytes_and_of_text_only_how_much_there_was() -> None:
    assert redacted(b"") == ""
    assert redacted(b"\x0bMSH|^~\r\x1c\x7f\xff") == "0b (6 of text) 0d 1c 7f (1 of text)"
    assert not set(redacted(bytes(range(256))) + redacted(b"DOE^JOHN")) & set("DOEJHN^")
