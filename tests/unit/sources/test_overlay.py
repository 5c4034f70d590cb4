"""Rows of a live source over the application and the site file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.clock import microseconds
from daemon.public import Public
from daemon.scheduler.layers import APP, DJANGO, SITE, Layer
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.model import Entry, OverlapPolicy
from daemon.source_events import EntryUncarried
from daemon.sources.overlay import Overlay, Unchanged
from daemon.sources.sourced import SourcedEntry

AT = datetime(2026, 11, 1, tzinfo=UTC)
BASE = Definition(
    Public("nightly"),
    (Layer.of(APP, {"task": "t", "cron": "0 2 * * *", "dst": "celery"}), Layer.of(SITE, {"overlap": "skip"})),
)
OFF = Definition(Public("off"), (Layer.of(SITE, {"task": "t", "every": "1m", "enabled": False}),))


def row(name: str = "nightly", pk: int = 3, *, last_run_at: datetime | None = None, **data: Any) -> SourcedEntry:
    keys = {"id": f"django-{pk}", "task": "t", "cron": "0 5 * * *", "dst": "celery", "enabled": True, **data}
    return SourcedEntry(Public(name), name, keys, last_run_at=last_run_at, enabled=bool(keys["enabled"]))


@dataclass
class Heard:
    definitions: dict[str, Definition] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    events: list[object] = field(default_factory=list)

    def define(self, definitions: Sequence[Definition], entries: Sequence[Entry], gone: Sequence[str]) -> None:
        self.definitions = {one.id: one for one in definitions}
        self.entries = {str(one.id): one for one in entries}
        self.gone = list(gone)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def overlay(heard: Heard) -> Overlay:
    return Overlay(DJANGO, Public("UTC"), (BASE, OFF), heard.define, heard.events.append)


def test_a_row_of_its_own_is_known_by_its_key(overlay: Overlay, heard: Heard) -> None:
    overlay([row("own", last_run_at=AT)], [])
    entry = heard.entries["django-3"]
    assert (str(entry.name), entry.source, entry.begins_us) == ("own", DJANGO, microseconds(AT))
    assert heard.definitions.keys() == {"django-3"}
    assert heard.gone == []


def test_a_row_lies_over_the_entry_of_its_name_which_keeps_what_it_is_known_by(overlay: Overlay, heard: Heard) -> None:
    overlay([row()], [])
    [entry] = heard.entries.values()
    assert str(entry.id) == "nightly"
    assert entry.overlap.policy is OverlapPolicy.SKIP
    assert "5" in entry.trigger.describe()
    assert [one.source for one in heard.definitions["nightly"].layers] == [APP, SITE, DJANGO]


def test_when_a_row_goes_the_lower_layers_hold_again(overlay: Overlay, heard: Heard) -> None:
    overlay([row(), row("off", 4)], [])
    assert heard.entries.keys() == {"nightly", "off"}
    overlay([], [Public("nightly"), Public("off")])
    assert heard.definitions == {"nightly": BASE, "off": OFF}
    assert heard.entries.keys() == {"nightly"}
    assert "0 2" in heard.entries["nightly"].trigger.describe()
    assert heard.gone == []


def test_a_row_of_its_own_that_goes_is_gone_and_one_that_comes_back_under_another_key_is_another(
    overlay: Overlay, heard: Heard
) -> None:
    overlay([row("own")], [])
    overlay([row("own", 9)], [])
    assert (list(heard.definitions), heard.gone) == (["django-9"], ["django-3"])
    overlay([], [Public("own")])
    assert (heard.definitions, heard.entries, heard.gone) == ({}, {}, ["django-9"])


def test_a_renamed_row_stays_what_it_was(overlay: Overlay, heard: Heard) -> None:
    overlay([row("own")], [])
    overlay([row("renamed")], [Public("own")])
    assert heard.gone == []
    assert {str(one.name) for one in heard.definitions.values()} == {"renamed"}


def test_a_row_that_is_switched_off_switches_off_what_lies_below(overlay: Overlay, heard: Heard) -> None:
    overlay([row(enabled=False)], [])
    assert heard.definitions.keys() == {"nightly"}
    assert heard.entries == {}


def test_a_row_that_does_not_go_with_what_lies_below_is_reported_and_does_not_run(
    overlay: Overlay, heard: Heard
) -> None:
    overlay([row(end="2020-01-01T00:00:00Z", start="2021-01-01T00:00:00Z")], [])
    assert heard.entries == {}
    assert [type(event) for event in heard.events] == [EntryUncarried]


def test_a_row_that_can_never_fire_is_reported_and_what_it_was_before_is_gone(overlay: Overlay, heard: Heard) -> None:
    overlay([row("own")], [])
    overlay([row("own", cron="0 0 31 2 *")], [])
    assert (heard.definitions, heard.entries, heard.gone) == ({}, {}, ["django-3"])
    [event] = heard.events
    assert isinstance(event, EntryUncarried)
    assert "never fires" in event.reason


def test_where_nothing_can_be_changed_at_run_time_the_scheduler_gets_what_runs() -> None:
    put: list[str] = []
    dropped: list[str] = []
    shut: list[str] = []

    class Schedule:
        def put(self, entries: Iterable[Entry]) -> None:
            put.extend(str(entry.id) for entry in entries)

        def drop(self, ids: Iterable[str]) -> None:
            dropped.extend(ids)

        def shut(self, ids: Iterable[str]) -> None:
            shut.extend(ids)

        def look_again(self, ids: Iterable[str]) -> None:
            raise AssertionError(ids)

    overlay = Overlay(DJANGO, Public("UTC"), (BASE,), Unchanged(Schedule()).define, print)
    overlay([row("own"), row(enabled=False)], [])
    assert (put, dropped, shut) == (["django-3"], [], ["nightly"])
    overlay([], [Public("own"), Public("nightly")])
    assert (put, dropped, shut) == (["django-3", "nightly"], ["django-3"], ["nightly"])
