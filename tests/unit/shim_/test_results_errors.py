"""What went wrong in a task, and how far it is; judged by Celery's own reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery, exceptions
from hypothesis import assume, given
from hypothesis import strategies as st

from shim.results import Progress, TaskError, TaskMeta
from shim.results.task_error import exception_as_stored, parse_error

STORED = {"exc_type": "ValueError", "exc_message": ["boom", 42], "exc_module": "builtins"}


def judge() -> Any:
    return Celery("judge", backend="redis://", set_as_current=False).backend


def failed(result: Any, state: str = "FAILURE") -> TaskMeta:
    return TaskMeta("id", state, result)


class Outer:
    class Inner(Exception):
        """An exception whose name is qualified."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom", 42),
        ValueError(),
        Outer.Inner("a", None, [1]),
        exceptions.TaskRevokedError("terminated"),
        exceptions.SoftTimeLimitExceeded(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("state", ["FAILURE", "RETRY", "REVOKED"])
def test_an_exception_as_celery_stores_it_is_read(error: Exception, state: str) -> None:
    stored = json.loads(json.dumps(judge().prepare_exception(error)))
    found = failed(stored, state).error
    assert found == TaskError(type(error).__qualname__, type(error).__module__, tuple(error.args))


def test_an_exception_that_is_an_object_already_is_written_as_celery_writes_it() -> None:
    error = Outer.Inner("a", 1)
    assert exception_as_stored(error) == json.loads(json.dumps(judge().prepare_exception(error)))


def test_other_states_have_no_error() -> None:
    assert [failed(STORED, state).error for state in ("SUCCESS", "STARTED", "PROGRESS", "")] == [None] * 4
    assert not failed("text", "SUCCESS").is_poisoned


POISONED = [
    ({"status": "Failed to generate export", "error": "no template"}, "no template"),
    ({"status": "Failed", "progress": 0}, ""),
    ({"exc_type": None, "exc_message": "why"}, "why"),
    ({"exc_type": 5, "error": ["no text"]}, ""),
    ("it broke", "it broke"),
    (["it", "broke", {"a": 1}], "it, broke"),
    (5, "5"),
    (True, "True"),
]


@pytest.mark.parametrize(("result", "text"), POISONED)
def test_something_else_in_place_of_an_exception_is_poisoned(result: Any, text: str) -> None:
    error = failed(result).error
    assert error is not None
    assert (error.exc_type, error.exc_module, error.is_poisoned, error.text) == ("", None, True, text)
    assert failed(result).is_poisoned


@pytest.mark.parametrize("result", [result for result, _ in POISONED])
def test_celerys_reader_raises_on_what_is_poisoned(result: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        judge().exception_to_python(result)


@pytest.mark.parametrize("result", [None, {}, [], "", 0, False])
def test_nothing_in_place_of_an_exception_is_no_known_exception(result: Any) -> None:
    assert judge().exception_to_python(result) is None
    assert failed(result).error == TaskError("")


names = st.text("abcXYZ_", min_size=1)


@given(
    st.fixed_dictionaries(
        {}, optional={"exc_type": names, "exc_module": names | st.none(), "exc_message": st.text("ab")}
    )
    | st.text("ab c")
    | st.integers()
    | st.none()
)
def test_what_is_not_poisoned_is_what_celery_can_read(result: Any) -> None:
    assume(result != {"exc_type": ""})
    try:
        judge().exception_to_python(result)
    except (ValueError, TypeError):
        is_poisoned = True
    else:
        is_poisoned = False
    assert parse_error(result).is_poisoned == is_poisoned


@pytest.mark.parametrize(
    ("stored", "message"),
    [("boom", ("boom",)), ([], ()), (["a", [1]], ("a", [1])), (None, (None,)), ({"a": 1}, ({"a": 1},))],
)
def test_a_message_of_any_form_is_a_row_of_arguments(stored: Any, message: tuple[Any, ...]) -> None:
    assert parse_error({"exc_type": "E", "exc_message": stored}).message == message
    assert parse_error({"exc_type": "E"}).message == ()


def test_an_integer_too_long_to_write_does_not_stop_the_text() -> None:
    assert TaskError("E", None, ("a", 10**5000)).text == "a, …"


@pytest.mark.parametrize(
    ("meta", "fraction", "text"),
    [
        ({"current": 1, "total": 4}, 0.25, None),
        ({"current": 5, "total": 4}, 1.0, None),
        ({"current": -1, "total": 4}, 0.0, None),
        ({"current": 1, "total": 0}, None, None),
        ({"current": 1, "total": 0, "progress": 30}, 0.3, None),
        ({"current": float("nan"), "total": 4}, None, None),
        ({"current": 1, "total": float("inf")}, 0.0, None),
        ({"current": 10**400, "total": 1.5}, 1.0, None),
        ({"current": 1.5, "total": 10**400}, None, None),
        ({"current": True, "total": 4}, None, None),
        ({"status": "Rendering", "progress": 20, "image_id": "i"}, 0.2, "Rendering"),
        ({"percent": 99.5, "message": "soon"}, 0.995, "soon"),
        ({"percentage": 250}, 1.0, None),
        ({"progress": "20"}, None, None),
        ({"status": 5, "step": "third"}, None, "third"),
        ("half way", None, "half way"),
        ([1, 2], None, None),
        (None, None, None),
    ],
)
def test_progress_is_read_in_the_usual_forms(meta: Any, fraction: float | None, text: str | None) -> None:
    found = failed(meta, "PROCESSING").progress
    assert found == Progress(meta) or meta != meta  # noqa: PLR0124
    assert found is not None
    assert (found.fraction, found.text) == (fraction, text)


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "STARTED", "RETRY", "PENDING", "UNREADABLE"])
def test_celerys_own_states_are_no_progress(state: str) -> None:
    assert failed({"current": 1, "total": 2}, state).progress is None
