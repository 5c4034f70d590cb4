"""Lanes that were laid out otherwise at the last start are told of by name, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.arrangement_file import FILE, note_lanes
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.text.path import parse_path
from daemon.public import Public
from tests.support.feeds import feed, route


def laned(path: str = "PID-3.1", lanes: int = 4, base: str = "adt") -> Feed:
    return feed(route(lane_key=LaneKey(Public(base), (parse_path(path),), lanes)))


@pytest.mark.parametrize("then", [laned(lanes=8), laned("PV1-19"), laned(base="ward"), feed()])
def test_a_feed_with_other_lanes_than_at_the_last_start_is_named_once(tmp_path: Path, then: Feed) -> None:
    assert note_lanes(tmp_path, [laned()]) == []
    assert note_lanes(tmp_path, [laned()]) == []
    assert note_lanes(tmp_path, [then]) == ["adt"]
    assert note_lanes(tmp_path, [then]) == []


def test_a_feed_that_is_new_has_no_lanes_to_change(tmp_path: Path) -> None:
    assert note_lanes(tmp_path, []) == []
    assert note_lanes(tmp_path, [laned()]) == []


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"version": 2, "feeds": {}}', b'{"version": 1, "feeds": {"adt": 3}}']
)
def test_a_file_that_cannot_be_made_out_tells_nothing_and_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert note_lanes(tmp_path, [laned()]) == []
    assert note_lanes(tmp_path, [laned(lanes=5)]) == ["adt"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    assert note_lanes(tmp_path / "gone", [laned()]) == []
