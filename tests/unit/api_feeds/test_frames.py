"""What is told to those who follow: whoever applies it has what there is, whenever they came and however often they left."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from daemon.api.live import frames
from daemon.api.live.frames import Cursor, Telling, parse_cursor
from daemon.api.live.saying import Said, read_said

ROWS = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3), max_size=5)


def rendered(rows: dict[str, int]) -> dict[str, bytes]:
    return {key: json.dumps({"key": key, "value": value}).encode() for key, value in rows.items()}


def applied(known: dict[str, int], text: bytes) -> dict[str, int]:
    frame = json.loads(text)
    if frame["type"] == "snapshot":
        return {row["key"]: row["value"] for row in frame["data"]["items"]}
    known = {**known, **{row["key"]: row["value"] for row in frame["data"]["changed"]}}
    return {key: value for key, value in known.items() if key not in frame["data"]["removed"]}


@given(story=st.lists(ROWS, min_size=1, max_size=12), leaves=st.integers(0, 12))
def test_who_resumes_from_a_cursor_ends_with_what_there_is(story: list[dict[str, int]], leaves: int) -> None:
    telling = Telling("e", "viewer")
    telling.take("feeds", rendered(story[0]), is_window=False)
    known = applied({}, telling.snapshot("feeds"))
    cursor, at = telling.cursor, min(leaves, len(story))
    for place, rows in enumerate(story[1:], 1):
        telling.take("feeds", rendered(rows), is_window=False)
        if place < at:  # still there
            for frame in telling.after(cursor.seq, ("feeds",)) or ():
                known = applied(known, frame.text)
            cursor = telling.cursor
    assert telling.resumes("feeds", cursor)
    for frame in telling.after(cursor.seq, ("feeds",)) or ():
        known = applied(known, frame.text)
    assert known == story[-1]


def test_nothing_is_told_when_nothing_has_changed() -> None:
    telling = Telling("e", "viewer")
    telling.take("feeds", rendered({"a": 1}), is_window=False)
    assert not telling.take("feeds", rendered({"a": 1}), is_window=False)
    assert telling.take("feeds", rendered({"a": 2}), is_window=False)
    assert telling.seq == 1


def test_a_row_that_left_a_window_is_not_gone() -> None:
    telling = Telling("e", "viewer")
    telling.take("tasks", rendered({"a": 1, "b": 1}), is_window=True)
    assert not telling.take("tasks", rendered({"b": 1}), is_window=True)


def test_a_cursor_of_another_daemon_another_role_or_a_forgotten_past_is_not_gone_on_from() -> None:
    telling = Telling("e", "viewer")
    telling.take("feeds", rendered({"a": 0}), is_window=False)
    assert telling.resumes("feeds", Cursor("e", "viewer", 0))
    for cursor in (None, Cursor("x", "viewer", 0), Cursor("e", "admin", 0), Cursor("e", "viewer", 1)):
        assert not telling.resumes("feeds", cursor)
    assert not telling.resumes("alerts", Cursor("e", "viewer", 0))
    for number in range(1, frames.FRAMES_LIMIT + 2):
        telling.take("feeds", rendered({"a": number}), is_window=False)
    assert not telling.resumes("feeds", Cursor("e", "viewer", 0))
    assert telling.resumes("feeds", Cursor("e", "viewer", 1))
    assert telling.after(0, ("feeds",)) is None


def test_who_begins_to_follow_a_topic_that_began_later_gets_all_of_it() -> None:
    telling = Telling("e", "viewer")
    telling.take("feeds", rendered({"a": 0}), is_window=False)
    early = telling.cursor
    telling.take("feeds", rendered({"a": 1}), is_window=False)
    telling.take("alerts", rendered({"b": 1}), is_window=False)
    assert not telling.resumes("alerts", early)


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_none(text: str) -> None:
    found = parse_cursor(text)
    assert found is None or parse_cursor(str(found)) == found


TOPICS = ("feeds", "alerts")


def test_what_a_reader_says_is_read() -> None:
    said = read_said(b'{"subscribe":["feeds","feeds"],"since":"e.viewer.7"}', TOPICS)
    assert said == Said(("feeds",), (), Cursor("e", "viewer", 7))
    assert read_said(b'{"unsubscribe":["alerts"]}', TOPICS) == Said((), ("alerts",), None)
    assert read_said(b'{"subscribe":["feeds"],"since":"nonsense"}', TOPICS) == Said(("feeds",))


@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"[]", b"{}", b'{"do":1}', b'{"subscribe":[1]}', b'{"subscribe":["x"]}', b'{"subscribe":"feeds"}', b'{"subscribe":["feeds"],"since":3}'])))  # fmt: skip
def test_anything_else_is_answered_with_what_is_wrong(text: bytes) -> None:
    assert isinstance(read_said(text, TOPICS), str)
