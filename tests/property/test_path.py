"""HL7 paths against python-hl7, where the two are meant to agree: standard delimiters, CR, and paths down to the last part.

They differ on purpose elsewhere: python-hl7 drops escape sequences it does not know and takes the first part of what has
parts; ours keeps both as they stand.
"""

from __future__ import annotations

import hl7
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.text.header import STANDARD
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import EVERY, Hl7Path, parse_path
from daemon.hl7listener.text.segments import split_segments

WORDS = st.text(alphabet="abcXYZ 019.-_äß漢🙂", max_size=6)
ESCAPES = st.sampled_from((r"\F\ ", r"\S\ ", r"\T\ ", r"\R\ ", r"\E\ ", r"\X41\ ", r"\X0d0A\ ")).map(str.strip)
LEAVES = st.lists(WORDS | ESCAPES, max_size=3).map("".join)
COMPONENTS = st.lists(LEAVES, min_size=1, max_size=3).map("&".join)
REPETITIONS = st.lists(COMPONENTS, min_size=1, max_size=3).map("^".join)
FIELDS = st.lists(REPETITIONS, min_size=1, max_size=3).map("~".join)
NAMES = st.sampled_from(("PID", "PV1", "OBX", "ZZ1"))
SEGMENTS = st.builds(lambda name, fields: "|".join((name, *fields)), NAMES, st.lists(FIELDS, min_size=1, max_size=5))
HEADERS = st.lists(FIELDS, max_size=10).map(lambda fields: "|".join(("MSH|^~\\&", *fields, "end")))
MESSAGES = st.builds(
    lambda header, segments: "".join(f"{segment}\r" for segment in (header, *segments, "END|1")),
    HEADERS,
    st.lists(SEGMENTS, max_size=5),
)
COUNT = st.integers(1, 4)
PATHS = st.builds(Hl7Path, NAMES | st.just("MSH"), COUNT, st.integers(1, 12), COUNT, COUNT, COUNT)


def of_python_hl7(text: str, path: Hl7Path) -> str | None:
    message = hl7.parse(text)
    try:
        segment = message.segments(path.segment)[path.occurrence - 1]
        found = segment.extract_field(1, path.field, path.repetition, path.component, path.subcomponent)
    except (IndexError, KeyError):
        return None
    return str(found) or None


def written(path: Hl7Path) -> str:
    return f"{path.segment}[{path.occurrence}]-{path.field}[{path.repetition}].{path.component}.{path.subcomponent}"


@given(MESSAGES, PATHS)
def test_a_path_down_to_the_last_part_names_what_python_hl7_finds(text: str, path: Hl7Path) -> None:
    if path.segment == "MSH" and path.field <= 2:
        path = Hl7Path("MSH", 1, path.field, 1, 1, 1)
    assert Message(text, STANDARD).get(path) == of_python_hl7(text, path)


@given(MESSAGES)
def test_a_message_has_the_segments_python_hl7_finds(text: str) -> None:
    assert [line[:3] for line in split_segments(text, "|") if line] == [str(part[0]) for part in hl7.parse(text)]


@given(PATHS)
def test_a_path_is_read_back_as_it_was_written(path: Hl7Path) -> None:
    assert parse_path(written(path)) == path


@given(st.text(max_size=80), st.sampled_from(("PID-3", "PID-3.1", "PID[2]-1[2].1.1", "MSH-9.2", "MSH-1")))
def test_any_text_gives_a_value_or_none(text: str, path: str) -> None:
    found = Message("MSH|^~\\&|" + text, STANDARD).get(parse_path(path))
    assert found is None or found


@given(st.text(alphabet="\\FSTREXHN.bra4 ", max_size=40))
def test_resolving_escapes_never_makes_text_longer(text: str) -> None:
    found = Message(f"MSH|^~\\&|\rPID|{text}", STANDARD).get(parse_path("PID-1.1.1"))
    assert len(found or "") <= len(text)


@given(st.text(alphabet="ABC|\r\n1", max_size=60))
def test_cutting_into_segments_loses_nothing_but_line_ends(text: str) -> None:
    kept = "".join(split_segments(text, "|"))
    assert kept.replace("\n", "") == text.replace("\r", "").replace("\n", "")


@given(MESSAGES, PATHS)
def test_a_path_with_stars_names_what_its_places_name_one_by_one(text: str, path: Hl7Path) -> None:
    message = Message(text, STANDARD)
    expected: list[str | None] = []
    for number in range(1, text.count(f"\r{path.segment}|") + text.startswith(path.segment) + 1):
        whole = message.get_all(path._replace(occurrence=number, repetition=EVERY, component=0, subcomponent=0))
        expected += [
            message.get(path._replace(occurrence=number, repetition=place)) for place in range(1, len(whole) + 1)
        ]
    if path.segment != "MSH" or path.field > 2:
        assert message.get_all(path._replace(occurrence=EVERY, repetition=EVERY)) == expected


@given(MESSAGES, st.lists(PATHS, max_size=4), st.sampled_from(("\r", "\n", "\r\n")))
def test_neither_what_was_asked_before_nor_the_segment_ends_change_a_value(
    text: str, paths: list[Hl7Path], end: str
) -> None:
    message = Message(text.replace("\r", end), STANDARD)
    assert [message.get(path) for path in paths] == [Message(text, STANDARD).get(path) for path in paths]
