"""A request to a message: what few requests set, and what is refused."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from shim import message as module
from shim.encoding import NO_EMBED
from shim.errors import RequestInvalid
from shim.message import Message, build_message
from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import Signature
from tests.support.stock import read

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_123, tzinfo=UTC)
MARKER = "ZZPATIENT"


def message(**given: Any) -> Message:
    request = TaskRequest(**{"task": "app.add", "task_id": "id-1", **given})
    return build_message(request, Target("wards", 3), at=NOW, origin="me@here")


def only(field: str, value: Any) -> dict[str, Any]:
    """Give one keyword argument whose name is a parameter of the test."""
    return {field: value}


def embed(**given: Any) -> Any:
    return read(message(**given).body)[2]


def test_a_plain_request_becomes_headers_properties_and_a_body() -> None:
    built = message(args=[2, 3])
    assert built == Message(
        "id-1",
        Target("wards", 3),
        {
            "lang": "py",
            "task": "app.add",
            "id": "id-1",
            "root_id": "id-1",
            "parent_id": None,
            "retries": 0,
            "argsrepr": "<not shown>",
            "kwargsrepr": "<not shown>",
            "origin": "me@here",
        },
        {"correlation_id": "id-1", "delivery_mode": 2, "priority": 3},
        b'[[2,3],{},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]',
        "application/json",
        "utf-8",
    )


def test_a_message_does_not_show_what_it_holds() -> None:
    built = message(args=[MARKER], headers={"colour": MARKER}, stamps={"ward": MARKER}, argsrepr=MARKER)
    assert repr(built) == f"Message(task_id='id-1', target={Target('wards', 3)!r})"


@pytest.mark.parametrize(
    ("given", "headers", "properties"),
    [
        ({"retries": 3}, {"retries": 3}, {}),
        ({"group_id": "g"}, {"group": "g"}, {}),
        ({"group_id": "g", "group_index": 0}, {"group": "g", "group_index": 0}, {}),
        ({"replaced_task_nesting": 2}, {"replaced_task_nesting": 2}, {}),
        ({"stamps": {"ward": "7b", "n": [1]}}, {"stamped_headers": ["ward", "n"], "stamps": {"ward": "7b", "n": [1]}}, {}),
        ({"reply_to": "replies"}, {}, {"reply_to": "replies"}),
        ({"delivery_mode": 1}, {}, {"delivery_mode": 1}),
        ({"root_id": "r", "parent_id": "p"}, {"root_id": "r", "parent_id": "p"}, {}),
    ],
)  # fmt: skip
def test_an_option_changes_its_own_field_and_no_other(
    given: dict[str, Any], headers: dict[str, Any], properties: dict[str, Any]
) -> None:
    plain, built = message(), message(**given)
    assert built.headers == {**plain.headers, **headers}
    assert built.properties == {**plain.properties, **properties}
    assert built.body == plain.body


NO_COUNT: list[Any] = [-1, 1.5, True, "1", None, 2**31]
NO_NAME: list[Any] = ["", "a\nb", 1, "x" * 256]
NO_SIGNATURES: list[Any] = [None, {}, "x", [None], [{"task": "a"}], Signature("a"), [Signature("")]]
REFUSED: dict[str, list[Any]] = {
    "retries": NO_COUNT,
    "replaced_task_nesting": NO_COUNT,
    "group_index": [-1, 0.0, False, "0", 2**31],
    "group_id": NO_NAME,
    "reply_to": NO_NAME,
    "delivery_mode": [0, 3, None, "2", True],
    "ignore_result": [1, 0, "false", "yes"],
    "time_limit_s": ["30", [30, 20], True],
    "soft_time_limit_s": ["30", [30, 20], True],
    "eta_at": ["2027-01-01", 5, NOW.date()],
    "expires_at": ["2027-01-01", 5, NOW.date()],
    "serializer": ["pickle", "auth", "raw", "", None, 1, ["json"]],
    "compression": ["lz4", "", 1, "application/x-gzip", ["gzip"]],
    "links": [*NO_SIGNATURES, [Signature("a", options={"timelimit": 5})]],
    "error_links": [*NO_SIGNATURES, [Signature("celery.chain", kwargs={"tasks": []}, subtask_type="chain")]],
    "chain": NO_SIGNATURES,
    "chord": [{}, {"task": "a"}, [Signature("a")], "a"],
    "stamps": [None, [], ["ward"], {1: 2}, {"": 1}, {"ward": NOW}, {"ward": float("nan")}],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in REFUSED.items() for value in values])
def test_what_a_worker_could_not_take_is_refused_by_its_name(field: str, value: Any) -> None:
    label = {
        "time_limit_s": "time_limit",
        "soft_time_limit_s": "soft_time_limit",
        "eta_at": "eta",
        "expires_at": "expires",
    }
    with pytest.raises(RequestInvalid, match=rf"^{label.get(field, field).removesuffix('s')}"):
        message(**{"group_id": "g", **only(field, value)})


@pytest.mark.parametrize("name", ["queue", "task_id", "status", "result", "countdown", "_mine", "headers", "retries"])
def test_a_stamp_that_would_steer_a_retry_or_a_result_is_refused(name: str) -> None:
    with pytest.raises(RequestInvalid, match="belongs to Celery"):
        message(stamps={name: 1})


# -- what follows ------------------------------------------------------------------------------------------------------


def test_links_error_links_and_chord_are_embedded_and_a_chain_the_other_way_round() -> None:
    one, two, three = (Signature(f"app.{name}") for name in ("one", "two", "three"))
    found = embed(links=[one], error_links=(two, three), chain=[one, two, three], chord=three, group_id="g")
    assert found == {
        "callbacks": [one.as_json()],
        "errbacks": [two.as_json(), three.as_json()],
        "chain": [three.as_json(), two.as_json(), one.as_json()],
        "chord": three.as_json(),
    }


def test_empty_lists_of_what_follows_are_nothing() -> None:
    assert embed(links=[], error_links=[], chain=[], stamps={}) == NO_EMBED
    assert message(links=[], stamps={}).headers == message().headers


def test_a_refusal_inside_what_follows_says_where() -> None:
    inner = Signature("b", options={"time_limit": [30, 20]})
    with pytest.raises(RequestInvalid, match=r"^links\[1\]\.options\['link'\]\[0\]\.options\['time_limit'\]: seconds"):
        message(links=[Signature("a"), Signature("a", options={"link": [inner]})])


def test_a_chord_without_a_group_is_refused_for_its_body_would_never_run() -> None:
    with pytest.raises(RequestInvalid, match=r"^chord: a chord needs a group id"):
        message(chord=Signature("a"))


def test_a_header_task_of_a_chord_may_not_ignore_its_result() -> None:
    with pytest.raises(RequestInvalid, match=r"^chord: .* may not ignore its result"):
        message(chord=Signature("a"), group_id="g", ignore_result=True)
    assert message(chord=Signature("a"), group_id="g", ignore_result=False).headers["ignore_result"] is False


# -- bodies ------------------------------------------------------------------------------------------------------------


def test_compression_is_said_in_a_header_and_done_to_the_body() -> None:
    plain, built = message(args=["x" * 100]), message(args=["x" * 100], compression="gzip")
    assert built.headers == {**plain.headers, "compression": "application/x-gzip"}
    assert zlib.decompress(built.body) == plain.body
    assert (built.content_type, built.content_encoding) == ("application/json", "utf-8")


@pytest.mark.parametrize(
    ("serializer", "content_type", "content_encoding"),
    [
        ("json", "application/json", "utf-8"),
        ("yaml", "application/x-yaml", "utf-8"),
        ("msgpack", "application/x-msgpack", "binary"),
    ],
)
def test_a_serializer_is_named_as_kombu_names_it(serializer: str, content_type: str, content_encoding: str) -> None:
    built = message(serializer=serializer)
    assert (built.content_type, built.content_encoding) == (content_type, content_encoding)


def test_a_body_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(message(args=["x"]).body)
    monkeypatch.setattr(module, "BODY_LIMIT_BYTES", size)
    assert len(message(args=["x"]).body) == size
    with pytest.raises(RequestInvalid, match=f"body of {size + 1} bytes"):
        message(args=["xx"])
