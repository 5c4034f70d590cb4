"""What may be shown and what may not: the type that keeps patient data inside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import BrokerDown, DaemonError, SpoolFailed
from daemon.public import WITHHELD, Public, escaped, frames, reason, shown
from tests.support.builders import MARKER


class Fate(Enum):
    KEPT = "kept"
    NUMBERED = 2


class Pretender(str):
    """Text that says it is something better."""

    __slots__ = ()


# -- fields ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Public("ward 7"), "ward 7"),
        (Public("Übung"), "Übung"),
        (Public(""), ""),
        (True, "true"),
        (False, "false"),
        (None, "-"),
        (0, "0"),
        (-12, "-12"),
        (10**30, "1" + "0" * 30),
        (0.1 + 0.2, "0.3"),
        (1234567.0, "1.23457e+06"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (Fate.KEPT, "kept"),
        (Fate.NUMBERED, "2"),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "2026-03-29T01:30:00+00:00"),
    ],
)
def test_a_field_is_shown_in_one_way(value: object, text: str) -> None:
    assert shown(value) == text
    assert type(shown(value)) is Public


@pytest.mark.parametrize(
    "value",
    [
        MARKER,
        Pretender(MARKER),
        MARKER.encode(),
        bytearray(MARKER.encode()),
        [Public("a")],
        (Public("a"),),
        {"name": MARKER},
        {MARKER},
        ValueError(MARKER),
        1j,
        object(),
        str,
    ],
)
def test_what_is_no_field_is_withheld_whatever_it_is(value: object) -> None:
    assert shown(value) is WITHHELD


@pytest.mark.parametrize(
    "derive",
    [
        lambda text: text + MARKER,
        lambda text: MARKER + text,
        lambda text: f"{text} {MARKER}",
        lambda text: (text + "%s") % MARKER,
        lambda text: text.join((MARKER, MARKER)),
        lambda text: text.replace("w", MARKER),
        lambda text: text.upper(),
        lambda text: text[:2],
        lambda text: text.encode().decode(),
    ],
)
def test_text_made_of_public_text_and_something_else_is_not_public(derive: Callable[[Any], object]) -> None:
    assert shown(derive(Public("ward"))) is WITHHELD


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_shown_text_stays_on_one_line_and_hides_no_character(text: str) -> None:
    line = shown(Public(text))
    assert line.isprintable()
    assert len(line.encode()) >= len(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\x1b[31mb", "a\\r\\x1b[31mb"),
        ("a\u2028b", "a\\u2028b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\ud800b", "a\\ud800b"),
        ("a\x00b\x7f", "a\\x00b\\x7f"),
        ("no\u00a0break", "no\\xa0break"),
        ("plain \u00fc \u6f22", "plain \u00fc \u6f22"),
    ],
)
def test_what_cannot_be_printed_is_written_as_an_escape(text: str, line: str) -> None:
    assert escaped(text) == line


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SpoolFailed("the disk is full"), "the disk is full"),
        (BrokerDown("no answer", hint="is it running?"), "no answer; is it running?"),
        (DaemonError("ours"), "ours"),
        (ValueError(MARKER), "ValueError"),
        (KeyError(MARKER), "KeyError"),
        (UnicodeDecodeError("ascii", MARKER.encode(), 0, 1, MARKER), "UnicodeDecodeError"),
        (AssertionError(MARKER), "AssertionError"),
        (FileNotFoundError(2, "No such file or directory", MARKER), "FileNotFoundError: No such file or directory"),
        (ConnectionResetError(104, "Connection reset by peer"), "ConnectionResetError: Connection reset by peer"),
        (OSError(MARKER), "OSError"),
        (OSError(), "OSError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_an_error_of_ours_speaks_for_itself_and_any_other_is_named_by_its_type(error: BaseException, text: str) -> None:
    assert reason(error) == text
    assert type(reason(error)) is Public


def test_a_single_error_is_found_inside_what_task_groups_wrapped_around_it() -> None:
    wrapped = BaseExceptionGroup(MARKER, [ExceptionGroup(MARKER, [SpoolFailed("the disk is full")])])
    assert reason(wrapped) == "the disk is full"


def test_several_errors_at_once_are_named_by_the_type_of_their_group() -> None:
    assert reason(ExceptionGroup(MARKER, [ValueError(MARKER), KeyError(MARKER)])) == "ExceptionGroup"


def test_the_reason_for_an_error_says_nothing_of_its_cause() -> None:
    error = SpoolFailed("cannot store")
    error.__cause__ = ValueError(MARKER)
    error.add_note(MARKER)
    assert reason(error) == "cannot store"


# -- frames ------------------------------------------------------------------------------------------------------------


def _fail(patient: str, depth: int = 0) -> None:
    if depth:
        _fail(patient, depth - 1)
    raise ValueError(patient)


def _caught(depth: int = 0) -> ValueError:
    with pytest.raises(ValueError, match=MARKER) as caught:
        _fail(MARKER, depth)
    return caught.value


def test_frames_name_file_line_and_function_innermost_first_and_no_value() -> None:
    text = frames(_caught())
    places = text.split(" < ")
    assert [place.rsplit(" ", 1)[1] for place in places] == ["_fail", "_caught"]
    assert all(place.startswith("unit/test_public.py:") for place in places)
    assert MARKER not in text
    assert "raise" not in text


def test_of_a_deep_error_only_the_innermost_frames_are_named() -> None:
    places = frames(_caught(depth=50)).split(" < ")
    assert [place.rsplit(" ", 1)[1] for place in places] == ["_fail"] * 6


def test_frames_of_a_wrapped_error_are_its_own() -> None:
    assert "_fail" in frames(ExceptionGroup(MARKER, [_caught()]))


def test_an_error_that_was_never_raised_has_no_frames() -> None:
    assert frames(ValueError(MARKER)) == "no frames"
