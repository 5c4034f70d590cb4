"""Addresses of sentinels, in kombu's form; kombu is asked what it reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection
from kombu.transport.redis import SentinelChannel
from redis.asyncio.connection import SSLConnection, parse_url

from shim.broker_url import BrokerUrl, parse_broker_url
from shim.errors import BrokerUrlInvalid

NAMED = {"master_name": "mymaster"}


def sentinel_url(text: str, *, use_ssl: Any = None, **options: Any) -> BrokerUrl:
    return parse_broker_url(text, use_ssl=use_ssl, transport_options={**NAMED, **options})


def kombu_reads(text: str, **options: Any) -> Any:
    """Give the sentinels kombu would ask, and what it would tell the master, as redis-py's objects have them."""
    channel: Any = SentinelChannel.__new__(SentinelChannel)
    client = Connection(text)  # type: ignore[no-untyped-call]
    channel.connection = SimpleNamespace(client=client, default_port=26379)
    for name, value in {**NAMED, **options}.items():
        setattr(channel, name, value)
    pool = channel._sentinel_managed_pool()
    asked = [one.connection_pool.connection_kwargs for one in channel._sentinel_manager.sentinels]
    of_master = {name: pool.connection_kwargs.get(name) for name in ("db", "username", "password")}
    keys = ("host", "port", "username", "password")
    return [{name: one.get(name) for name in keys} for one in asked], of_master


def this_reads(text: str, **options: Any) -> Any:
    url = sentinel_url(text, **options)
    asked: list[dict[str, Any]] = [dict(parse_url(one)) for one in url.sentinels]
    master: dict[str, Any] = dict(parse_url(url.address))
    keys = ("host", "port", "username", "password")
    of_master = {name: master.get(name) for name in ("db", "username", "password")}
    return [{name: one.get(name) for name in keys} for one in asked], of_master


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("sentinel://h1:26379;sentinel://h2:26379;sentinel://h3:26379/0", {}),
        ("sentinel://h1:26379;sentinel://h2:1/0", {}),
        ("sentinel://h1/3;sentinel://h2/3", {}),
        ("sentinel://h1;sentinel://h2", {}),
        ("sentinel://one:5000/2", {}),
        ("sentinel://:p%40ss@h1:1;sentinel://:p%40ss@h2:2/0", {}),
        ("sentinel://user:pw@h1:1;sentinel://h2:2/0", {}),
        ("sentinel://h1;sentinel://h2/0", {"sentinel_kwargs": {"password": "of sentinels/@"}}),
        ("sentinel://h1;sentinel://h2/0", {"sentinel_kwargs": {"username": "u", "password": "p", "socket_timeout": 1}}),
        ("sentinel://[::1]:5;sentinel://h2/0", {}),
    ],
)
def test_this_client_and_kombu_read_the_same_sentinels_and_master_alike(text: str, options: Any) -> None:
    assert this_reads(text, **options) == kombu_reads(text, **options)


def test_what_is_read_says_where_to_ask_and_for_whom() -> None:
    url = sentinel_url("sentinel://h1/1;sentinel://h2/1", min_other_sentinels=1, visibility_timeout=3600)
    assert (len(url.sentinels), url.master_name, url.min_other_sentinels, url.database) == (2, "mymaster", 1, 1)


def test_the_masters_place_is_one_that_nobody_can_be_connected_to_by_mistake() -> None:
    read: dict[str, Any] = dict(parse_url(sentinel_url("sentinel://h1/0").address))
    assert read["host"].endswith(".invalid")


def test_an_address_without_sentinels_has_none() -> None:
    url = parse_broker_url("redis://h/0", transport_options={**NAMED, "min_other_sentinels": 2})
    assert (url.sentinels, url.master_name, url.min_other_sentinels) == ((), "", 0)


def test_tls_of_the_master_is_asked_for_as_with_celery_and_that_of_the_sentinels_apart() -> None:
    for url in (
        sentinel_url("sentinel://h1/0", use_ssl={"ssl_cert_reqs": "required", "ssl_ca_certs": "ca.pem"}),
        sentinel_url("sentinel://h1/0?ssl_cert_reqs=required&ssl_ca_certs=ca.pem"),
    ):
        master: dict[str, Any] = dict(parse_url(url.address))
        assert (master["connection_class"], master["ssl_ca_certs"]) == (SSLConnection, "ca.pem")
        assert "connection_class" not in parse_url(url.sentinels[0])
    options = {"ssl": True, "ssl_ca_certs": "other.pem", "ssl_check_hostname": False}
    url = sentinel_url("sentinel://h1;sentinel://h2/0", sentinel_kwargs=options)
    assert "connection_class" not in parse_url(url.address)
    for one in url.sentinels:
        asked: dict[str, Any] = dict(parse_url(one))
        assert (asked["connection_class"], asked["ssl_ca_certs"]) == (SSLConnection, "other.pem")
        assert asked["ssl_check_hostname"] is False


def test_tls_options_of_sentinels_without_ssl_are_passed_over_as_redis_py_does() -> None:
    url = sentinel_url("sentinel://h1/0", sentinel_kwargs={"ssl_cert_reqs": "none"})
    assert url.sentinels == ("redis://h1:26379/0",)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sentinel://h1:1;sentinel://h2/2", None),
        ("sentinel://h1:1/2;sentinel://h2/2", "sentinel://h1:1;sentinel://h2:26379/2"),
        ("sentinel://:hunter2@h1;sentinel://:hunter2@h2", "sentinel://:***@h1:26379;sentinel://:***@h2:26379/0"),
        ("sentinel://u:hunter2@h1", "sentinel://u:***@h1:26379/0"),
    ],
)
def test_no_password_is_shown(text: str, shown: str | None) -> None:
    if shown is None:
        with pytest.raises(BrokerUrlInvalid):
            sentinel_url(text)
        return
    url = sentinel_url(text, sentinel_kwargs={"password": "hunter3", "ssl": True, "ssl_password": "hunter4"})
    assert "hunter3" in url.sentinels[0]
    assert "hunter4" in url.sentinels[0]
    assert (str(url), repr(url)) == (shown, f"BrokerUrl({shown!r})")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("sentinel://h/0", {"master_name": None}, "master_name"),
        ("sentinel://h/0", {"master_name": ""}, "master_name"),
        ("sentinel://h/0", {"master_name": b"m"}, "master_name"),
        ("sentinel:///0", {}, "no host"),
        ("sentinel://h1;sentinel:///0", {}, "no host"),
        ("sentinel://h1;h2:26379/0", {}, "something else"),
        ("sentinel://h1;redis://h2:26379/0", {}, "something else"),
        ("sentinel://h1,h2:26379/0", {}, "separated by ;"),
        ("sentinel://h1;sentinel://h2/3", {}, "first sentinel"),
        ("sentinel://h1/1;sentinel://h2/3", {}, "first sentinel"),
        ("sentinel://h1;sentinel://:p@h2/0", {}, "first sentinel"),
        ("sentinel://h1;sentinel://h2/0?ssl_cert_reqs=none", {}, "first sentinel"),
        ("sentinel://h1/x", {}, "no number"),
        ("sentinel://h1/0?master_name=m", {}, "'master_name' is not known"),
        ("sentinel://h1/0?credential_provider=a.B", {}, "credential_provider"),
        ("sentinel://h1/0", {"min_other_sentinels": -1}, "min_other_sentinels"),
        ("sentinel://h1/0", {"min_other_sentinels": True}, "min_other_sentinels"),
        ("sentinel://h1/0", {"min_other_sentinels": "1"}, "min_other_sentinels"),
        ("sentinel://h1/0", {"sentinel_kwargs": "password"}, "no mapping"),
        ("sentinel://h1/0", {"sentinel_kwargs": {"pasword": "x"}}, "'pasword' is not known"),
        ("sentinel://h1/0", {"sentinel_kwargs": {"password": b"x"}}, "are texts"),
        ("sentinel://h1/0", {"sentinel_kwargs": {"credential_provider": object()}}, "credential_provider"),
        ("sentinel://h1/0", {"sentinel_kwargs": {"ssl": True, "ssl_cert_reqs": "maybe"}}, "ssl_cert_reqs"),
    ],
)
def test_an_address_nobody_could_be_asked_with_is_refused(text: str, options: Any, message: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match=message) as caught:
        sentinel_url(text, **options)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *("sentinel://user;hunter2:b@h", "sentinel://:a;hunter2@h1:1", "sentinel://h1;sentinel://:hunter2@h2:port"),
        *("sentinel://:hunter2@;sentinel://h2", "sentinel://h1/0?password=hunter2", "sentinel://:hunter2@h1/hunter2"),
    ],
)
def test_a_refusal_shows_nothing_of_a_password(text: str) -> None:
    with pytest.raises(BrokerUrlInvalid) as caught:
        sentinel_url(text, sentinel_kwargs={"password": "hunter2"})
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@given(st.from_regex(r"sentinel://[^\n]{0,40}", fullmatch=True) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        url = sentinel_url(text)
    except BrokerUrlInvalid:
        return
    for one in (url.address, *url.sentinels):
        read: dict[str, Any] = dict(parse_url(one))
        assert read["host"] or "path" in read
