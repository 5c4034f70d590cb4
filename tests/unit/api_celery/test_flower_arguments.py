"""Arguments as Flower reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.flower.arguments import FORM, Arguments, call_of
from daemon.api.flower.views import MASK, worker_row
from daemon.api.http.asked import Asked
from daemon.api.http.caller import NOBODY
from daemon.desks import BadRequest


def arguments(query: dict[str, str] | None = None, form: bytes = b"", kind: str = FORM) -> Arguments:
    return Arguments(Asked(NOBODY, raw_query=tuple((query or {}).items()), raw_body=form, content_type=kind))


def test_query_and_form_are_one_and_the_last_counts() -> None:
    assert arguments({"n": "1"}, b"n=2&n=+3").integer("n") == 3
    assert arguments({"n": "1"}, b'{"n": 2}', "application/json").integer("n") == 1
    assert arguments(None, b"w=celery%40host").needed("w") == "celery@host"


@pytest.mark.parametrize("word", ["y", "YES", "t", "true", "on", "1"])
def test_yes_is_yes(word: str) -> None:
    assert arguments({"x": word}).flag("x")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: arguments({"x": "perhaps"}).flag("x"),
        lambda: arguments({"x": "1.5"}).integer("x"),
        lambda: arguments({"x": "9" * 5000}).integer("x"),
        lambda: arguments({"x": "nan"}).number("x"),
        lambda: arguments({"x": "1e999"}).number("x"),
        lambda: arguments({"x": " "}).needed("x"),
        lambda: arguments().needed("x"),
        lambda: arguments(None, b"&".join(b"a=%d" % number for number in range(2000))),
        lambda: arguments(None, b"a=\xff"),
    ],
)
def test_what_is_none_is_refused(ask: Any) -> None:
    with pytest.raises(BadRequest):
        ask()


def test_instants_without_a_zone_are_in_the_applications() -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    for zone, text in ((None, "2026-07-01 12:00:00.0"), ("Europe/Warsaw", "2026-07-01 14:00:00.0"),
                       ("No/Where", "2026-07-01 12:00:00.0"), (None, "2026-07-01T14:00:00+02:00")):  # fmt: skip
        _, _, options = call_of(orjson.dumps({"eta": text, "expires": text}), zone)
        assert (options["eta"], options["expires"]) == (at, at)
    assert call_of(b'{"countdown": "3", "expires": "10"}', None)[2] == {"countdown": 3.0, "expires": 10.0}


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["args", "kwargs", "eta", "expires", "countdown"]), inner)).map(orjson.dumps))  # fmt: skip
def test_any_body_is_read_or_refused(raw: bytes) -> None:
    try:
        args, kwargs, _ = call_of(raw, "Europe/Warsaw")
    except BadRequest:
        return
    assert isinstance(args, list)
    assert isinstance(kwargs, dict)


def test_whatever_a_worker_tells_of_arguments_is_masked() -> None:
    request = {"id": "1", "name": "t", "args": ["KOWALSKA"], "kwargs": {"n": "KOWALSKA"}}
    told = {
        "active": [request],
        "reserved": [request, None],
        "scheduled": [{"eta": "x", "request": request}],
        "conf": {"beat_schedule": {"a": {"task": "t", "args": ["KOWALSKA"]}, "b": "KOWALSKA"}, "timezone": "UTC"},
        "stats": {"total": {"t": 1}},
    }
    masked = worker_row(told, lambda _: False)
    assert "KOWALSKA" not in str(masked)
    assert masked["active"] == [{"id": "1", "name": "t", "args": MASK, "kwargs": MASK}]
    assert (masked["conf"]["timezone"], masked["stats"]) == ("UTC", {"total": {"t": 1}})
    assert worker_row(told, lambda name: name == "t")["active"] == [request]
