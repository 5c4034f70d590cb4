"""The application's entries under those of the site file."""

from __future__ import annotations

from typing import Any

from daemon.public import Public
from daemon.scheduler.layers.layer import data_of
from daemon.sources.app_layer import AppLayer
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried, Unfit, named, site_name

UTC = Public("UTC")
NIGHTLY = {
    "task": "t", "cron": "0 2 * * *", "dst": "celery", "timezone": "Europe/Berlin", "kwargs": {"a": 1},
    "options": {"queue": "q", "expires": "1h"},
}  # fmt: skip


def layer_of(written: Any = None, **entries: dict[str, Any]) -> AppLayer:
    sourced = tuple(SourcedEntry(Public(name), name, data) for name, data in entries.items())
    return AppLayer.of(Sourced(sourced), UTC, written)


def test_entries_of_the_application_stand_where_the_site_file_says_nothing() -> None:
    layer = layer_of(nightly=NIGHTLY)
    assert layer.under({"own": {"task": "o", "every": "1m"}}) == {
        "nightly": NIGHTLY,
        "own": {"task": "o", "every": "1m"},
    }


def test_the_site_file_overrides_field_by_field() -> None:
    table = layer_of(nightly=NIGHTLY).under(
        {"nightly": {"cron": "0 3 * * *", "options": {"queue": "mine"}, "enabled": False}}
    )
    assert table["nightly"] == {
        **NIGHTLY,
        "cron": "0 3 * * *",
        "options": {"queue": "mine", "expires": "1h"},
        "enabled": False,
    }


def test_another_kind_of_trigger_takes_the_old_one_away_with_what_belongs_to_it() -> None:
    table = layer_of(nightly=NIGHTLY).under({"nightly": {"every": "1h"}})
    assert table["nightly"]["every"] == "1h"
    assert not table["nightly"].keys() & {"cron", "dst"}


def test_what_results_shares_nothing_with_what_was_laid() -> None:
    layer = layer_of(nightly=NIGHTLY)
    layer.under({"nightly": {"enabled": True}})["nightly"]["options"]["queue"] = "changed"
    layer.under({})["nightly"]["kwargs"]["a"] = 2
    assert NIGHTLY["options"] == {"queue": "q", "expires": "1h"}
    assert NIGHTLY["kwargs"] == {"a": 1}


def test_each_field_knows_its_layer_and_variables_count_as_the_sites() -> None:
    layer = layer_of(nightly=NIGHTLY, plain={"task": "t", "every": "1m"})
    written = {"nightly": {"cron": "0 3 * * *"}, "own": {"task": "o", "every": "1m"}}
    final = layer.under(written)
    final["nightly"]["options"]["queue"] = "of a variable"
    found = {str(one.name): one for one in layer.definitions(written, final, [Public(name) for name in final])}
    nightly = {
        str(one.source): data_of({key: it.value for key, it in one.fields.items()}) for one in found["nightly"].layers
    }
    assert nightly == {"app": NIGHTLY, "site": {"cron": "0 3 * * *", "options": {"queue": "of a variable"}}}
    assert [str(one.source) for one in found["plain"].layers] == ["app"]
    assert [str(one.source) for one in found["own"].layers] == ["site"]
    assert (found["nightly"].source, found["plain"].source) == ("site", "app")


def test_what_could_never_fire_stays_behind_unless_the_site_file_mends_it() -> None:
    never = {**NIGHTLY, "cron": "0 0 31 2 *"}
    layer = layer_of(never=never)
    assert layer.entries == {}
    assert [one.original for one in layer.left] == ["never"]
    written = {"never": {"cron": "0 0 28 2 *"}}
    mended = layer_of(written, never=never)
    assert mended.left == ()
    assert mended.under(written)["never"]["cron"] == "0 0 28 2 *"


def test_what_could_not_be_brought_over_is_not_mentioned_where_the_site_file_has_its_own() -> None:
    sourced = Sourced((), (Uncarried("Lazy One", "no"), Uncarried("other", "no")))
    assert [one.original for one in AppLayer.of(sourced, UTC, {"lazy-one": {}}).left] == ["other"]


def test_what_is_no_table_is_left_for_others_to_refuse() -> None:
    layer = layer_of(nightly=NIGHTLY)
    assert layer.under(5) == 5
    assert layer.under({"nightly": 5})["nightly"] == 5
    assert layer_of().under({"a": 1}) == {"a": 1}


def test_names_become_names_of_a_site_file() -> None:
    assert site_name("Nightly Report (ICU)", ()) == "nightly-report-icu"
    assert site_name("celery.backend_cleanup", ()) == "celery.backend_cleanup"
    assert site_name("каждый день", ()) == "entry"
    assert site_name("A", {"a"}) == "a-2"
    assert site_name("A", {"a", "a-2"}) == "a-3"
    assert site_name("A", {"a"}, mark="7") == "a-7"
    long = site_name("x" * 100, {"x" * 64})
    assert len(long) == 64
    assert long.endswith("-2")


def test_headers_given_by_hand_go_before_the_original_name() -> None:
    data = named({"options": {"headers": {"periodic_task_name": "own"}}}, Public("a-b"), "A b")
    assert data["options"]["headers"] == {"periodic_task_name": "own"}
    assert named({"task": "t"}, Public("a"), "a") == {"task": "t"}


def test_a_reason_is_the_text_of_its_error() -> None:
    assert str(Unfit("why")) == Unfit("why").reason == "why"
