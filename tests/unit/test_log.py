"""Lines of the log: their form, their words, what they never hold, and how many of them."""

from __future__ import annotations

import inspect
import io
import json
import re
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from daemon import events, feed_events, run_events, schedule_events
from daemon.clock import instant
from daemon.hl7listener.wire.goodbye import ORDINARY, Goodbye
from daemon.log import _ACTIONS, LINES_PER_SECOND, Level, Log
from daemon.metrics import Metrics
from daemon.public import Public
from tests.support.builders import MARKER, site_text, write_site
from tests.support.clock import START_US, SetClock
from tests.support.process import ROOT

ADT = Public("adt")
RESUMED, WARNED = feed_events.FeedResumed(), events.Warned(Public("code"), Public("site"), Public("two words"))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Paper:
    """A log and what is written in it."""

    def __init__(self, stream: io.StringIO | None = None, **options: Any) -> None:
        self.clock = SetClock()
        self.stream = stream or io.StringIO()
        self.log = Log(self.stream, self.clock, **options)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    @property
    def suppressed(self) -> list[tuple[str, int]]:
        """What was left out, as the log says it."""
        return [(one["of"], one["count"]) for one in self.records if one["action"] == "log.suppressed"]

    def repeat(self, event: object, count: int) -> None:
        for _ in range(count):
            self.log(event)


def event_kinds() -> list[type]:
    return [
        kind
        for module in (events, run_events)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]


def level_of(event: object) -> str:
    paper = Paper(level=Level.DEBUG)
    paper.log(event)
    [record] = paper.records
    return str(record["level"])


# -- form --------------------------------------------------------------------------------------------------------------


def test_a_json_line_holds_instant_level_action_and_the_fields_in_their_order() -> None:
    paper = Paper()
    paper.log(feed_events.FeedListening(ADT, Public("127.0.0.1:2575"), inherited=True))
    assert paper.stream.getvalue() == (
        '{"at":"2026-09-21T14:13:20+00:00","level":"info","action":"feed.listening",'
        '"feed":"adt","address":"127.0.0.1:2575","inherited":true}\n'
    )


def test_a_text_line_holds_local_time_level_action_and_pairs() -> None:
    paper = Paper(Terminal())
    paper.log(feed_events.FeedListening(ADT, Public("127.0.0.1:2575"), inherited=False))
    clock = f"{instant(START_US).astimezone():%H:%M:%S}"
    assert paper.lines == [f"{clock} info    feed.listening         feed=adt  address=127.0.0.1:2575  inherited=false"]


def test_a_text_line_quotes_what_holds_a_space_and_what_is_empty() -> None:
    paper = Paper(Terminal())
    paper.log(WARNED)
    paper.log.write(Level.INFO, "x", {"empty": Public("")})
    assert paper.lines[0].endswith('warning                code=code  about=site  text="two words"')
    assert paper.lines[1].endswith('empty=""')


def test_a_quotation_mark_in_a_text_line_is_escaped() -> None:
    paper = Paper(Terminal())
    paper.log.write(Level.INFO, "x", {"said": Public('a "b" c'), "mark": Public('"')})
    assert paper.lines[0].endswith(r'said="a \"b\" c"  mark="\""')


def test_a_text_line_without_fields_ends_with_its_action() -> None:
    paper = Paper(Terminal())
    paper.log(RESUMED)
    assert paper.lines[0].endswith("info    feed.resumed")


@pytest.mark.parametrize(
    ("stream", "as_json", "expected"),
    [
        (io.StringIO, None, True),
        (Terminal, None, False),
        (Terminal, True, True),
        (io.StringIO, False, False),
    ],
)
def test_lines_are_text_on_a_terminal_and_json_elsewhere_unless_told_otherwise(
    stream: type[io.StringIO],
    as_json: bool | None,  # noqa: FBT001 - a column of the table
    expected: bool,  # noqa: FBT001
) -> None:
    paper = Paper(stream(), as_json=as_json)
    paper.log(RESUMED)
    assert paper.lines[0].startswith("{") is expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Public("ward"), "ward"),
        (Public("ü"), "ü"),
        (Public("two\nlines"), "two\\nlines"),
        (7, 7),
        (0.25, 0.25),
        (True, True),
        (None, None),
        (Goodbye.IDLE, "idle"),
        (Level.ERROR, "40"),
        (datetime(2026, 11, 22, 4, 5, tzinfo=UTC), "2026-11-22T04:05:00+00:00"),
        (MARKER, "<withheld>"),
        (Public(MARKER) + "1", "<withheld>"),
        (MARKER.encode(), "<withheld>"),
        ([Public("a")], "<withheld>"),
        (ValueError(MARKER), "<withheld>"),
    ],
)
def test_a_field_is_written_only_if_its_type_says_it_may_be(value: object, written: object) -> None:
    paper = Paper()
    paper.log.write(Level.INFO, "x", {"field": value})
    assert paper.records[0]["field"] == written
    assert len(paper.lines) == 1
    text = Paper(Terminal())
    text.log.write(Level.INFO, "x", {"field": value})
    assert MARKER not in text.lines[0]
    assert len(text.lines) == 1


def test_a_log_nobody_reads_any_more_stops_nobody() -> None:
    paper = Paper()
    paper.stream.close()
    paper.log(RESUMED)


# -- words -------------------------------------------------------------------------------------------------------------


def test_every_action_is_one_word_of_its_own() -> None:
    words = [action for _, action in _ACTIONS.values()]
    assert len(set(words)) == len(words)
    assert [word for word in words if not re.fullmatch(r"[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?", word)] == []


def test_every_event_becomes_a_line_or_a_number() -> None:
    counted = Metrics("test", entries=1, feeds=1)._table().keys()
    assert [kind.__name__ for kind in event_kinds() if kind not in _ACTIONS and kind not in counted] == []


def test_no_event_can_hold_text_that_may_not_be_shown() -> None:
    allowed = {Public, int, float, bool, Enum, int | None}
    found = {
        f"{kind.__name__}.{field.name}"
        for kind in event_kinds()
        for field in fields(kind)
        if get_type_hints(kind)[field.name] not in allowed
    }
    assert found == set()


def test_events_that_only_count_make_no_line() -> None:
    paper = Paper(level=Level.DEBUG)
    paper.log(feed_events.Answered(ADT, Public("AA"), [0.001]))
    paper.log(events.Committed(3, 0.001))
    paper.log(object())
    assert paper.lines == []


def test_an_instant_of_an_event_is_written_so_that_it_can_be_read() -> None:
    paper = Paper(level=Level.DEBUG)
    paper.log(schedule_events.OccurrenceTaken(Public("nightly"), START_US))
    [record] = paper.records
    assert record["occurrence_at"] == instant(START_US).isoformat()
    assert "occurrence_us" not in record


def test_lines_below_the_level_are_not_written() -> None:
    connected = feed_events.PeerConnected(ADT, 1)
    quiet, talkative, strict = Paper(), Paper(level=Level.DEBUG), Paper(level=Level.ERROR)
    for paper in (quiet, talkative, strict):
        paper.log(connected)
        paper.log(RESUMED)
        paper.log(feed_events.FeedWithholding(Public("full")))
    assert [one["action"] for one in quiet.records] == ["feed.resumed", "feed.withholding"]
    assert [one["action"] for one in talkative.records] == ["peer.connected", "feed.resumed", "feed.withholding"]
    assert [one["action"] for one in strict.records] == ["feed.withholding"]


@pytest.mark.parametrize("reason", Goodbye)
def test_a_connection_that_ended_in_an_unusual_way_is_a_warning(reason: Goodbye) -> None:
    assert level_of(feed_events.PeerGone(ADT, 0, reason, 1)) == ("debug" if reason in ORDINARY else "warning")
    assert level_of(feed_events.PeerGone(ADT, 0, reason, 1, is_repeated=True)) == "debug"


# -- how many ----------------------------------------------------------------------------------------------------------


def test_within_a_second_an_action_gets_so_many_lines_and_no_more() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.clock.advance(0.999)
    paper.log(RESUMED)
    assert [one["action"] for one in paper.records] == ["feed.resumed"] * LINES_PER_SECOND


def test_other_actions_are_written_while_one_is_suppressed() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND * 3)
    paper.log(WARNED)
    assert paper.records[-1]["action"] == "warning"


def test_the_count_is_written_before_the_next_line_of_the_action() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.clock.advance(1)
    paper.log(RESUMED)
    [told, line] = paper.records[LINES_PER_SECOND:]
    assert told == {
        "at": "2026-09-21T14:13:21+00:00",
        "level": "warning",
        "action": "log.suppressed",
        "of": "feed.resumed",
        "count": 5,
    }
    assert line["action"] == "feed.resumed"


def test_the_count_is_written_before_the_next_line_of_any_action() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.clock.advance(3600)
    paper.log(WARNED)
    assert paper.suppressed == [("feed.resumed", 5)]
    assert paper.records[-1]["action"] == "warning"


def test_each_suppressed_action_is_counted_by_itself_and_told_once() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.repeat(WARNED, LINES_PER_SECOND + 2)
    paper.repeat(feed_events.FeedWithholding(Public("full")), LINES_PER_SECOND)
    for _ in range(3):
        paper.clock.advance(1)
        paper.log(events.DaemonStopped(1.0))
    assert paper.suppressed == [("feed.resumed", 5), ("warning", 2)]


def test_the_count_is_not_written_before_its_second_is_over() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.log(WARNED)
    assert paper.suppressed == []


def test_a_new_second_gives_every_action_all_its_lines_again() -> None:
    paper = Paper()
    for _ in range(3):
        paper.repeat(RESUMED, LINES_PER_SECOND + 1)
        paper.clock.advance(1)
    assert sum(one["action"] == "feed.resumed" for one in paper.records) == 3 * LINES_PER_SECOND
    assert paper.suppressed == [("feed.resumed", 1)] * 2


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.clock.advance(-3600)
    paper.log(RESUMED)
    assert paper.records[-1]["action"] == "feed.resumed"
    assert paper.suppressed == [("feed.resumed", 5)]


def test_at_the_end_the_count_is_written_although_its_second_is_not_over() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.log.settle()
    paper.log.settle()
    assert paper.suppressed == [("feed.resumed", 5)]


def test_after_a_count_was_written_early_the_second_is_not_counted_twice() -> None:
    paper = Paper()
    paper.repeat(RESUMED, LINES_PER_SECOND + 5)
    paper.log.settle()
    paper.clock.advance(1)
    paper.log(WARNED)
    assert paper.suppressed == [("feed.resumed", 5)]


@pytest.mark.parametrize("ending", ["return 0", "raise SpoolFailed('full')", "raise ValueError('bug')"])
def test_a_daemon_that_ends_leaves_no_count_unwritten(tmp_path: Path, ending: str) -> None:
    site = write_site(tmp_path, site_text(broker_url="redis://127.0.0.1:1/0"))
    script = f"""
import sys
from daemon import composition, feed_events
from daemon.errors import SpoolFailed

class Loud:
    def __init__(self, site, around):
        self.log = around.log

    async def run(self):
        for _ in range(1000):
            self.log(feed_events.FeedResumed())
        {ending}

composition.Daemon = Loud
from daemon.cli.main import main
sys.argv = ["carillon", "run", "-c", {str(site)!r}, "--log-format", "json"]
main()
"""
    records = records_of(script)
    written = sum(one["action"] == "feed.resumed" for one in records)
    assert written < 1000
    assert written + sum(one["count"] for one in records if one["action"] == "log.suppressed") == 1000


# -- other ways of writing ---------------------------------------------------------------------------------------------


def records_of(script: str) -> list[dict[str, Any]]:
    """Run a script and give what it logged."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_libraries_warnings_threads_and_uncaught_errors_are_shown_without_their_text() -> None:
    script = f"""
import logging, sys, threading, warnings
from daemon.clock import SystemClock
from daemon.log import Log, install

install(Log(sys.stderr, SystemClock(), as_json=True))
logging.getLogger("lib").info("{MARKER} below the level")
logging.getLogger("lib").warning("said of %s", "{MARKER}")
try:
    raise KeyError("{MARKER}")
except KeyError:
    logging.getLogger("lib.deep").exception("{MARKER}")
warnings.warn("{MARKER}", stacklevel=1)

def fail():
    raise ValueError("{MARKER}")

thread = threading.Thread(target=fail)
thread.start()
thread.join()

class Fails:
    def __del__(self):
        raise OSError(5, "Input/output error", "{MARKER}")

Fails()
fail()
"""
    records = records_of(script)
    assert MARKER not in json.dumps(records)
    assert [(one["action"], one["level"], one.get("logger"), one.get("error")) for one in records] == [
        ("library", "warning", "lib", None),
        ("library", "error", "lib.deep", "KeyError"),
        ("library", "warning", "py.warnings", None),
        ("process.crashed", "error", None, "ValueError"),
        ("process.crashed", "error", None, "OSError: Input/output error"),
        ("process.crashed", "error", None, "ValueError"),
    ]
    assert records[0]["place"].startswith("<string>:")
    assert "fail" in records[-1]["frames"]
