"""Layers of an entry: which wins, what goes with it, what is disregarded, and what falls back by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.gating import gate_of
from daemon.scheduler.layers import APP, OVERRIDE, SITE, Layer, Setting, merge
from daemon.scheduler.layers.added import Added, read_added, write_added
from daemon.scheduler.layers.compose import Composed, Definition, compose, compose_added, first_look_us
from daemon.scheduler.layers.override import changed, read_override, write_override
from daemon.scheduler.model import How, Pause

ZONE = Public("UTC")
NOW_US = 1_790_000_000 * SECOND_US


def layers(*each: dict[str, Any]) -> list[Layer]:
    return [Layer.of(Public(f"layer-{number}"), data) for number, data in enumerate(each)]


def composed(override: dict[str, Setting], *, now_us: int = NOW_US, **data: Any) -> Composed:
    definition = Definition(Public("e"), (Layer.of(SITE, {"task": "t", "cron": "0 2 * * *", **data}),))
    return compose(definition, Layer(OVERRIDE, override), ZONE, now_us)


# -- merging -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("below", "above", "wanted"),
    [
        ({"task": "a"}, {"task": "b"}, {"task": "b"}),
        ({"task": "a", "cron": "1 * * * *", "dst": "cron"}, {"cron": "2 * * * *"}, {"task": "a", "cron": "2 * * * *", "dst": "cron"}),
        ({"task": "a", "cron": "1 * * * *", "dst": "cron"}, {"every": "1h"}, {"task": "a", "every": "1h"}),
        ({"task": "a", "every": "1h", "anchor": "start"}, {"cron": "1 * * * *"}, {"task": "a", "cron": "1 * * * *"}),
        ({"cron": "1 * * * *", "timezone": "UTC"}, {"at": "2026-01-01"}, {"timezone": "UTC", "at": "2026-01-01"}),
        ({"task": "a", "queue": 1}, {"chain": []}, {"queue": 1, "chain": []}),
        ({"options": {"queue": "a", "priority": 1}}, {"options": {"queue": "b"}}, {"options": {"queue": "b", "priority": 1}}),
        ({"kwargs": {"a": 1, "b": 2}}, {"kwargs": {"a": 3}}, {"kwargs": {"a": 3}}),
    ],
)  # fmt: skip
def test_a_field_above_takes_the_place_of_the_one_below(
    below: dict[str, Any], above: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert merge(layers(below, above)).data == wanted


def test_every_field_knows_its_layer() -> None:
    found = merge(
        [Layer.of(APP, {"task": "a", "options": {"queue": "q"}}), Layer.of(SITE, {"options": {"priority": 3}})]
    )
    assert {name: str(origin.source) for name, origin in found.provenance.items()} == {
        "task": "app", "options.queue": "app", "options.priority": "site"
    }  # fmt: skip


_PLAIN = st.sampled_from(("args", "kwargs", "catch_up", "enabled", "limit"))


@given(st.lists(st.dictionaries(_PLAIN, st.integers()), min_size=1, max_size=4))
def test_of_unrelated_fields_the_topmost_counts(each: list[dict[str, int]]) -> None:
    wanted: dict[str, int] = {}
    for one in each:
        wanted |= one
    assert merge(layers(*each)).data == wanted


# -- overrides ---------------------------------------------------------------------------------------------------------


def test_an_override_is_kept_as_it_was_made() -> None:
    fields = {"every": Setting("5m", "ada@desk", NOW_US, "too slow", NOW_US + 1), "kwargs": Setting({"a": [1, None]})}
    found = read_override(write_override(fields))
    assert found is not None
    assert found.fields == fields


@pytest.mark.parametrize("text", ["", "[]", "1", '{"a": 1}', '{"a": {}}', '{"a": {"value": 1, "at": "x"}}', "\udcff"])
def test_what_is_no_override_is_not_read_as_one(text: str) -> None:
    assert read_override(text) is None
    with pytest.raises(ValueError, match="cannot be read"):
        changed(text, {"every": Setting("1h")}, NOW_US)


def test_a_change_drops_what_has_expired_and_what_is_cleared() -> None:
    kept = write_override({"a": Setting(1, expires_us=NOW_US), "b": Setting(2), "c": Setting(3)})
    after = read_override(changed(kept, {"b": None, "d": Setting(4)}, NOW_US))
    assert after is not None
    assert {name: one.value for name, one in after.fields.items()} == {"c": 3, "d": 4}
    assert changed('{"b": {"value": 1}}', {"b": None}, NOW_US) is None


def test_a_field_falls_back_at_its_end_and_the_end_is_told() -> None:
    override = {"catch_up": Setting("skip", expires_us=NOW_US + 5), "overlap": Setting("skip", expires_us=NOW_US + 9)}
    before, after = composed(override), composed(override, now_us=NOW_US + 5)
    assert before.entry is not None
    assert after.entry is not None
    assert (before.entry.catch_up.policy.value, before.expires_us) == ("skip", NOW_US + 5)
    assert (after.entry.catch_up.policy.value, after.entry.overlap.policy.value, after.expires_us) == (
        "one", "skip", NOW_US + 9
    )  # fmt: skip


def test_a_pause_carries_who_why_and_until_when() -> None:
    until = NOW_US + 60 * SECOND_US
    found = composed(
        {"pause": Setting(value=True, author="ada@desk", at_us=NOW_US, reason="the ward moves", expires_us=until)}
    )
    assert found.entry is not None
    assert found.entry.pause == Pause(until, "the ward moves", "ada@desk")
    assert found.expires_us == until
    resumed = composed({"pause": Setting(value=True, expires_us=NOW_US)})
    assert resumed.entry is not None
    assert resumed.entry.pause is None


def test_what_makes_no_entry_is_disregarded_and_named_and_the_rest_counts() -> None:
    override = {
        "every": Setting("1q"),
        "bla": Setting(1),
        "options.queue": Setting("night"),
        "pause": Setting(value=True),
    }
    found = composed(override)
    assert found.entry is not None
    assert found.entry.queue == "night"
    assert found.entry.pause is not None
    assert found.data["cron"] == "0 2 * * *"
    assert {one.path[-1] for one in found.problems} == {"every", "bla"}


def test_fields_that_only_together_make_no_entry_are_all_disregarded() -> None:
    found = composed({"every": Setting("1h"), "at": Setting("2026-01-01T00:00:00Z"), "args": Setting([1])})
    assert found.entry is not None
    assert found.problems
    assert found.data.keys() == {"task", "cron"}


def test_the_id_is_not_overridden() -> None:
    found = composed({"id": Setting("other")}, id="mine")
    assert found.entry is not None
    assert found.entry.id == "mine"


def test_a_disabled_entry_is_none_until_someone_enables_it() -> None:
    assert composed({}, enabled=False).entry is None
    assert composed({"enabled": Setting(value=True)}, enabled=False).entry is not None
    assert composed({"enabled": Setting(value=False)}).entry is None


# -- entries that were added -------------------------------------------------------------------------------------------


def test_an_added_entry_is_kept_as_it_was_made() -> None:
    one = Added("held:1", "t", {"task": "t", "at": "2027-01-01T00:00:00Z", "args": [1]}, "ada@desk", NOW_US, "why", NOW_US,
                How.HELD, is_once=True, task_id="1")  # fmt: skip
    assert read_added("held:1", write_added(one)) == one
    plain = Added("x", "x", {"task": "t", "every": "1h"})
    assert read_added("x", write_added(plain)) == plain


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"name": "x"}', '{"name": 1, "data": {}}', '{"name": "x", "data": []}', '{"name":"x","data":{},"how":"?"}']
)  # fmt: skip
def test_what_is_no_added_entry_is_not_read_as_one(text: str) -> None:
    assert read_added("x", text) is None


def test_an_added_entry_knows_itself_by_its_id_and_is_due_from_when_it_was_added() -> None:
    found = compose_added(Added("x.run.1", "x", {"task": "t", "every": "1h"}, at_us=NOW_US), None, ZONE, NOW_US)
    assert found.entry is not None
    assert (found.entry.id, found.entry.name, found.entry.begins_us) == ("x.run.1", "x", NOW_US)
    assert first_look_us(found, NOW_US) == NOW_US - NOW_US % (3600 * SECOND_US) + 3600 * SECOND_US


def test_an_instant_that_is_past_is_looked_at_then() -> None:
    data = {"task": "t", "at": "2020-01-01T00:00:00.000001Z"}
    found = compose_added(Added("x", "x", data, at_us=NOW_US, begins_us=0, is_once=True), None, ZONE, NOW_US)
    assert first_look_us(found, NOW_US) == 1_577_836_800_000_001


def test_nothing_an_entry_is_given_shows_in_a_representation() -> None:
    secret = "ZZPATIENT"
    one = Added("x", "x", {"task": "t", "every": "1h", "args": [secret], "kwargs": {"k": secret}})
    override = Layer(OVERRIDE, {"args": Setting([secret], reason=secret)})
    found = compose_added(one, override, ZONE, NOW_US)
    assert secret not in repr((one, override, found, Definition(Public("x"), (override,))))


def test_a_run_by_hand_takes_the_place_of_the_entry_it_is_of() -> None:
    data = {"task": "t", "at": "2027-01-01T00:00:00Z", "overlap": "skip"}
    found = compose_added(Added("x.run.1", "x", data, at_us=NOW_US, is_once=True, kin="x"), None, ZONE, NOW_US)
    assert found.entry is not None
    assert [slot.scope for slot in gate_of(found.entry, "id").slots] == ["overlap:x"]


def test_the_zone_below_stays_for_templates_where_a_new_timing_has_no_use_for_it() -> None:
    found = composed({"every": Setting("5m")}, timezone="Europe/London")
    assert found.entry is not None
    assert (found.problems, found.entry.zone, found.entry.trigger.describe()) == (
        (),
        "Europe/London",
        "every 300000000 from 0",
    )
