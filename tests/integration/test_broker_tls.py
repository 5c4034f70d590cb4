"""Brokers behind TLS: who is trusted, who is refused, and what is said then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from kombu.connection import Connection

from shim.broker_url import BrokerUrl, parse_broker_url
from shim.claim import Outcome
from shim.errors import BrokerUnavailable, PublishUncertain, ShimError
from tests.support.brokers import claimed, linked_to, listening_to, publishing_to, written
from tests.support.certificates import Authority, TlsFront
from tests.support.publishing import queued, until
from tests.support.sentinel import Sentinel, monitoring, sentinel_url
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder / "ours", "ours")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder / "another", "another")


@pytest.fixture(scope="module")
def of_server(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("server", "IP:127.0.0.1", "DNS:localhost")


@pytest.fixture
async def front(valkey: ValkeyServer, of_server: tuple[Path, Path]) -> AsyncIterator[TlsFront]:
    async with TlsFront(valkey.port, of_server) as one:
        yield one


def secure(front: TlsFront, **options: Any) -> BrokerUrl:
    return parse_broker_url(f"rediss://127.0.0.1:{front.port}/0", use_ssl=options)


async def refusal(url: BrokerUrl) -> ShimError:
    async with linked_to(url) as link:
        with pytest.raises((BrokerUnavailable, PublishUncertain)) as caught:
            await link.call("PING")
    return caught.value


async def test_a_server_with_a_certificate_of_a_known_authority_is_spoken_to(
    valkey: ValkeyServer, front: TlsFront, authority: Authority
) -> None:
    for text in (
        f"rediss://127.0.0.1:{front.port}/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={authority.certificate}",
        f"rediss://localhost:{front.port}/0?ssl_ca_certs={authority.certificate}",
    ):
        async with publishing_to(parse_broker_url(text)) as publisher:
            await written(publisher, claimed(text))
    options = {"ssl_cert_reqs": "required", "ssl_ca_certs": authority.certificate}
    url = parse_broker_url(f"redis://127.0.0.1:{front.port}/0", use_ssl=options)
    async with publishing_to(url) as publisher, listening_to(url) as ear:
        assert await written(publisher, claimed("by use_ssl")) is Outcome.WRITTEN
        await ear.subscription.subscribe(["news"])
        valkey.client.publish("news", "here")
        await until(lambda: ear.heard == [("news", b"here")])
    assert len(queued(valkey)) == 3


async def test_a_server_of_an_unknown_authority_is_refused_and_the_option_named(
    front: TlsFront, stranger: Authority
) -> None:
    for url in (secure(front), secure(front, ssl_ca_certs=stranger.certificate)):
        error = await refusal(url)
        assert isinstance(error, BrokerUnavailable)
        assert "certificate verify failed" in str(error)
        assert "ssl_ca_certs" in error.hint


async def test_nobody_is_refused_if_that_is_asked_for(front: TlsFront) -> None:
    async with linked_to(secure(front, ssl_cert_reqs="none")) as link:
        assert await link.call("PING") == b"PONG"


async def test_a_certificate_for_another_host_is_refused_unless_names_are_not_looked_at(
    valkey: ValkeyServer, authority: Authority
) -> None:
    elsewhere = authority.sign("elsewhere", "DNS:redis.example")
    async with TlsFront(valkey.port, elsewhere) as front:
        error = await refusal(secure(front, ssl_ca_certs=authority.certificate))
        assert "127.0.0.1" in str(error)
        assert "ssl_check_hostname" in error.hint
        async with linked_to(secure(front, ssl_ca_certs=authority.certificate, ssl_check_hostname=False)) as link:
            assert await link.call("PING") == b"PONG"


async def test_a_server_that_wants_a_certificate_gets_it_or_says_so(
    valkey: ValkeyServer, authority: Authority, stranger: Authority, of_server: tuple[Path, Path]
) -> None:
    certificate, key = authority.sign("client")
    other_certificate, other_key = stranger.sign("client")
    known = {"ssl_ca_certs": authority.certificate}
    async with TlsFront(valkey.port, of_server, client_ca=authority.certificate) as front:
        async with linked_to(secure(front, **known, ssl_certfile=certificate, ssl_keyfile=key)) as link:
            assert await link.call("PING") == b"PONG"
        assert "ssl_certfile" in (await refusal(secure(front, **known))).hint
        strange = secure(front, **known, ssl_certfile=other_certificate, ssl_keyfile=other_key)
        assert "ssl_certfile" in (await refusal(strange)).hint


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
async def test_a_file_that_is_not_there_is_told_as_such(front: TlsFront, option: str) -> None:
    error = await refusal(secure(front, **{option: "/nowhere/file.pem"}))
    assert "No such file" in str(error)
    assert option in error.hint


async def test_a_port_that_speaks_no_tls_is_told_as_such(valkey: ValkeyServer) -> None:
    url = parse_broker_url(f"rediss://127.0.0.1:{valkey.port}/0")
    async with linked_to(url, connect_timeout_s=0.5) as link:
        with pytest.raises(BrokerUnavailable) as caught:
            await link.call("PING")
    assert "TLS" in caught.value.hint


async def test_a_port_that_speaks_only_tls_is_told_as_such(front: TlsFront) -> None:
    error = await refusal(parse_broker_url(f"redis://127.0.0.1:{front.port}/0"))
    assert isinstance(error, BrokerUnavailable)
    assert "rediss://" in error.hint


async def test_the_master_and_the_sentinels_are_spoken_to_through_tls_each_by_its_own_options(
    valkey: ValkeyServer, front: TlsFront, authority: Authority, of_server: tuple[Path, Path]
) -> None:
    known = {"ssl_ca_certs": str(authority.certificate)}
    with monitoring(front.port) as one:
        async with TlsFront(one.port, of_server) as guarded:
            behind = Sentinel()
            behind.port = guarded.port
            url = sentinel_url(behind, use_ssl=known, sentinel_kwargs={"ssl": True, **known})
            async with publishing_to(url) as publisher:
                assert await written(publisher, claimed("a")) is Outcome.WRITTEN
            assert queued(valkey) == ["a"]
            async with linked_to(sentinel_url(behind, use_ssl=known, sentinel_kwargs={"ssl": True})) as link:
                with pytest.raises(BrokerUnavailable, match="certificate verify failed"):
                    await link.call("PING")


async def test_kombu_finds_what_this_client_published_through_the_same_setting(
    front: TlsFront, authority: Authority
) -> None:
    use_ssl = {"ssl_cert_reqs": "required", "ssl_ca_certs": str(authority.certificate)}
    async with publishing_to(secure(front, **use_ssl)) as publisher:
        await written(publisher, claimed("a"))

    def by_kombu() -> int:
        url = f"redis://127.0.0.1:{front.port}/0"
        with Connection(url, ssl=use_ssl) as connection:  # type: ignore[no-untyped-call]
            size: int = connection.default_channel._size("q")
        return size

    assert await anyio.to_thread.run_sync(by_kombu) == 1
