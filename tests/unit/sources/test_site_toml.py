"""Entries as the text of a site file."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.public import Public
from daemon.sources.site_toml import only_writable, site_text
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried

HEAD = {"site": {"name": "ward", "state_dir": "state"}}


def entry(name: str = "e", **data: Any) -> SourcedEntry:
    return SourcedEntry(Public(name), name, {"task": "t", "every": "1m", **data})


def test_differences_and_the_last_run_stand_above_an_entry_and_what_stays_behind_at_the_end() -> None:
    one = SourcedEntry(
        Public("e"), "e", {"task": "t", "every": "1m"}, ("It differs.",), datetime(2026, 1, 2, tzinfo=UTC)
    )
    text = site_text(HEAD, ["From somewhere."], Sourced((one,), (Uncarried("x", "no reason"),)))
    assert text == (
        '# From somewhere.\n\n[site]\nname = "ward"\nstate_dir = "state"\n\n# last run 2026-01-02T00:00:00Z\n# It differs.\n'
        '[schedule.e]\ntask = "t"\nevery = "1m"\n\n# What stays behind:\n# x: no reason\n'
    )


_VALUES = st.recursive(
    st.one_of(
        st.text(),
        st.integers(-(2**63), 2**63 - 1),
        st.booleans(),
        st.floats(allow_nan=False),
        st.datetimes(),
        st.dates(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), _VALUES, max_size=4), st.text())
def test_any_arguments_are_read_back_as_they_were_and_no_remark_gets_out_of_its_line(
    kwargs: dict[str, Any], remark: str
) -> None:
    one = SourcedEntry(Public("a.b"), "a.b", {"task": "t", "kwargs": kwargs}, (remark,))
    read = tomllib.loads(site_text(HEAD, [remark], Sourced((one,), (Uncarried(remark, remark),))))
    assert read == {**HEAD, "schedule": {"a.b": {"task": "t", "kwargs": kwargs}}}


@pytest.mark.parametrize(
    ("value", "said"), [(None, "null"), ([1, {"a": None}], "null"), (Decimal(1), "Decimal"), (b"x", "bytes")]
)
def test_what_toml_cannot_say_stays_behind(value: object, said: str) -> None:
    writable = only_writable(Sourced((entry("a", args=[value]), entry("b"))))
    assert [str(one.name) for one in writable.entries] == ["b"]
    assert said in writable.left[0].reason


@pytest.mark.parametrize("value", [True, 1, 2.5, "x", datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), time(3)])
def test_what_it_can_say_comes_along(value: object) -> None:
    sourced = Sourced((entry(kwargs={"a": [value]}),))
    assert only_writable(sourced) == sourced
