"""Names of the channels; that events of Celery's own sender arrive is told in tests/integration/test_events_stream.py."""

from __future__ import annotations

from typing import Any

import pytest

from shim.events import events_pattern


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({}, "/0.celeryev/*"),
        ({"exchange": "mine"}, "/0.mine/*"),
        ({"key_prefix": "pfx:"}, "pfx:/0.celeryev/*"),
        ({"fanout_patterns": False}, "/0.celeryev"),
        ({"fanout_prefix": False}, "celeryev/*"),
        ({"fanout_prefix": "to.{db}."}, "to.0.celeryev/*"),
        ({"key_prefix": r"a*b?[c]\:"}, r"a\*b\?\[c\]\\:/0.celeryev/*"),
    ],
)
def test_the_pattern_follows_the_transports_options(options: dict[str, Any], pattern: str) -> None:
    assert events_pattern(0, **options) == pattern


def test_the_database_stands_in_the_name() -> None:
    assert events_pattern(12) == "/12.celeryev/*"
