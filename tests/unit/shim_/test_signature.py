"""Signatures: Celery's form, and what a worker could not send."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shim.errors import RequestInvalid
from shim.signature import SIGNATURE_DEPTH_LIMIT, Signature

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_123, tzinfo=UTC)
MARKER = "ZZPATIENT"
ADD = Signature("app.add")


def with_option(name: str, value: Any) -> Signature:
    return Signature("app.add", options={name: value})


def test_a_signature_is_written_as_celery_writes_it() -> None:
    signature = Signature("app.add", (8,), {"z": NOW}, {"queue": "cap", "task_id": "id-1"}, immutable=True)
    assert list(signature.as_json().items()) == [
        ("task", "app.add"),
        ("args", [8]),
        ("kwargs", {"z": NOW}),
        ("options", {"queue": "cap", "task_id": "id-1"}),
        ("subtask_type", None),
        ("immutable", True),
    ]


def test_what_is_written_is_a_copy() -> None:
    args: list[Any] = [1]
    options: dict[str, Any] = {"queue": "q"}
    written = Signature("a", args, {}, options).as_json()
    args.append(2)
    options["queue"] = "other"
    assert (written["args"], written["options"]) == ([1], {"queue": "q"})


def test_a_signature_cannot_be_changed_and_does_not_show_what_it_holds() -> None:
    signature = Signature("app.add", [MARKER], {MARKER: MARKER}, {"headers": {"k": MARKER}})
    assert repr(signature) == "Signature(task='app.add', immutable=False, subtask_type=None)"
    with pytest.raises(FrozenInstanceError):
        signature.task = "other"  # type: ignore[misc]


def test_two_signatures_of_the_same_are_equal_and_share_no_defaults() -> None:
    assert Signature("a", [1], {"k": 2}) == Signature("a", [1], {"k": 2})
    assert Signature("a").kwargs is not Signature("a").kwargs


GOOD: dict[str, list[Any]] = {
    "task_id": ["id"],
    "countdown": [0, -1.5, None],
    "eta": [NOW, "2027-03-01T12:00:00+00:00", "2027-03-01T12:00:00Z", None],
    "expires": [NOW, 60, 0.5, "2027-03-01T12:00:00-03:30", None],
    "time_limit": [30, 0.5, None],
    "priority": [0, 9, 255, None],
    "headers": [{"colour": [1]}],
    "serializer": ["json", "yaml", "msgpack"],
    "compression": ["gzip", "xz"],
    "retry_policy": [{}, {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}],
    "link": [ADD, [ADD], [], None],
    "link_error": [ADD, [ADD]],
    "chain": [[ADD], []],
    "ignore_result": [True, False, None],
    "delivery_mode": [1, 2],
    "argsrepr": ["(1, 2)"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_an_option_of_apply_async_is_taken(name: str, value: Any) -> None:
    options: Any = with_option(name, value).as_json()["options"]
    assert options.keys() == {name}


BAD: dict[str, list[Any]] = {
    "task_id": ["", None, 1],
    "countdown": ["5", float("nan"), True],
    "eta": [5, "tomorrow", "2027-03-01", "2027-03-01T12:00:00", NOW.replace(tzinfo=None), NOW.date()],
    "expires": ["soon", float("inf"), NOW.astimezone(timezone(timedelta(seconds=30)))],
    "time_limit": [[30, 20], "30", 0, True],
    "soft_time_limit": [[30, 20]],
    "timelimit": [30, [30, 20], None],
    "priority": [-1, 256, "1", 1.0],
    "headers": [{"timelimit": 5}, {"id": "x"}, [], {"colour": NOW}, None],
    "serializer": ["pickle", None],
    "compression": ["lz4", None],
    "retry_policy": [{"errback": 1}, {"max_retries": -1}, {"interval_step": "1"}, 5],
    "link": ["app.add", {"task": "a"}, [None], [[ADD]]],
    "link_error": [Signature("celery.xmap", kwargs={"task": ADD, "it": []}, subtask_type="xmap")],
    "chain": [ADD],
    "chord": [ADD, {"task": "a"}],
    "retries": [None, -1, 1.5],
    "group_index": [-1, "0"],
    "ignore_result": ["yes", 1],
    "delivery_mode": [0, 3],
    "stamped_headers": [None, "ward", ["ward"], [1]],
    "producer": [1],
    "task_type": ["x"],
    "user_id": ["x"],
    "exchange": [{"name": "x"}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_an_option_a_worker_could_not_send_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^signature\.options"):
        with_option(name, value).as_json()


def test_a_part_of_a_chord_needs_its_group_and_its_result() -> None:
    assert Signature("a", options={"chord": ADD, "group_id": "g"}).as_json()
    with pytest.raises(RequestInvalid, match="may not ignore its result"):
        Signature("a", options={"chord": ADD, "group_id": "g", "ignore_result": True}).as_json()


def test_stamps_are_options_named_in_stamped_headers() -> None:
    signature = Signature("a", options={"stamped_headers": ["ward", "ward"], "ward": ["7b"]})
    assert signature.as_json()["options"] == {"stamped_headers": ["ward"], "ward": ["7b"]}
    with pytest.raises(RequestInvalid, match="belongs to Celery"):
        Signature("a", options={"stamped_headers": ["queue"], "queue": "q"}).as_json()


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("chain", {}),
        ("chain", {"tasks": ADD.as_json()}),
        ("chain", {"tasks": [ADD], "more": 1}),
        ("group", {"tasks": [{"task": "a"}]}),
        ("chord", {"header": [ADD]}),
        ("chord", {"header": [ADD], "body": [ADD]}),
        ("chord", {"header": [ADD], "body": ADD, "kwargs": [1]}),
        ("xmap", {"task": ADD}),
        ("xstarmap", {"task": ADD, "it": "x"}),
        ("chunks", {"task": ADD, "it": [], "n": 0}),
        ("starmap", {"task": ADD, "it": []}),
        ([], {}),
    ],
)
def test_a_canvas_that_lacks_a_part_or_has_one_too_many_is_refused(kind: Any, kwargs: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid, match=r"^signature\."):
        Signature("celery.x", kwargs=kwargs, subtask_type=kind).as_json()


def test_a_canvas_without_its_kind_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="needs its subtask_type"):
        Signature("celery.chain", kwargs={}).as_json()


def test_a_refusal_names_the_place_and_never_the_value() -> None:
    foreign: Any = {"k": {MARKER}}
    inner = Signature("b", [1, foreign])
    outer = Signature("celery.group", kwargs={"tasks": [ADD, inner]}, subtask_type="group")
    with pytest.raises(RequestInvalid) as caught:
        Signature("a", options={"link": outer}).as_json()
    assert str(caught.value).startswith("signature.options['link'].kwargs['tasks'][1].args[1]: set is not JSON")
    assert MARKER not in repr(caught.value)


def test_signatures_are_nested_up_to_a_limit() -> None:
    signature = ADD
    for _ in range(SIGNATURE_DEPTH_LIMIT - 1):
        signature = with_option("link", signature)
    assert signature.as_json()
    with pytest.raises(RequestInvalid, match="nested deeper"):
        with_option("link", [signature]).as_json()


def test_a_signature_that_contains_itself_is_refused() -> None:
    options: dict[str, Any] = {}
    options["link"] = Signature("a", options=options)
    with pytest.raises(RequestInvalid, match="nested deeper"):
        Signature("a", options=options).as_json()
