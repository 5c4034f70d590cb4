"""Addresses of RabbitMQ, against kombu's reading of them."""

from __future__ import annotations

import ssl
from typing import Any

import kombu
import pytest

from shim.amqp.url import AmqpTls, AmqpUrl, parse_amqp_urls
from shim.errors import BrokerUrlInvalid

Connection: Any = kombu.Connection  # type: ignore[attr-defined]

ADDRESSES = [
    "amqp://",
    "amqp://localhost",
    "amqp://host",
    "amqp://host/",
    "amqp://host//",
    "amqp://host/%2F",
    "amqp://host/vhost",
    "amqp://host//vhost",
    "amqp://host/a/b",
    "amqp://host/%2Fvhost",
    "amqp://host/a%20b",
    "amqp://user@host",
    "amqp://user:pass@host:5673/v",
    "amqp://us%40er:p%40ss%2Fword%3A@host/v",
    "pyamqp://user:pass@host//",
    "amqp://:pass@host",
    "amqp://[::1]:5672/v",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_means_what_kombu_reads_in_it(address: str) -> None:
    [ours] = parse_amqp_urls(address)
    theirs = Connection(address)
    host = {None: "127.0.0.1", "localhost": "127.0.0.1"}.get(theirs.hostname, theirs.hostname)
    assert (ours.host, ours.port, ours.virtual_host) == (host, theirs.port or 5672, theirs.virtual_host)
    assert (ours.user, ours.password) == (theirs.userid or "guest", theirs.password or "guest")
    assert ours.tls is None


def test_several_addresses_are_tried_in_the_order_they_are_written() -> None:
    found = parse_amqp_urls("amqp://u:p@a/v;amqp://x:y@b:5673/w; amqp://c")
    assert [(one.host, one.port, one.user, one.virtual_host) for one in found] == [
        ("a", 5672, "u", "v"),
        ("b", 5673, "x", "w"),
        ("c", 5672, "guest", "/"),
    ]


def test_a_further_host_shares_the_rest_with_the_first_as_kombu_has_it() -> None:
    text = "amqp://u:p@a:5673/v;b"
    theirs = Connection(text)
    theirs.switch("b")
    second = parse_amqp_urls(text)[1]
    assert (second.host, second.port, second.user, second.password, second.virtual_host) == (
        theirs.hostname, theirs.port, theirs.userid, theirs.password, theirs.virtual_host,
    )  # fmt: skip
    assert parse_amqp_urls("amqp://u:p@a/v;b:5999")[1].port == 5999


@pytest.mark.parametrize("text", ["amqp://user:geheim@host:5672/v", "amqps://user:geheim@h", "amqp://a:geheim@h;b"])
def test_the_password_is_never_shown(text: str) -> None:
    for url in parse_amqp_urls(text):
        assert url.password == "geheim"
        assert "geheim" not in f"{url} {url!r} {[url]}"
        assert ":***@" in str(url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host:5672",
        "redis://geheim@host",
        "amqp://user:geheim@host:port",
        "amqp://[geheim",
        "amqp://host?geheim=1",
        "amqps://host?ssl_geheim=1",
        "amqp://a;user:geheim@b",
        "amqp://a;",
        "amqp://host/a%25geheim",
        "amqps://h?ssl_cert_reqs=geheim",
    ],
)
def test_what_is_no_address_is_refused_without_showing_a_password(text: str) -> None:
    with pytest.raises(BrokerUrlInvalid) as caught:
        parse_amqp_urls(text)
    assert caught.value.hint
    shown = str(caught.value).replace("'geheim'", "").replace("'ssl_geheim'", "")  # names of options may be shown
    assert "geheim" not in shown


def test_tls_is_checked_in_full_unless_said_otherwise() -> None:
    [url] = parse_amqp_urls("amqps://host")
    assert url == AmqpUrl("host", 5671, "guest", "guest", "/", AmqpTls())
    assert url.tls == AmqpTls(is_verified=True, check_hostname=True)


@pytest.mark.parametrize("reqs", [ssl.CERT_NONE, "CERT_NONE", "none", 0])
def test_celerys_tls_settings_are_read(reqs: object) -> None:
    files = {"ca_certs": "/ca.pem", "certfile": "/c.pem", "keyfile": "/k.pem"}
    [url] = parse_amqp_urls("amqp://host", use_ssl={**files, "cert_reqs": ssl.CERT_REQUIRED})
    assert url.port == 5671
    assert url.tls == AmqpTls("/ca.pem", "/c.pem", "/k.pem")
    [url] = parse_amqp_urls("amqps://host", use_ssl={**files, "cert_reqs": reqs})
    assert url.tls == AmqpTls("/ca.pem", "/c.pem", "/k.pem", is_verified=False, check_hostname=False)


def test_tls_options_may_stand_in_the_address() -> None:
    [url] = parse_amqp_urls("amqps://h?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required&ssl_check_hostname=false")
    assert url.tls == AmqpTls("/ca.pem", check_hostname=False)


def test_true_alone_asks_for_tls() -> None:
    [url] = parse_amqp_urls("amqp://h", use_ssl=True)
    assert url.tls == AmqpTls()
