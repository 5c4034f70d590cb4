"""Addresses as Celery users write them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import url_to_parts
from redis.asyncio.connection import parse_url

from shim.broker_url import parse_broker_url
from shim.errors import BrokerUrlInvalid


@pytest.mark.parametrize(
    ("text", "shown", "database"),
    [
        ("redis://localhost", "redis://localhost/0", 0),
        ("redis://localhost/", "redis://localhost/0", 0),
        ("redis://localhost:6380/3", "redis://localhost:6380/3", 3),
        ("redis://localhost?db=4", "redis://localhost/4", 4),
        ("redis://localhost/3?db=3", "redis://localhost/3", 3),
        ("redis://[::1]:6379/2", "redis://[::1]:6379/2", 2),
        ("rediss://h/1", "rediss://h/1", 1),
        ("redis://:secret@h/0", "redis://:***@h/0", 0),
        ("redis://user:secret@h:1/0", "redis://user:***@h:1/0", 0),
        ("redis://user@h/0", "redis://h/0", 0),
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock?db=0", 0),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2", 2),
        ("unix:///run/redis.sock?db=5", "unix:///run/redis.sock?db=5", 5),
        ("unix://:secret@/run/redis.sock", "unix://***@/run/redis.sock?db=0", 0),
        ("unix://user:secret@/run/redis.sock", "unix://***@/run/redis.sock?db=0", 0),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str, database: int) -> None:
    url = parse_broker_url(text)
    assert (str(url), url.database) == (shown, database)
    assert repr(url) == f"BrokerUrl({shown!r})"
    assert "secret" not in f"{url!r}{url}{url.shown}"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("redis://h", {"host": "h", "db": 0}),
        ("redis://h:70/3", {"host": "h", "port": 70, "db": 3}),
        ("redis://h?db=4", {"host": "h", "db": 4}),
        ("redis://[::1]:70", {"host": "::1", "port": 70, "db": 0}),
        ("redis://u%40:p%2F%23@h/1", {"host": "h", "db": 1, "username": "u@", "password": "p/#"}),
        ("redis://:p@ss@h/1", {"host": "h", "db": 1, "password": "p@ss"}),
        ("unix:///run/r.sock", {"path": "/run/r.sock", "db": 0}),
        ("redis+socket:///run/r.sock?virtual_host=7", {"path": "/run/r.sock", "db": 7}),
        ("redis+socket:///run/my%20dir/r.sock", {"path": "/run/my dir/r.sock", "db": 0}),
        ("unix:///run/a%3Fb%25c", {"path": "/run/a?b%c", "db": 0}),
        ("unix://u:p%40@/run/r.sock?db=2", {"path": "/run/r.sock", "db": 2, "username": "u", "password": "p@"}),
    ],
)
def test_the_client_reads_the_address_as_it_was_meant(text: str, options: dict[str, Any]) -> None:
    read = dict(parse_url(parse_broker_url(text).address))
    read.pop("connection_class", None)
    assert read == options


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *(("CERT_REQUIRED", "required"), ("CERT_OPTIONAL", "optional"), ("CERT_NONE", "none")),
        *(("required", "required"), ("optional", "optional"), ("none", "none")),
    ],
)
def test_tls_demands_are_read_in_celerys_words_and_in_redis_pys(written: str, read: str) -> None:
    url = parse_broker_url(f"rediss://h/2?ssl_cert_reqs={written}&ssl_ca_certs=%2Fetc%2Fca%20file.pem")
    options: Any = parse_url(url.address)
    assert (options["ssl_cert_reqs"], options["ssl_ca_certs"], options["db"]) == (read, "/etc/ca file.pem", 2)


def test_tls_keys_and_the_check_of_names_pass_through() -> None:
    url = parse_broker_url("rediss://h/0?ssl_certfile=a.pem&ssl_keyfile=b.pem&ssl_check_hostname=false")
    options: Any = parse_url(url.address)
    assert (options["ssl_certfile"], options["ssl_keyfile"], options["ssl_check_hostname"]) == ("a.pem", "b.pem", False)


@pytest.mark.parametrize(
    "option",
    ["socket_timeout=9", "retry_on_timeout=true", "protocol=3", "health_check_interval=1", "max_connections=1"],
)
def test_options_that_tune_redis_pys_client_do_not_reach_this_one(option: str) -> None:
    for text in (f"redis://h/1?{option}", f"redis+socket:///s?virtual_host=1&{option}"):
        assert set(parse_url(parse_broker_url(text).address)) <= {"host", "path", "db", "connection_class"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no scheme"),
        ("localhost:6379", "scheme 'localhost' is not spoken"),
        ("amqp://h", "scheme 'amqp' is not spoken"),
        ("redis+sentinel://h/0", "scheme 'redis\\+sentinel' is not spoken"),
        *((f"{scheme}://h:7000/0", "Redis Cluster") for scheme in ("redis+cluster", "rediscluster", "rediss+cluster")),
        ("redis://", "no host"),
        ("redis:///0", "no host"),
        ("redis://:6379/0", "no host"),
        ("redis://h:port/0", "not an address"),
        ("redis://h:99999/0", "not an address"),
        ("redis://[::1/0", "not an address"),
        ("unix://", "no path"),
        ("redis+socket://?virtual_host=1", "no path"),
        ("unix://run/redis.sock", "a socket has no host"),
        ("redis+socket://localhost/run/redis.sock", "a socket has no host"),
        ("redis://h/db0", "the database is no number"),
        ("redis://h/-1", "the database is no number"),
        ("redis://h/1/2", "the database is no number"),
        ("redis://h/٣", "the database is no number"),
        ("redis://h/" + "1" * 5000, "the database is no number"),
        ("unix:///s?db=x", "the database is no number"),
        ("redis://h/1?db=2", "the database is given twice"),
        ("unix:///s?db=1&virtual_host=2", "the database is given twice"),
        ("redis://a/0;redis://b/0", "several brokers"),
        ("redis://h/0?nonsense=1", "option 'nonsense'"),
        ("redis://h/0?credential_provider=a.B", "option 'credential_provider'.*code"),
        ("unix:///s?credential_provider=a.B", "option 'credential_provider'.*code"),
        ("redis://h/0?ssl_cert_reqs=none", "option 'ssl_cert_reqs' is for TLS"),
        ("unix:///s?ssl_cert_reqs=none", "option 'ssl_cert_reqs' is for TLS"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
    ],
)
def test_an_address_that_cannot_be_spoken_to_is_refused(text: str, message: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match=message) as caught:
        parse_broker_url(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *("redis://:hunter2/hunter2@h/0", "redis://u:12/hunter2@h/0", "redis://h/0;redis://:hunter2@b/0"),
        *("redis://:#hunter2@h", "unix://:hunter2@h/s", "redis://h/0?password=hunter2", "redis://u:hunter2@h/x"),
        *("redis://u:hunter2@/0", "unix://u:hunter2@", "redis://:hunter2@h:port", "amqp://u:hunter2@h"),
    ],
)
def test_a_refusal_shows_nothing_of_a_password(text: str) -> None:
    with pytest.raises(BrokerUrlInvalid) as caught:
        parse_broker_url(text)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@given(st.text() | st.from_regex(r"(redis|rediss|unix|redis\+socket)://[^\n]{0,30}", fullmatch=True))
def test_any_text_is_read_or_refused_and_what_is_read_the_client_takes(text: str) -> None:
    try:
        url = parse_broker_url(text)
    except BrokerUrlInvalid:
        return
    options: Any = parse_url(url.address)
    assert options["db"] == url.database


hosts = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
secrets = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@given(host=hosts, port=st.none() | st.integers(1, 65535), database=st.integers(0, 99), secret=st.none() | secrets)
def test_this_client_and_kombu_read_the_same_address_alike(
    host: str, port: int | None, database: int, secret: str | None
) -> None:
    login = f":{quote(secret, safe='')}@" if secret else ""
    text = f"redis://{login}{host}{f':{port}' if port else ''}/{database}"
    kombu = url_to_parts(text)
    ours: Any = parse_url(parse_broker_url(text).address)
    assert (ours["host"], ours.get("port"), ours.get("password"), str(ours["db"])) == (
        kombu.hostname,
        kombu.port,
        kombu.password,
        kombu.path,
    )
