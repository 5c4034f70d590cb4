"""TLS as Celery users ask for it: in the address and in ``broker_use_ssl``; kombu is asked what it reads."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from kombu.connection import Connection
from kombu.transport.redis import Channel
from redis.asyncio.connection import SSLConnection, parse_url

from shim.broker_url import parse_broker_url
from shim.errors import BrokerUrlInvalid

REQUIRED = {ssl.CERT_REQUIRED: "required", ssl.CERT_OPTIONAL: "optional", ssl.CERT_NONE: "none"}


def kombu_reads(text: str, use_ssl: Any) -> dict[str, Any]:
    """Give what kombu would hand to redis-py, in the words an address has."""
    channel: Any = Channel.__new__(Channel)
    client = Connection(text, ssl=use_ssl or False)  # type: ignore[no-untyped-call]
    channel.connection = SimpleNamespace(client=client, default_port=6379)
    read = channel._connparams()
    wanted = {name: read[name] for name in read if name.startswith("ssl_") or name in ("host", "db", "password")}
    if "ssl_cert_reqs" in wanted:
        wanted["ssl_cert_reqs"] = REQUIRED.get(wanted["ssl_cert_reqs"], wanted["ssl_cert_reqs"])
    wanted["is_secure"] = issubclass(read["connection_class"], redis.SSLConnection)
    return {name: value for name, value in wanted.items() if value is not None}


def this_reads(text: str, use_ssl: Any) -> dict[str, Any]:
    read: dict[str, Any] = dict(parse_url(parse_broker_url(text, use_ssl=use_ssl).address))
    read["is_secure"] = read.pop("connection_class", None) is SSLConnection
    return {name: value for name, value in read.items() if name not in ("port", "username")}


@pytest.mark.parametrize(
    ("text", "use_ssl"),
    [
        ("redis://:p@h:1/2", None),
        ("redis://:p@h:1/2", False),
        ("redis://:p@h:1/2", {}),
        ("redis://:p@h:1/2", {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/etc/my ca.pem"}),
        ("redis://h", {"ssl_cert_reqs": "none"}),
        ("rediss://h/1", {"ssl_cert_reqs": ssl.CERT_OPTIONAL, "ssl_certfile": "c.pem", "ssl_keyfile": "k.pem"}),
        ("rediss://h/1", {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}),
        ("rediss://h/1?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=%2Fetc%2Fca.pem", None),
        ("rediss://h/1?ssl_cert_reqs=required&ssl_check_hostname=false", None),
        ("rediss://h/1?ssl_cert_reqs=none", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
    ],
)
def test_this_client_and_kombu_read_tls_alike(text: str, use_ssl: Any) -> None:
    assert this_reads(text, use_ssl) == kombu_reads(text, use_ssl)


def test_where_nothing_is_said_certificates_are_checked_though_kombu_would_not() -> None:
    assert kombu_reads("rediss://h/0", None)["ssl_cert_reqs"] == "none"
    assert "ssl_cert_reqs" not in this_reads("rediss://h/0", None)
    assert SSLConnection(host="h").cert_reqs is ssl.CERT_REQUIRED


def test_use_ssl_without_options_is_refused_because_kombu_would_speak_in_clear() -> None:
    assert not kombu_reads("redis://h", use_ssl=True)["is_secure"]
    with pytest.raises(BrokerUrlInvalid, match="without TLS") as caught:
        parse_broker_url("redis://h", use_ssl=True)
    assert "ssl_cert_reqs" in caught.value.hint


@pytest.mark.parametrize(
    ("demand", "read"),
    [
        *((ssl.CERT_REQUIRED, "required"), (ssl.CERT_OPTIONAL, "optional"), (ssl.CERT_NONE, "none"), (2, "required")),
        *(("CERT_REQUIRED", "required"), ("Required", "required"), ("none", "none"), (None, "none")),
    ],
)
def test_a_demand_is_a_constant_a_name_or_one_of_celerys_words(demand: object, read: str) -> None:
    assert this_reads("rediss://h/0", {"ssl_cert_reqs": demand})["ssl_cert_reqs"] == read


def test_a_text_from_the_mapping_arrives_whole() -> None:
    given = {"ssl_ca_data": "-----BEGIN\n+/=&?#%41-----", "ssl_password": "p&=%;ä", "ssl_ciphers": "A:B+C"}
    read = this_reads("rediss://h/0", given)
    assert {name: read[name] for name in given} == given


def test_a_path_and_a_version_may_be_objects() -> None:
    read = this_reads("rediss://h/0", {"ssl_ca_certs": Path("/ca.pem"), "ssl_min_version": ssl.TLSVersion.TLSv1_2})
    assert (read["ssl_ca_certs"], read["ssl_min_version"]) == ("/ca.pem", 771)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"ca_certs": "ca.pem"}, "'ca_certs' is not known", "ssl_ca_certs"),
        ({"cert_reqs": 2}, "'cert_reqs' is not known", "ssl_cert_reqs"),
        ({"nonsense": 1}, "'nonsense' is not known", "ssl_ca_certs"),
        ({"ssl_cert_reqs": "maybe"}, "ssl_cert_reqs", "required"),
        ({"ssl_cert_reqs": ["required"]}, "ssl_cert_reqs", "required"),
        ({"ssl_cert_reqs": True}, "ssl_cert_reqs", "required"),
        ({"ssl_cert_reqs": 3}, "ssl_cert_reqs", "required"),
        ({"ssl_ca_certs": 5}, "ssl_ca_certs", "text"),
        ({"ssl_ca_certs": ""}, "ssl_ca_certs", "text"),
        ({"ssl_check_hostname": "perhaps"}, "ssl_check_hostname", "true or false"),
        ({"ssl_min_version": "TLSv1"}, "ssl_min_version", "number"),
        ({"ssl_min_version": "9" * 99}, "ssl_min_version", "number"),
    ],
)
def test_an_option_that_could_not_be_used_is_refused_by_name(given: Any, message: str, hint: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match=message) as caught:
        parse_broker_url("rediss://h/0", use_ssl=given)
    assert hint in caught.value.hint


def test_a_socket_speaks_no_tls() -> None:
    with pytest.raises(BrokerUrlInvalid, match="socket"):
        parse_broker_url("redis+socket:///s", use_ssl={"ssl_cert_reqs": "none"})


def test_a_key_files_password_is_shown_nowhere() -> None:
    url = parse_broker_url("rediss://h/0", use_ssl={"ssl_password": "hunter2"})
    assert "hunter2" in url.address
    assert "hunter2" not in f"{url!r}{url}{url.shown}"
    with pytest.raises(BrokerUrlInvalid) as caught:
        parse_broker_url("rediss://h/0", use_ssl={"ssl_password": b"hunter2"})
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"
