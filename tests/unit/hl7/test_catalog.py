"""From the site file to feeds, with every problem named."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.catalog import read_feeds
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.routes.arguments import WHOLE, Arguments, Pick
from daemon.hl7listener.routes.condition import Condition
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.text.content import BatchReply, Content
from daemon.hl7listener.text.path import parse_path
from daemon.hl7listener.text.segments import SegmentEnd
from daemon.hl7listener.wire.framing import Limits
from daemon.public import Public
from daemon.settings import Problem, Settings, Severity
from daemon.settings.values import Address

ROUTE = {"type": "ADT", "task": "t"}


def read(feeds: dict[str, dict[str, Any]], **sections: Any) -> tuple[tuple[Feed, ...], tuple[Problem, ...]]:
    site = {"name": "site", "state_dir": "/nowhere"}
    return read_feeds(Settings.model_validate({"site": site, "feed": feeds, **sections}))


def only(section: dict[str, Any]) -> tuple[Feed, tuple[Problem, ...]]:
    [feed], problems = read({"adt": {"listen": "127.0.0.1:2575", "route": [ROUTE], **section}})
    return feed, problems


def test_a_feed_has_the_defaults_of_the_settings() -> None:
    feed, problems = only({})
    assert problems == ()
    assert feed.name == Public("adt")
    assert feed.peers.listen == (Address("127.0.0.1", 2575),)
    assert (feed.answering.mode, feed.routing.parks_unrouted, feed.content.charset, feed.framing.limits) == (
        AckMode.MSH,
        False,
        "cp1252",
        Limits(),
    )


def test_every_setting_of_a_feed_is_taken_over() -> None:
    feed, problems = only(
        {
            "ack": "enhanced",
            "unrouted": "park",
            "charset": "iso8859-2",
            "frame_limit": "1MiB",
            "connections": 3,
            "idle_timeout": "1m",
            "frame_timeout": "2s",
            "write_timeout": "3s",
        }
    )
    assert problems == ()
    assert (feed.answering.mode, feed.routing.parks_unrouted, feed.content.charset) == (
        AckMode.ENHANCED,
        True,
        "iso8859-2",
    )
    assert feed.framing.limits == Limits(frame_bytes=1024**2, connections=3, idle_s=60, frame_s=2, write_s=3)


@pytest.mark.parametrize("mode", AckMode)
def test_every_mode_can_be_set(mode: AckMode) -> None:
    assert only({"ack": mode.value})[0].answering.mode is mode


def test_every_setting_of_a_route_is_taken_over() -> None:
    route = {
        "type": ["ADT", "S*"],
        "event": "A01",
        "task": "t",
        "kwargs": {"mrn": "PID-3.1"},
        "queue": "q",
        "priority": 3,
        "expires": "1.5s",
    }
    feed, problems = only({"route": [route]})
    assert problems == ()
    [found] = feed.routing.routes
    assert found.condition == Condition(words(["ADT", "S*"]), words(["A01"]))
    assert (found.task, found.queue, found.priority, found.expires_us) == ("t", "q", 3, 1_500_000)
    assert found.arguments == Arguments(kwargs={"mrn": Pick(parse_path("PID-3.1"))}, document_as="")


def test_routes_keep_their_order() -> None:
    feed, _ = only({"route": [{"task": "first"}, {"task": "second"}]})
    assert [route.task for route in feed.routing.routes] == ["first", "second"]


def test_without_kwargs_a_route_hands_over_the_whole_document() -> None:
    assert only({})[0].routing.routes[0].arguments == WHOLE
    assert only({"route": [{**ROUTE, "kwargs": {}}]})[0].routing.routes[0].arguments == Arguments(document_as="")


def test_each_path_that_is_none_is_a_problem_at_its_key() -> None:
    _, problems = only({"route": [ROUTE, {**ROUTE, "kwargs": {"a": "PID-3", "b": "pid-3", "c": "PID-0"}}]})
    assert [problem.path for problem in problems] == [
        ("feed", "adt", "route", 1, "kwargs", "b"),
        ("feed", "adt", "route", 1, "kwargs", "c"),
    ]
    assert all(problem.severity is Severity.ERROR and problem.hint for problem in problems)


@pytest.mark.parametrize("charset", ["nonsense", "utf-16", "unicode_escape"])
def test_a_default_character_set_must_keep_ascii(charset: str) -> None:
    [problem] = only({"charset": charset})[1]
    assert problem.path == ("feed", "adt", "charset")
    assert charset in problem.message


def test_a_feed_says_how_it_reads_content() -> None:
    feed, problems = only(
        {
            "charset": "latin-1",
            "charset_force": True,
            "charset_invalid": "keep",
            "timezone": "Europe/Berlin",
            "batch_reply": "errors",
            "batch_limit": 7,
            "segment_end": "cr",
        }
    )
    assert problems == ()
    zone = ZoneInfo("Europe/Berlin")
    assert feed.content == Content("iso8859-1", True, True, zone, BatchReply.ERRORS, 7, SegmentEnd.CR)  # noqa: FBT003


def test_unless_it_says_otherwise_a_feed_reads_content_as_it_is_declared() -> None:
    assert only({})[0].content == Content()


def test_a_feed_that_would_reject_everything_is_a_problem() -> None:
    [problem] = only({"route": []})[1]
    assert problem.path == ("feed", "adt", "route")
    assert only({"route": [], "unrouted": "park"})[1] == ()


def test_listening_to_the_network_without_encryption_is_a_warning() -> None:
    [problem] = only({"listen": "0.0.0.0:2575"})[1]
    assert (problem.path, problem.severity) == (("feed", "adt", "listen"), Severity.WARNING)


def test_every_setting_of_framing_is_taken_over() -> None:
    feed, problems = only(
        {
            "framing": "strict",
            "mllp_release": 2,
            "connections_per_peer": 7,
            "in_flight": "2MiB",
            "min_rate": "1KiB",
        }
    )
    assert problems == ()
    framing = feed.framing
    assert (framing.is_strict, framing.release) == (True, 2)
    assert framing.limits == Limits(connections_per_peer=7, in_flight_bytes=2 * 1024**2, min_rate_bytes=1024)
    assert only({"frame_grace": "2s"})[0].framing.grace_s == 2.0


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("frame_grace", {"framing": "strict", "frame_grace": "1s"}),
        ("min_rate", {"min_rate": "1MiB"}),
        ("connections_per_peer", {"connections": 4, "connections_per_peer": 5}),
    ],
)
def test_settings_of_framing_that_say_nothing_are_warned_of(key: str, section: dict[str, Any]) -> None:
    [problem] = only(section)[1]
    assert (problem.path, problem.severity) == (("feed", "adt", key), Severity.WARNING)


def test_a_feed_may_listen_on_several_addresses_or_on_sockets_of_systemd_alone() -> None:
    addresses = ["127.0.0.1:2575", "[::1]:2575", "127.0.0.1:2576"]
    feed, problems = only({"listen": addresses})
    assert problems == ()
    assert [str(address) for address in feed.peers.listen] == addresses
    assert not feed.peers.inherited_only
    feed, problems = only({"listen": "systemd"})
    assert problems == ()
    assert (feed.peers.listen, feed.peers.inherited_only) == ((), True)


def test_a_feed_may_connect_out_instead_of_listening_or_besides() -> None:
    [feed], problems = read(
        {"adt": {"connect": "10.1.2.3:2575", "connect_retry": "5s", "route": [ROUTE], "plaintext": "accepted"}}
    )
    assert problems == ()
    assert (feed.peers.listen, feed.peers.connect, feed.peers.retry_s) == ((), Address("10.1.2.3", 2575), 5.0)
    assert only({"connect": "lab.example:2575"})[0].peers.connect == Address("lab.example", 2575)


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"listen": []},
        {"listen": ["127.0.0.1:2575", "127.0.0.1:2575"]},
        {"listen": [f"127.0.0.1:{port}" for port in range(1, 18)]},
        {"listen": ["systemd", "127.0.0.1:2575"]},
        {"connect": "10.1.2.3:0"},
        {"connect": "10.1.2.3"},
        {"listen": "127.0.0.1:1", "framing": "loose"},
        {"listen": "127.0.0.1:1", "mllp_release": 3},
        {"listen": "127.0.0.1:1", "frame_grace": "31s"},
        {"listen": "127.0.0.1:1", "in_flight": "1KiB"},
        {"listen": "127.0.0.1:1", "connections_per_peer": 0},
    ],
)
def test_feeds_that_cannot_be_are_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read({"adt": {"route": [ROUTE], **section}})


def test_within_a_feed_all_ipv4_and_all_ipv6_addresses_do_not_collide_and_others_do() -> None:
    both = {"plaintext": "accepted"}
    assert only({**both, "listen": ["0.0.0.0:2575", "[::]:2575"]})[1] == ()
    [collision] = only({**both, "listen": ["0.0.0.0:2575", "127.0.0.1:2575"]})[1]
    assert "the same feed" in collision.message


def feeds_at(*addresses: str) -> dict[str, dict[str, Any]]:
    return {f"feed{number}": {"listen": address, "route": [ROUTE]} for number, address in enumerate(addresses)}


@pytest.mark.parametrize("second", ["127.0.0.1:2575", "0.0.0.0:2575", "[::]:2575"])
def test_two_feeds_cannot_share_an_address(second: str) -> None:
    _, problems = read(feeds_at("127.0.0.1:2575", second))
    [collision] = [problem for problem in problems if problem.severity is Severity.ERROR]
    assert collision.path == ("feed", "feed1", "listen")
    assert "feed.feed0.listen" in collision.message


def test_a_feed_cannot_take_the_address_of_the_api() -> None:
    _, problems = read(feeds_at("127.0.0.1:8674"))
    [collision] = [problem for problem in problems if problem.severity is Severity.ERROR]
    assert "api.listen" in collision.message


def test_a_port_chosen_by_the_system_collides_with_nothing() -> None:
    _, problems = read(feeds_at("127.0.0.1:0", "127.0.0.1:0"))
    assert problems == ()


def test_every_problem_of_every_feed_is_told_at_once() -> None:
    feeds: dict[str, dict[str, Any]] = {
        "one": {"listen": "127.0.0.1:1", "charset": "nonsense", "route": []},
        "two": {"listen": "127.0.0.1:1", "route": [{**ROUTE, "kwargs": {"x": "?"}}]},
    }
    found, problems = read(feeds)
    assert len(found) == 2
    assert {problem.path[:3] for problem in problems} == {
        ("feed", "one", "charset"),
        ("feed", "one", "route"),
        ("feed", "two", "route"),
        ("feed", "two", "listen"),
    }
