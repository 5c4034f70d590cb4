"""Whom a command is for, held against kombu's own node."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import pidbox

from shim.control.audience import EVERYONE, NODES_LIMIT, PATTERN_LIMIT, Audience, Matcher, matches, matching, only
from shim.control.command import Command, control_channel, neighbour_of
from shim.errors import RequestInvalid


def kombu_includes(node: str, **options: Any) -> bool:
    """Ask kombu's node whether it would run a command."""
    ran = []
    kombu: Any = pidbox
    listener = kombu.Node(node, handlers={"ping": lambda _state: ran.append(1)}, mailbox=kombu.Mailbox("celery"))
    listener.handle_message({"method": "ping", "arguments": {}, **options})
    return bool(ran)


NODES = ("w1@host", "w2@host", "w1@other", "celery@host.example", "W1@host", "w[1]@host")


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(
    "pattern", ["*", "w*", "w?@host", "w[12]@*", "w[!1]@*", "w[[]1]@host", "W*", "*@host", "w1@host", "host", ""]
)
def test_a_glob_means_the_same_as_to_kombu(node: str, pattern: str) -> None:
    if not pattern:
        with pytest.raises(RequestInvalid):
            matching(pattern)
        return
    assert matching(pattern).includes(node) is kombu_includes(node, pattern=pattern, matcher="glob")


@given(pattern=st.text("w1*?[]!-@h.", min_size=1, max_size=8), node=st.text("w1[]!-@h.", min_size=1, max_size=8))
def test_any_glob_means_the_same_as_to_kombu(pattern: str, node: str) -> None:
    assert matching(pattern).includes(node) is kombu_includes(node, pattern=pattern, matcher="glob")


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
@given(pattern=st.text(r"w1*?[]()|+.^$\d@", min_size=1, max_size=8), node=st.text("w1@.^$", min_size=1, max_size=6))
def test_any_regular_expression_means_the_same_as_to_kombu_or_is_refused(pattern: str, node: str) -> None:
    try:
        audience = matching(pattern, "pcre")
    except RequestInvalid:
        with pytest.raises(re.error):
            kombu_includes(node, pattern=pattern, matcher="pcre")
        assert not matches(node, pattern, "pcre")
        return
    assert audience.includes(node) is kombu_includes(node, pattern=pattern, matcher="pcre")


def test_names_are_exact_and_each_counts_once() -> None:
    audience = only("w1@host", "w2@host", "w1@host")
    assert audience.destination == ("w1@host", "w2@host")
    assert [node for node in NODES if audience.includes(node)] == ["w1@host", "w2@host"]
    assert all(EVERYONE.includes(node) for node in NODES)


def test_nobody_is_never_taken_for_everyone() -> None:
    """Celery takes an empty list of nodes, or an empty pattern, for all of them."""
    assert kombu_includes("w1@host", destination=[])
    with pytest.raises(RequestInvalid):
        only()
    with pytest.raises(RequestInvalid):
        matching("")
    with pytest.raises(RequestInvalid):
        Audience(destination=())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"destination": ("",)}, "name"),
        ({"destination": ("a\nb",)}, "name"),
        ({"destination": ("x" * 256,)}, "name"),
        ({"destination": (5,)}, "name"),
        ({"destination": "w1@host"}, "destination"),
        ({"destination": ["w1@host"]}, "destination"),
        ({"destination": ("w@h",) * (NODES_LIMIT + 1)}, "destination"),
        ({"destination": ("w@h",), "pattern": "*"}, "pattern"),
        ({"pattern": "x" * (PATTERN_LIMIT + 1)}, "pattern"),
        ({"pattern": 5}, "pattern"),
        ({"pattern": "(", "matcher": "pcre"}, "no regular expression"),
        ({"pattern": "x{99999999999}", "matcher": "pcre"}, "no regular expression"),
        ({"pattern": "*", "matcher": "exact"}, "matcher"),
    ],
)
def test_what_nodes_would_misunderstand_is_refused_with_the_reason(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestInvalid, match=told):
        Audience(**wrong)


@pytest.mark.parametrize("matcher", ["glob", "pcre"])
def test_a_pattern_that_is_a_plain_name_matches_it(matcher: Matcher) -> None:
    assert matching("w1@host", matcher).includes("w1@host")


@pytest.mark.parametrize(
    ("options", "channel"),
    [
        ({"database": 0}, "/0.celery.pidbox"),
        ({"database": 12, "key_prefix": "pre:"}, "pre:/12.celery.pidbox"),
        ({"database": 1, "namespace": "ward"}, "/1.ward.pidbox"),
        ({"database": 1, "fanout_prefix": ""}, "celery.pidbox"),
        ({"database": 1, "fanout_prefix": "/x{db}."}, "/x1.celery.pidbox"),
        ({"database": 1, "fanout_prefix": "/{{db}}."}, "/{db}.celery.pidbox"),
    ],
)
def test_the_channel_is_named_as_kombu_names_it(options: dict[str, Any], channel: str) -> None:
    assert control_channel(**options) == channel


@pytest.mark.parametrize("prefix", ["{", "{}", "{0}", "{host}", "{db.x}", "{db!q}"])
def test_a_prefix_that_cannot_be_filled_in_is_refused(prefix: str) -> None:
    with pytest.raises(RequestInvalid, match="fanout_prefix"):
        control_channel(0, fanout_prefix=prefix)


def test_a_pattern_wider_than_the_channel_matches_its_neighbour_too() -> None:
    channel = control_channel(0)
    assert neighbour_of(channel) != channel
    for pattern in ("*", "/*", "/0.*", "/0.celery*", "/0.celery.pidbo?", "*.celery.*"):
        assert matches(channel, pattern, "glob")
        assert matches(neighbour_of(channel), pattern, "glob")


def test_a_command_shows_no_arguments() -> None:
    assert "4711" not in repr(Command("revoke", {"task_id": "patient-4711"}))
    with pytest.raises(RequestInvalid, match="method"):
        Command("")
