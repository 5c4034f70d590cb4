"""TLS handshakes with a feed: which versions and ciphers are spoken, and what is refused for which reason."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from pathlib import Path

import pytest

from daemon.feed_events import PeerConnected
from daemon.hl7listener.peers.peers import Refusal
from daemon.hl7listener.tls.terms import MinVersion
from tests.support.builders import adt
from tests.support.certificates import Authority
from tests.support.guarded import (
    Guarded,
    client,
    connected,
    exchanged,
    guarded_feed,
    guarding,
    refusals,
    said,
    tls_of,
    told_off,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "hospital")


@pytest.fixture(scope="module")
def own(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("feed", "DNS:localhost", "IP:127.0.0.1")


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
    ],
)
async def test_the_suites_of_ihe_atna_are_spoken(tmp_path: Path, authority: Authority, suite: str) -> None:
    rsa = authority.sign("rsa", "DNS:localhost", kind=("rsa:2048",))
    context = client(authority.certificate, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(suite)
    async with guarding(tmp_path, guarded_feed(tls_of(rsa))) as rig:

        def send(port: int) -> tuple[str, bytes]:
            with connected(port, context) as line:
                cipher = line.cipher()
                assert cipher is not None
                assert line.compression() is None
                return cipher[0], exchanged(line, adt())

        found, answer = await rig.call(send)
        assert found == suite
        assert b"MSA|AA|M1" in answer


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_old_versions_are_refused_by_name(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], version: str
) -> None:
    context = client(authority.certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:
        assert await rig.call(lambda port: told_off(port, context))
        await rig.until(lambda: refusals(rig) == [Refusal.VERSION])


async def test_a_feed_may_insist_on_tls_1_3(tmp_path: Path, authority: Authority, own: tuple[Path, Path]) -> None:
    context = client(authority.certificate, maximum_version=ssl.TLSVersion.TLSv1_2)
    async with guarding(tmp_path, guarded_feed(tls_of(own, min_version=MinVersion.TLS13))) as rig:
        assert await rig.call(lambda port: told_off(port, context))
        await rig.until(lambda: refusals(rig) == [Refusal.VERSION])


async def test_weak_ciphers_are_refused_by_name(tmp_path: Path, authority: Authority, own: tuple[Path, Path]) -> None:
    context = client(authority.certificate, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")  # no authenticated encryption
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:
        assert await rig.call(lambda port: told_off(port, context))
        await rig.until(lambda: refusals(rig) == [Refusal.CIPHERS])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0bMSH|^~\\&|A", Refusal.PLAIN_MLLP),
        (b"MSH|^~\\&|A", Refusal.PLAIN_MLLP),
        (b"GET / HTTP/1.1\r\n\r\n", Refusal.HTTP),
        (b"SSH-2.0-x\r\n", Refusal.NOT_TLS),
        (b"\x00" * 100, Refusal.NOT_TLS),
        (b"\x16" + b"\x55" * 100, Refusal.NOT_TLS),
        (b"\x16\x03\x01\x00\x05" + b"\x55" * 5, Refusal.FAILED),
    ],
)
async def test_what_is_not_tls_is_closed_at_once_and_named(
    tmp_path: Path, own: tuple[Path, Path], data: bytes, reason: Refusal
) -> None:
    seen: list[object] = []
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        answer = await rig.call(lambda port: said(port, data))
        assert b"MSA" not in answer
        await rig.until(lambda: refusals(rig) == [reason])
        assert rig.told(PeerConnected) == []
    assert seen == []


async def test_a_handshake_that_does_not_get_on_is_closed(tmp_path: Path, own: tuple[Path, Path]) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own, handshake_s=0.2))) as rig:
        assert await rig.call(lambda port: said(port, b"\x16\x03")) == b""
        assert await rig.call(lambda port: said(port, b"")) == b""
        await rig.until(lambda: refusals(rig) == [Refusal.SLOW, Refusal.SILENT])


async def test_one_who_only_looks_whether_the_port_is_there_is_no_refusal(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:
        await rig.call(lambda port: socket.create_connection(("127.0.0.1", port)).close())
        with await rig.call(lambda port: connected(port, client(authority.certificate))):
            await rig.until(lambda: bool(rig.told(PeerConnected)))
        assert refusals(rig) == []


async def test_more_handshakes_than_one_address_may_have_are_refused(tmp_path: Path, own: tuple[Path, Path]) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own, handshake_s=30.0))) as rig:
        lines = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(40)]
        await rig.until(lambda: refusals(rig) == [Refusal.CROWDED] * 8)
        for line in lines:
            line.close()


def hello() -> bytes:
    """Write the first flight of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    line = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        line.do_handshake()
    return outgoing.read()


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """Change a few bytes behind the first, or cut some off."""
    spoilt = bytearray(data[: chance.randrange(1, len(data) + 1)] if chance.random() < 0.3 else data)
    for _ in range(chance.randrange(1, 8)):
        spoilt[chance.randrange(1, len(spoilt)) if len(spoilt) > 1 else 0] = chance.randrange(256)
    return bytes([data[0], *spoilt[1:]])


async def refused(rig: Guarded, count: int) -> None:
    """Wait until so many were refused."""
    await rig.until(lambda: len(refusals(rig)) == count)


async def test_whatever_a_handshake_begins_with_it_ends_with_a_reason_and_disturbs_nobody(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    chance, seen = random.Random(5), list[object]()
    first = hello()
    async with guarding(tmp_path, guarded_feed(tls_of(own, handshake_s=0.3))) as rig:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        for group in range(1, 13):
            lines = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(25)]
            for line in lines:
                line.sendall(spoilt(first, chance))
            await refused(rig, 25 * group)
            for line in lines:
                line.close()
        reasons = set(refusals(rig))
        assert {Refusal.SLOW, Refusal.FAILED} <= reasons
        assert Refusal.CROWDED not in reasons
        assert len(refusals(rig)) == 300
        with await rig.call(lambda port: connected(port, client(authority.certificate))):
            await rig.until(lambda: bool(rig.told(PeerConnected)))
    assert seen == []
