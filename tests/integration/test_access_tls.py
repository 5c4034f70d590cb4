"""HTTPS: what is shown to whom, certificates that change while it runs, and those who never finish shaking hands."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from daemon.api import gate as gates
from daemon.api.gate import Limits
from daemon.deeds import Deed, DeedKind
from daemon.errors import ListenFailed
from daemon.events import Warned
from tests.support.certificates import Authority
from tests.support.entrance import Door, front_door
from tests.support.tokens import add_token

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> dict[str, Any]:
    found = authority.sign("api", "IP:127.0.0.1", "DNS:localhost")
    kept = [Path(shutil.copy(one, tmp_path / one.name)) for one in found]
    return {"tls_certificate": str(kept[0]), "tls_key": str(kept[1])}


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.certificate)


def is_told(door: Door) -> bool:
    return any(isinstance(one, Warned) and one.code == "certificate-not-taken" for one in door.told)


def spoil(file: str) -> None:
    Path(file).write_text("nothing")


async def shown(door: Door, authority: Authority) -> str:
    """Give the serial number of the certificate that a new connection is shown."""
    address = door.api.addresses[0]
    _, writer = await asyncio.open_connection(address.host, address.port, ssl=trusting(authority))
    found = writer.get_extra_info("peercert")
    writer.close()
    return str(found["serialNumber"])


async def test_over_tls_cookies_are_secure_and_browsers_are_told_to_stay(
    tmp_path: Path, authority: Authority, files: dict[str, Any]
) -> None:
    async with front_door(tmp_path / "state", **files) as door:
        text = add_token(tmp_path / "state", "anna")
        await door.noticed()
        reply = await door.ask("/api/session", "POST", json={"token": text}, ssl=trusting(authority))
        assert (reply.status, reply.headers["Set-Cookie"].split("; ")[-1]) == (200, "Secure")
        assert reply.headers["Strict-Transport-Security"].startswith("max-age=")
        foreign = {"Origin": door.url.replace("https", "http")}
        refused = await door.ask("/api/session", "POST", json={"token": text}, headers=foreign, ssl=trusting(authority))
        assert refused.status == 403


async def test_old_versions_are_refused(tmp_path: Path, authority: Authority, files: dict[str, Any]) -> None:
    context = trusting(authority)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with front_door(tmp_path / "state", **files) as door:
        with pytest.raises(aiohttp.ClientError):
            await door.ask("/api/session", ssl=context)
        assert (await door.ask("/api/session", ssl=trusting(authority))).status == 200


async def test_a_changed_certificate_is_shown_to_who_connects_after_it(
    tmp_path: Path, authority: Authority, files: dict[str, Any]
) -> None:
    async with front_door(tmp_path / "state", **files) as door:
        before = await shown(door, authority)
        fresh = authority.sign("fresh", "IP:127.0.0.1")
        shutil.copy(fresh[1], files["tls_key"])
        shutil.copy(fresh[0], files["tls_certificate"])
        door.api.look()
        with anyio.fail_after(LIMIT_S):
            while await shown(door, authority) == before:  # noqa: ASYNC110 - it is seen by who connects alone
                await anyio.sleep(0.05)
        assert any(isinstance(one, Deed) and one.kind is DeedKind.CERTIFICATE_CHANGED for one in door.told)


async def test_a_certificate_that_cannot_be_used_is_not_taken_and_that_is_told(
    tmp_path: Path, authority: Authority, files: dict[str, Any]
) -> None:
    async with front_door(tmp_path / "state", **files) as door:
        before = await shown(door, authority)
        spoil(files["tls_certificate"])
        door.api.look()
        with anyio.fail_after(LIMIT_S):
            while not is_told(door):  # noqa: ASYNC110 - it is told to a list
                await anyio.sleep(0.01)
        assert await shown(door, authority) == before


async def test_without_a_certificate_that_can_be_used_it_does_not_start(tmp_path: Path, files: dict[str, Any]) -> None:
    spoil(files["tls_key"])
    with pytest.raises(ListenFailed, match="no certificate with its key"):
        async with front_door(tmp_path / "state", **files):
            pass


async def test_who_speaks_no_tls_or_never_finishes_is_closed_and_counted_meanwhile(
    tmp_path: Path, authority: Authority, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "HANDSHAKE_LIMIT_S", 0.5)
    monkeypatch.setattr("daemon.api.server.Api._is_exempt", lambda self, address: False)  # noqa: ARG005
    async with front_door(tmp_path / "state", **files, limits=Limits(each=5)) as door:
        address = door.api.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET /api/session HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with anyio.fail_after(LIMIT_S):
            assert not (await _rest(reader)).startswith(b"HTTP")
        writer.close()
        silent = [await asyncio.open_connection(address.host, address.port) for _ in range(10)]
        with anyio.fail_after(LIMIT_S):
            for one, _ in silent:
                assert await _rest(one) == b""
        for _, one_writer in silent:
            one_writer.close()
        assert (await door.ask("/api/session", ssl=trusting(authority))).status == 200


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except ConnectionError:
        return b""
