"""Templates in arguments: what each name becomes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.scheduler.template import DEPTH_LIMIT, NAMES, Context, check, needs, render

AT_US = 1_793_230_500_000_000
"""2026-10-28T23:35:00Z; the next day in Auckland, the same evening in New York."""
DAY_US = 86_400_000_000
FULL = Context(
    "ward-7", "nightly", "id-1", AT_US, "Pacific/Auckland", AT_US - DAY_US, AT_US - 2 * DAY_US, AT_US - 3 * DAY_US
)
FIRST = Context("ward-7", "nightly", "id-1", AT_US)

EACH = {
    "occurrence": "2026-10-28T23:35:00+00:00",
    "occurrence_local": "2026-10-29T12:35:00+13:00",
    "occurrence_date": "2026-10-29",
    "occurrence_unix": AT_US // 1_000_000,
    "previous": "2026-10-27T23:35:00+00:00",
    "last_success": "2026-10-26T23:35:00+00:00",
    "last_run": "2026-10-25T23:35:00+00:00",
    "entry": "nightly",
    "site": "ward-7",
    "task_id": "id-1",
}


def test_every_name_has_its_value() -> None:
    assert EACH.keys() == NAMES
    assert render([f"{{{{ {name} }}}}" for name in EACH], FULL) == list(EACH.values())


@pytest.mark.parametrize("name", sorted(NAMES))
def test_spaces_around_a_name_do_not_matter_and_a_text_around_it_stays(name: str) -> None:
    assert render(f"{{{{{name}}}}}", FULL) == EACH[name]
    assert render(f"<{{{{  {name} }}}}>", FULL) == f"<{EACH[name]}>"


def test_what_there_is_not_yet_is_null_by_itself_and_nothing_in_a_text() -> None:
    value = ["{{ previous }}", "{{ last_success }}", "{{ last_run }}", "since {{ previous }}."]
    assert render(value, FIRST) == [None, None, None, "since ."]


def test_templates_are_filled_in_wherever_they_stand_but_not_in_keys() -> None:
    value = {"{{ site }}": [{"a": ("{{ entry }}", 1, None)}, "x {{ entry }}/{{ site }}"]}
    assert render(value, FULL) == {"{{ site }}": [{"a": ["nightly", 1, None]}, "x nightly/ward-7"]}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{{{{", "{{"),
        ("{{{{ occurrence }}", "{{ occurrence }}"),
        ("{{{{{{ entry }}", "{{nightly"),
        ("a } b }} c { d", "a } b }} c { d"),
        ("{ {entry} }", "{ {entry} }"),
    ],
)
def test_marks_can_be_written_as_they_are(text: str, becomes: str) -> None:
    assert check(text) == []
    assert render(text, FULL) == becomes


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{{ occurence }}", '"occurence" is not the name of a template', 'did you mean "occurrence"?'),
        ("{{ }}", '"" is not the name of a template', "known here: entry, "),
        ("{{ entry | upper }}", '"entry | upper" is not the name of a template', ""),
        ("{{ entry.name }}", '"entry.name" is not the name of a template', ""),
        ("{{ entry", "a template has no end", "write {{ occurrence }}"),
    ],
)
def test_what_cannot_be_filled_in_is_refused_where_it_stands(text: str, message: str, hint: str) -> None:
    [problem] = check({"a": ["fine {{ entry }}", text]}, ("schedule", "e", "kwargs"))
    assert (problem.path, problem.message) == (("schedule", "e", "kwargs", "a", 1), message)
    assert problem.hint.startswith(hint)


def test_what_no_message_is_made_of_is_not_looked_into() -> None:
    value: Any = "{{ nobody }}"
    for _ in range(DEPTH_LIMIT):
        value = [value]
    assert len(check(value)) == 1
    assert check([value]) == []


def test_what_is_needed_is_known_before_anything_is_rendered() -> None:
    assert needs({"a": [1, "plain", "{{ previous }} {{ site }}"]}) == {"previous", "site"}
    assert needs(("plain", {"b": None})) == frozenset()
    assert needs("{{{{") != frozenset()


scalars = st.none() | st.booleans() | st.integers() | st.text(alphabet="ab{}")
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="k{"), inner))


@given(values)
def test_what_needs_nothing_stays_as_it_is_and_anything_can_be_rendered(value: Any) -> None:
    filled = render(value, FULL)
    if not check(value) and not needs(value):
        assert filled == value


@given(st.text())
def test_any_text_can_be_written_with_its_marks_doubled(text: str) -> None:
    escaped = text.replace("{{", "{{{{")
    if "{{{" not in text:  # an odd brace before a mark has no unique way to be doubled
        assert check(escaped) == []
        assert render(escaped, FULL) == text
