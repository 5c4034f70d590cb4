"""What came back, and whether it is all."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport import virtual

from shim.control.answers import Answers, Listeners, Reply, gather, have_all_answered, read_reply
from shim.control.audience import EVERYONE, Audience, matching, only
from shim.control.message import CLOCK_LIMIT, UNREADABLE, read_message, write_message


def reply(**values: Any) -> Reply:
    return Reply("t", 1, {f"{name}@h": value for name, value in values.items()})


PONG = {"ok": "pong"}
UNREAD = Reply("t", 1, {})


@pytest.mark.parametrize(
    ("replies", "audience", "heard", "is_over"),
    [
        ([], EVERYONE, 0, True),
        ([], EVERYONE, 1, False),
        ([reply(a=PONG)], EVERYONE, 2, False),
        ([reply(a=PONG), reply(b=PONG)], EVERYONE, 2, True),
        ([reply(a=PONG), reply(a=PONG)], EVERYONE, 2, True),
        ([reply(a=PONG), UNREAD], EVERYONE, 2, True),
        ([reply(a=PONG)], matching("a*"), 2, False),
        ([], only("a@h"), 0, True),
        ([], only("a@h"), 5, False),
        ([reply(a=PONG)], only("a@h"), 5, True),
        ([reply(b=PONG)], only("a@h"), 5, False),
        ([reply(a=PONG)], only("a@h", "b@h"), 5, False),
        ([reply(a=PONG), reply(a=PONG)], only("a@h", "b@h"), 5, False),
        ([reply(b=PONG), reply(a=PONG)], only("a@h", "b@h"), 5, True),
        ([reply(a=PONG)], only("a@h", "b@h"), 1, True),
    ],
)
def test_a_call_is_over_when_nobody_is_left_who_could_answer(
    replies: list[Reply],
    audience: Audience,
    heard: int,
    is_over: bool,  # noqa: FBT001
) -> None:
    assert have_all_answered(replies, audience, heard) is is_over


def test_answers_errors_silence_and_doubles_are_told_apart() -> None:
    answers = gather(
        [reply(a=PONG), reply(b={"error": "unknown task"}), reply(a=None), UNREAD],
        only("a@h", "b@h", "c@h"),
        heard=4,
        is_complete=True,
    )
    assert answers == Answers(
        by_node={"a@h": None},
        errors={"b@h": "unknown task"},
        heard=4,
        expected=3,
        silent=("c@h",),
        duplicates=("a@h",),
        unreadable=1,
        is_complete=False,
    )
    assert answers.nodes == ("a@h", "b@h")


@pytest.mark.parametrize(
    "value", [None, [], {}, {"ok": 1}, {"error": 1, "ok": 2}, "error", {"errors": 1}, [{"error": 1}]]
)
def test_only_an_error_alone_is_an_error(value: Any) -> None:
    assert gather([reply(a=value)], EVERYONE, heard=1, is_complete=True).by_node == {"a@h": value}


def test_nobody_is_a_complete_answer_and_time_over_is_not() -> None:
    assert gather([], EVERYONE, heard=0, is_complete=True) == Answers()
    late = gather([reply(a=PONG)], EVERYONE, heard=3, is_complete=False)
    assert (late.expected, late.is_complete) == (3, False)


def test_bystanders_are_not_counted_as_nodes() -> None:
    assert Listeners(5, 2).nodes == 3
    assert Listeners(1, 2).nodes == 0


def test_no_representation_shows_what_nodes_said() -> None:
    answers = gather([reply(a=["4711"]), reply(b={"error": "4711"})], EVERYONE, heard=2, is_complete=True)
    message = read_message(envelope(["4711"]))
    assert "4711" not in repr((answers, reply(a="4711"), message))


read: Any = virtual.Message


# -- reading ----------------------------------------------------------------------------------------------------------


def envelope(body: Any, *, encoding: str | None = "base64", kind: str = "application/json", **headers: Any) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    if encoding == "base64":
        text = b64encode(text.encode()).decode()
    properties = {"body_encoding": encoding} if encoding else {}
    return json.dumps({"body": text, "content-type": kind, "headers": headers, "properties": properties}).encode()


def test_a_reply_is_read_in_base64_and_as_text() -> None:
    for encoding in ("base64", None):
        found = read_reply(envelope({"w@h": PONG}, encoding=encoding, ticket="x", clock=7))
        assert found == Reply("x", 7, {"w@h": PONG})


def test_any_json_a_worker_writes_is_read() -> None:
    odd = '{"w@h": [NaN, 1e999, 123456789012345678901234567890, "\\ud800", {"__type__": "datetime"}]}'
    found = read_reply(envelope(odd, ticket="x"))
    assert found is not None
    assert found.values["w@h"][2:4] == [123456789012345678901234567890, "\ud800"]  # type: ignore[index]


@pytest.mark.parametrize(
    "element",
    [
        envelope("{", ticket="x"),
        envelope("[]", ticket="x"),
        envelope({"w@h": 1}, ticket="x", kind="application/x-python-serialize"),
        envelope({"w@h": 1}, ticket="x", encoding="rot13"),
        b'{"headers": {"ticket": "x"}}',
        b'{"headers": {"ticket": "x"}, "content-type": "application/json", "body": 5, "properties": 3}',
        envelope("[" * 100_000, ticket="x"),
    ],
)
def test_a_body_nobody_can_read_still_is_an_answer(element: bytes) -> None:
    assert read_reply(element) == Reply("x", 0, {})


@pytest.mark.parametrize(
    "element", [b"", b"\xff", b"[]", b"5", b"{}", b'{"headers": 5}', b'{"headers": {"ticket": 5}}', b"[" * 100_000]
)
def test_what_has_no_ticket_is_no_answer(element: bytes) -> None:
    assert read_reply(element) is None


@given(st.binary() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["headers", "body", "properties", "ticket", "content-type", "body_encoding", "clock"]), inner)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_reading_never_raises(element: bytes) -> None:
    read_reply(element)


@pytest.mark.parametrize(
    ("given", "clock"), [(5, 5), (0, 0), (-1, 0), ("5", 0), (True, 0), (CLOCK_LIMIT, 0), (None, 0)]
)
def test_a_clock_nobody_should_take_over_is_not_believed(given: Any, clock: int) -> None:
    message = read_message(envelope({}, clock=given))
    assert message is not None
    assert message.clock == clock


@given(
    body=st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")) | st.integers())
)
def test_what_is_written_is_read_back_by_us_and_by_kombu(body: dict[str, Any]) -> None:
    for as_base64 in (False, True):
        payload = write_message(
            body,
            headers={"clock": 3},
            exchange="e",
            routing_key="r",
            delivery_mode=1,
            delivery_tag="tag",
            as_base64=as_base64,
        )
        message = read_message(payload)
        assert message is not None
        assert message.body is not UNREADABLE
        assert message.body == body
        assert read(json.loads(payload), Decoding(), accept=["application/json"]).decode() == body


class Decoding:
    """As much of kombu's channel as its message asks for."""

    def decode_body(self, body: str, encoding: str | None = None) -> Any:
        codecs: Any = virtual.Channel.codecs
        return codecs[encoding].decode(body) if encoding else body
