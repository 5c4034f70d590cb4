"""A request to one Redis list element."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.app.task import Context

from shim import envelope as module
from shim.encoding import INTEGER_LIMIT_BITS
from shim.envelope import NAME_LIMIT, REPR_LIMIT, Envelope, build_envelope
from shim.errors import RequestInvalid
from shim.request import NOT_SHOWN, TaskRequest
from shim.routing import Target
from shim.signature import Signature

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_123, tzinfo=UTC)
MARKER = "ZZPATIENT"


class Offsetless(tzinfo):
    """A time zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None

    def dst(self, _: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _: datetime | None) -> str | None:
        return None


def envelope(
    *, at: datetime = NOW, queue: str = "wards", priority: int = 3, tag: str = "tag-1", **given: Any
) -> Envelope:
    request = TaskRequest(**{"task": "app.add", "task_id": "id-1", **given})
    return build_envelope(request, Target(queue, priority), delivery_tag=tag, at=at, origin="me@here")


def only(field: str, value: Any) -> dict[str, Any]:
    """Give one keyword argument whose name is a parameter of the test."""
    return {field: value}


def message(**given: Any) -> Any:
    return json.loads(bytes(envelope(**given).payload))


def headers(**given: Any) -> Any:
    return message(**given)["headers"]


def test_a_plain_request_becomes_the_lean_message_of_protocol_2() -> None:
    assert message(args=[2, 3], kwargs={"z": 4}) == {
        "body": '[[2,3],{"z":4},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]',
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": "app.add",
            "id": "id-1",
            "root_id": "id-1",
            "parent_id": None,
            "retries": 0,
            "argsrepr": NOT_SHOWN,
            "kwargsrepr": NOT_SHOWN,
            "origin": "me@here",
        },
        "properties": {
            "correlation_id": "id-1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "wards"},
            "priority": 3,
            "delivery_tag": "tag-1",
            "timestamp": round(NOW.timestamp(), 3),
        },
    }


def test_an_envelope_knows_its_task_id_and_its_target() -> None:
    built = envelope(task_id="id-7", queue="beds", priority=9)
    assert (built.task_id, built.target) == ("id-7", Target("beds", 9))


def test_neither_request_nor_envelope_show_what_they_hold() -> None:
    request = TaskRequest("app.add", "id-1", args=[MARKER], kwargs={MARKER: MARKER}, headers={MARKER: MARKER})
    built = build_envelope(request, Target("wards", 3), delivery_tag="tag", at=NOW, origin="me")
    assert repr(request) == "TaskRequest(task='app.add', task_id='id-1')"
    assert repr(built) == f"Envelope(task_id='id-1', target={Target('wards', 3)!r})"
    assert MARKER not in repr(built)


def test_every_part_of_a_request_reaches_the_message() -> None:
    other: dict[str, Any] = {
        "task": "other",
        "task_id": "other",
        "args": [1],
        "kwargs": {"a": 1},
        "eta_at": NOW,
        "expires_at": NOW,
        "time_limit_s": 5,
        "soft_time_limit_s": 4,
        "ignore_result": False,
        "shadow": "other",
        "root_id": "other",
        "parent_id": "other",
        "headers": {"colour": "red"},
        "argsrepr": "other",
        "kwargsrepr": "other",
        "retries": 1,
        "serializer": "msgpack",
        "compression": "gzip",
        "links": [Signature("other")],
        "error_links": [Signature("other")],
        "chain": [Signature("other")],
        "chord": Signature("other"),
        "group_id": "other",
        "group_index": 0,
        "stamps": {"other": 1},
        "reply_to": "other",
        "delivery_mode": 1,
        "replaced_task_nesting": 1,
    }
    assert set(other) == set(TaskRequest._fields)
    unchanged = envelope(group_id="group").payload
    assert [
        name
        for name, value in other.items()
        if envelope(**{"group_id": "group", **only(name, value)}).payload == unchanged
    ] == []


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "header"), [("eta_at", "eta"), ("expires_at", "expires")])
@pytest.mark.parametrize(
    ("zone", "written"),
    [
        (UTC, "2027-07-01T12:00:00.250000+00:00"),
        (ZoneInfo("America/New_York"), "2027-07-01T16:00:00.250000+00:00"),
        (timezone(timedelta(hours=5, minutes=45)), "2027-07-01T06:15:00.250000+00:00"),
        (timezone(timedelta(hours=1, seconds=30)), "2027-07-01T10:59:30.250000+00:00"),
    ],
)
def test_an_instant_is_written_in_utc(field: str, header: str, zone: tzinfo, written: str) -> None:
    instant = datetime(2027, 7, 1, 12, 0, 0, 250_000, tzinfo=zone)
    assert headers(**{field: instant})[header] == written


@pytest.mark.parametrize("zone", [None, Offsetless()], ids=["no zone", "zone without an offset"])
@pytest.mark.parametrize(("field", "label"), [("eta_at", "eta"), ("expires_at", "expires")])
def test_a_naive_instant_is_refused(field: str, label: str, zone: tzinfo | None) -> None:
    with pytest.raises(RequestInvalid, match=f"^{label}: "):
        envelope(**only(field, datetime(2027, 1, 1, tzinfo=zone)))


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(RequestInvalid, match=r"^at: "):
        envelope(expires_at=NOW, at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("field", ["eta_at", "expires_at"])
@pytest.mark.parametrize(
    "instant",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
        datetime(1970, 1, 1, 5, tzinfo=timezone(timedelta(hours=6))),
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=23))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=23))),
    ],
)
def test_an_instant_that_a_worker_could_not_bring_into_its_own_zone_is_refused(field: str, instant: datetime) -> None:
    with pytest.raises(RequestInvalid, match="year"):
        envelope(**only(field, instant))


@pytest.mark.parametrize("instant", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, tzinfo=UTC)])
def test_the_first_and_last_instants_in_range_are_taken(instant: datetime) -> None:
    assert headers(eta_at=instant)["eta"] == instant.isoformat()


@pytest.mark.parametrize(
    ("left", "expiration"),
    [
        (timedelta(seconds=60), "60000"),
        (timedelta(milliseconds=1), "1"),
        (timedelta(microseconds=1), "1"),
        (timedelta(microseconds=1001), "2"),
        (timedelta(milliseconds=2007), "2007"),  # as a float of seconds a little more
        (timedelta(0), "0"),
        (timedelta(days=-1), "0"),
    ],
)
def test_what_is_left_before_expiry_is_written_in_milliseconds_rounded_up(left: timedelta, expiration: str) -> None:
    expires_at = (NOW + left).astimezone(ZoneInfo("Asia/Kathmandu"))
    assert message(expires_at=expires_at)["properties"]["expiration"] == expiration


def test_without_expiry_there_is_no_expiration() -> None:
    assert "expiration" not in message()["properties"]


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hard", "soft", "written"),
    [(30, 20, [30, 20]), (30, None, [30, None]), (None, 1.5, [None, 1.5]), (10**9, 5e-324, [10**9, 5e-324])],
)
def test_time_limits_are_a_pair_the_hard_one_first(hard: float | None, soft: float | None, written: list[Any]) -> None:
    assert headers(time_limit_s=hard, soft_time_limit_s=soft)["timelimit"] == written


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), float("-inf"), 1e300, 10**400, 10**9 + 1])
@pytest.mark.parametrize(("field", "label"), [("time_limit_s", "time_limit"), ("soft_time_limit_s", "soft_time_limit")])
def test_a_time_limit_that_is_no_length_of_time_is_refused(field: str, label: str, seconds: float) -> None:
    with pytest.raises(RequestInvalid, match=f"^{label}: "):
        envelope(**only(field, seconds))


@pytest.mark.parametrize("choice", [True, False])
def test_ignore_result_is_written_only_if_the_caller_said_something(choice: bool) -> None:  # noqa: FBT001 - a parameter
    assert headers(ignore_result=choice)["ignore_result"] is choice
    assert "ignore_result" not in headers()


def test_a_shadow_is_written_only_if_there_is_one() -> None:
    assert headers(shadow="alias")["shadow"] == "alias"
    assert "shadow" not in headers()


def test_root_and_parent_are_those_of_the_request() -> None:
    found = headers(root_id="root", parent_id="parent")
    assert (found["root_id"], found["parent_id"]) == ("root", "parent")


@pytest.mark.parametrize("field", ["argsrepr", "kwargsrepr"])
def test_a_representation_is_cut_where_celery_cuts_its_own(field: str) -> None:
    assert headers(**{field: "é" * (REPR_LIMIT + 1)})[field] == "é" * REPR_LIMIT
    assert headers(**{field: "(1, 2)"})[field] == "(1, 2)"


@pytest.mark.parametrize("field", ["argsrepr", "kwargsrepr"])
def test_an_empty_representation_is_replaced_for_a_worker_would_log_the_arguments_instead(field: str) -> None:
    assert headers(**{field: ""})[field] == NOT_SHOWN


@pytest.mark.parametrize("field", ["argsrepr", "kwargsrepr"])
def test_a_representation_with_lone_surrogates_is_refused(field: str) -> None:
    with pytest.raises(RequestInvalid, match="surrogates"):
        envelope(**only(field, "\ud800"))


# -- names -------------------------------------------------------------------------------------------------------------

NAMES = ["task", "task_id", "tag", "root_id", "parent_id", "shadow"]


@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "a\u2028", "\ud800", "x" * (NAME_LIMIT + 1)])
def test_a_name_that_is_empty_too_long_or_not_printable_is_refused(field: str, name: str) -> None:
    with pytest.raises(RequestInvalid, match=f"1 to {NAME_LIMIT} printable characters"):
        envelope(**only(field, name))


@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize("name", ["x", "Größe 😀", "x" * NAME_LIMIT])
def test_a_printable_name_is_taken(field: str, name: str) -> None:
    assert name in json.dumps(message(**{field: name}), ensure_ascii=False)


# -- custom headers ----------------------------------------------------------------------------------------------------


def test_custom_headers_stand_beside_celerys_own() -> None:
    found = headers(headers={"celery_beat_task": True, "colour": {"a": [1]}})
    assert found["celery_beat_task"] is True
    assert found["colour"] == {"a": [1]}
    assert found["task"] == "app.add"


def test_custom_headers_may_be_any_mapping() -> None:
    assert headers(headers=MappingProxyType({"colour": "red"}))["colour"] == "red"


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            *vars(Context),
            "lang",
            "task",
            "argsrepr",
            "kwargsrepr",
            "compression",
            "meth",
            "groups",
            "redelivered",
            "_mine",
        }
    ),
)
def test_a_header_that_steers_or_breaks_a_worker_is_refused(name: str) -> None:
    with pytest.raises(RequestInvalid, match="belongs to Celery"):
        envelope(headers={name: 1})


@pytest.mark.parametrize("name", ["", "a\nb", "x" * (NAME_LIMIT + 1), "\ud800", 1, None, b"bytes"])
def test_a_header_name_that_is_no_printable_text_is_refused(name: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^header name: "):
        envelope(headers={name: 1})


@pytest.mark.parametrize("given", [None, [("colour", "red")], "colour", 1])
def test_headers_that_are_not_a_mapping_are_refused(given: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^headers: "):
        envelope(headers=given)


@pytest.mark.parametrize(
    "value", [float("nan"), {1: 2}, b"bytes", {"__type__": "uuid", "__value__": 1}, 1 << INTEGER_LIMIT_BITS]
)
def test_a_header_value_a_worker_could_not_read_is_refused(value: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^headers\['colour'\]: "):
        envelope(headers={"colour": value})


def test_a_header_value_with_lone_surrogates_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="surrogates"):
        envelope(headers={"colour": "\ud800"})


def test_a_header_name_of_a_string_subclass_is_written_as_plain_text() -> None:
    class Text(str):
        __slots__ = ()

    custom: Mapping[str, Any] = {Text("colour"): "red"}
    assert headers(headers=custom)["colour"] == "red"


# -- size --------------------------------------------------------------------------------------------------------------


def test_a_message_beyond_the_size_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(envelope(args=["x" * 1000]).payload)
    monkeypatch.setattr(module, "ENVELOPE_LIMIT_BYTES", size - 1)
    with pytest.raises(RequestInvalid, match=f"message of {size} bytes"):
        envelope(args=["x" * 1000])


def test_a_message_of_just_the_size_limit_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(envelope(args=["x" * 1000]).payload)
    monkeypatch.setattr(module, "ENVELOPE_LIMIT_BYTES", size)
    assert len(envelope(args=["x" * 1000]).payload) == size
