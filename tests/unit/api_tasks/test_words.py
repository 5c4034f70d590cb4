"""States, exceptions and results in words, against Celery's own reader."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.tasks import docwiz
from daemon.api.tasks.words import exception_text, percent_of, text_of, type_shown
from daemon.desks.tasks import Failure, Standing
from daemon.dispatch.task_values import outcome_of
from shim.results import meta_from_mapping

BACKEND = Celery("words", backend="cache+memory://", set_as_current=False).backend
STORED: list[dict[str, Any]] = [
    {"exc_type": "ValueError", "exc_message": [], "exc_module": "builtins"},
    {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"},
    {"exc_type": "ValueError", "exc_message": ["x", 5], "exc_module": "builtins"},
    {"exc_type": "ValueError", "exc_message": [5], "exc_module": "builtins"},
    {"exc_type": "KeyError", "exc_message": ["image"], "exc_module": "builtins"},
    {"exc_type": "OSError", "exc_message": [2, "no such file"], "exc_module": "builtins"},
    {"exc_type": "TaskRevokedError", "exc_message": ["terminated"], "exc_module": "celery.exceptions"},
    {"exc_type": "TimeLimitExceeded", "exc_message": [300], "exc_module": "billiard.exceptions"},
    {"exc_type": "SoftTimeLimitExceeded", "exc_message": [], "exc_module": "billiard.exceptions"},
    {"exc_type": "WorkerLostError", "exc_message": ["gone"], "exc_module": "billiard.exceptions"},
    {"exc_type": "NoSuchError", "exc_message": ["a", "b"], "exc_module": "some.app"},
]


def outcome(state: str, result: Any) -> Any:
    return outcome_of(meta_from_mapping("t", {"status": state, "result": result}))


@pytest.mark.parametrize("stored", STORED, ids=str)
def test_an_exception_reads_as_celery_reads_it(stored: dict[str, Any]) -> None:
    failure = outcome("FAILURE", stored).failure
    assert failure is not None
    assert exception_text(failure) == str(BACKEND.exception_to_python(dict(stored)))


@pytest.mark.parametrize(
    "kind", ["SystemExit", "KeyboardInterrupt", "type", "eval", "UnicodeDecodeError", "__import__"]
)
def test_no_class_but_an_exception_is_made_and_none_breaks(kind: str) -> None:
    failure = outcome("FAILURE", {"exc_type": kind, "exc_message": ["x"], "exc_module": "builtins"}).failure
    assert exception_text(failure) == "x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5) | st.sampled_from(["result", "status", "progress", "exc_type"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
STATES = st.sampled_from(
    ["PENDING", "STARTED", "PROCESSING", "PROGRESS", "SUCCESS", "FAILURE", "RETRY", "REVOKED", "X"]
)


@given(STATES, JSON)
def test_docwiz_is_answered_whatever_is_stored(state: str, result: Any) -> None:
    found = outcome(state, result)
    body = json.loads(docwiz.written(docwiz.status("t", found, shows=True)))
    assert (body["task_id"], body["state"]) == ("t", state)
    assert body["ready"] is (state in ("SUCCESS", "FAILURE", "REVOKED"))
    json.loads(docwiz.written(docwiz.result("t", found, shows=True)))


@given(STATES, st.text(min_size=12), st.sampled_from(["plain", "result", "status", "error"]))
def test_docwiz_gets_nothing_of_it_that_may_not(state: str, secret: str, key: str) -> None:
    found = outcome(state, secret if key == "plain" else {key: secret})
    for body in (docwiz.status("t", found, shows=False), docwiz.result("t", found, shows=False)):
        assert secret not in json.dumps(body, ensure_ascii=False)


@given(st.floats() | st.integers() | st.none() | st.text())
def test_progress_is_a_number_from_0_to_100(value: Any) -> None:
    standing = Standing("t", outcome("PROGRESS", {"progress": value}))
    assert 0 <= percent_of(standing) <= 100
    if isinstance(value, (int, float)) and 0 <= value <= 100 and math.isfinite(value):
        assert percent_of(standing) == round(value)


def test_words_of_a_task_are_shown_to_those_who_may() -> None:
    standing = Standing("t", outcome("PROGRESS", {"status": "Doe^Jane", "progress": 5}))
    assert text_of(standing, shows=True) == "Doe^Jane"
    assert text_of(standing, shows=False) == "Processing"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("ValueError", "ValueError"),
        ("make.<locals>.Wrong", "make.<locals>.Wrong"),
        ("", None),
        ("Miller, Anna", None),
        ("no patient 4711", None),
        ("A" * 256, None),
    ],
)
def test_the_class_of_an_exception_is_shown_if_it_can_be_one(stored: str, shown: str | None) -> None:
    assert type_shown(Failure(stored)) == shown
    assert type_shown(None) is None
