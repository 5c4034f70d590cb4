"""Whom a request is meant for, and where it comes from: tables of what browsers, proxies and attackers send."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.access.origin import Seen, is_ours, is_same, name_of, seen

PROXIES = (ip_network("10.0.0.1/32"), ip_network("2001:db8::1/128"))
HOSTS = frozenset(("carillon.example.org",))


def told(peer: str = "10.0.0.1", **headers: str | Sequence[str]) -> Seen:
    kept = {name.replace("_", "-").lower(): value for name, value in headers.items()}

    def values(name: str) -> Sequence[str]:
        found = kept.get(name.lower(), ())
        return [found] if isinstance(found, str) else found

    return seen(peer, "http", "inner:8674", values, PROXIES)


def test_what_a_stranger_says_of_itself_is_not_read() -> None:
    found = told("192.0.2.9", X_Forwarded_For="1.1.1.1", X_Forwarded_Proto="https", X_Forwarded_Host="evil.example")
    assert found == Seen("192.0.2.9", "http", "inner:8674")


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ("198.51.100.4", "198.51.100.4"),
        ("1.1.1.1, 198.51.100.4", "198.51.100.4"),
        ("198.51.100.4, 10.0.0.1", "198.51.100.4"),
        (["1.1.1.1", "198.51.100.4"], "198.51.100.4"),
        ("[2001:db8:5::9]:4711", "2001:db8:5::9"),
        ("198.51.100.4:4711", "198.51.100.4"),
        ("1.1.1.1, unknown", "10.0.0.1"),
        ("1.1.1.1, <script>", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("1.1.1.1," * 1000, "10.0.0.1"),
    ],
)
def test_of_a_chain_the_last_address_that_no_trusted_proxy_has_counts(hops: str | list[str], address: str) -> None:
    assert told(X_Forwarded_For=hops).address == address


def test_a_trusted_proxy_says_scheme_and_host() -> None:
    found = told(X_Forwarded_For="198.51.100.4", X_Forwarded_Proto="https", X_Forwarded_Host="Carillon.example.org")
    assert found == Seen("198.51.100.4", "https", "carillon.example.org")
    assert told(X_Forwarded_Proto="gopher").scheme == "http"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=198.51.100.4;proto=https;host=a.example", Seen("198.51.100.4", "https", "a.example")),
        ('For="[2001:db8:5::9]:4711"', Seen("2001:db8:5::9", "http", "inner:8674")),
        ("for=1.1.1.1, for=198.51.100.4", Seen("198.51.100.4", "http", "inner:8674")),
        ("for=_hidden", Seen("10.0.0.1", "http", "inner:8674")),
        (";;;=,", Seen("10.0.0.1", "http", "inner:8674")),
    ],
)
def test_the_standard_header_is_read_where_the_others_are_not_there(header: str, expected: Seen) -> None:
    assert told(Forwarded=header) == expected


def test_the_standard_header_is_left_alone_beside_the_others() -> None:
    assert told(Forwarded="for=1.1.1.1;host=evil.example", X_Forwarded_For="198.51.100.4") == Seen(
        "198.51.100.4", "http", "inner:8674"
    )


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8674", "127.0.0.1:8674", "[::1]:8674", "[::1]", "192.0.2.7", "carillon.example.org",
     "CARILLON.example.org:443", "carillon.example.org."],
)  # fmt: skip
def test_our_own_names_and_addresses_are_ours(host: str) -> None:
    assert is_ours(host.lower(), HOSTS)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8674", "localhost.evil.example", "carillon.example.org.evil.example",
     "127.0.0.1.evil.example", "evil.example@127.0.0.1", "127.0.0.1/evil", "", ":8674", "[::1", "localhost:x",
     "localhost:99999999", "a b", "local\thost", "l\u043ecalhost", "x" * 300, "[evil.example]", "carillon"],
)  # fmt: skip
def test_other_names_are_not_ours(host: str) -> None:
    assert not is_ours(host, HOSTS)


@given(st.text(max_size=40))
def test_whatever_stands_in_host_is_read_or_refused(host: str) -> None:
    name = name_of(host)
    assert name is None or not set(name) & set("/\\@?#, \t")


CLEAR = Seen("192.0.2.1", "http", "carillon.example.org:8674")
SECURE = Seen("192.0.2.1", "https", "carillon.example.org")


@pytest.mark.parametrize(
    ("origin", "here"),
    [
        ("http://carillon.example.org:8674", CLEAR),
        ("https://carillon.example.org:8674", CLEAR),  # TLS ends before us, and nobody told us
        ("https://carillon.example.org", SECURE),
        ("https://carillon.example.org:443", SECURE),
        ("HTTPS://Carillon.Example.org", SECURE),
    ],
)
def test_our_own_page_is_known(origin: str, here: Seen) -> None:
    assert is_same(origin, here)


@pytest.mark.parametrize(
    ("origin", "here"),
    [
        ("null", CLEAR),
        ("", CLEAR),
        ("http://carillon.example.org", CLEAR),
        ("http://carillon.example.org:8675", CLEAR),
        ("http://carillon.example.org.evil.example:8674", CLEAR),
        ("http://evil.example", CLEAR),
        ("http://carillon.example.org:8674@evil.example", CLEAR),
        ("http://carillon.example.org:8674/", CLEAR),
        ("http://carillon.example.org:8674, http://evil.example", CLEAR),
        ("file://carillon.example.org:8674", CLEAR),
        ("http://carillon.example.org", SECURE),
        ("http://[::1", CLEAR),
        ("https://" + "a" * 5000, SECURE),
    ],
)
def test_other_pages_are_not_taken_for_ours(origin: str, here: Seen) -> None:
    assert not is_same(origin, here)
