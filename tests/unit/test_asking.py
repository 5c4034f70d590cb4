"""Requests over the daemon's socket, read into values."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.api.local.asking import SEQUENCES_LIMIT, TEXT_LIMIT, Asked, fields_of
from daemon.desks import DeskRefused
from daemon.public import Public


def asked(**fields: Any) -> Asked:
    return Asked(Public("someone"), {}, fields)


def test_fields_are_given_as_they_are_meant() -> None:
    request = asked(note="lunch", until_us=5, deidentify=True, sequences=[1, 2])
    assert (request.text("note"), request.number("until_us"), request.flag("deidentify")) == ("lunch", 5, True)
    assert request.sequences() == (1, 2)
    assert request.word("note") == "lunch"


def test_absent_fields_have_their_plain_meaning() -> None:
    request = asked(until_us=None, policy=None)
    assert (request.text("note"), request.word("policy"), request.number("until_us")) == ("", None, None)
    assert not request.flag("deidentify")


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"note": 5}, lambda one: one.text("note")),
        ({"note": "x" * (TEXT_LIMIT + 1)}, lambda one: one.text("note")),
        ({"until_us": "5"}, lambda one: one.number("until_us")),
        ({"until_us": True}, lambda one: one.number("until_us")),
        ({"until_us": 1.5}, lambda one: one.number("until_us")),
        ({"deidentify": "yes"}, lambda one: one.flag("deidentify")),
        ({}, lambda one: one.sequences()),
        ({"sequences": []}, lambda one: one.sequences()),
        ({"sequences": [1, "2"]}, lambda one: one.sequences()),
        ({"sequences": [True]}, lambda one: one.sequences()),
        ({"sequences": list(range(SEQUENCES_LIMIT + 1))}, lambda one: one.sequences()),
    ],
)
def test_a_field_that_is_not_right_is_named(fields: dict[str, Any], read: Any) -> None:
    name = next(iter(fields), "sequences")
    with pytest.raises(DeskRefused, match=f'"{name}"'):
        read(asked(**fields))


def test_a_body_is_an_object_or_nothing() -> None:
    assert fields_of(b"") == {}
    assert fields_of(b'{"a": 1}') == {"a": 1}
    for body in (b"[1]", b"nonsense", b"[" * 100_000, b'{"a": NaN}', b"\xff"):
        with pytest.raises(DeskRefused, match="no JSON"):
            fields_of(body)
