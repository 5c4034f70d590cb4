"""Who gets into a feed and who does not, by certificate, list of revoked ones and address, and what a peer may claim."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.deeds import Deed, DeedKind
from daemon.feed_events import PeerConnected, PeerGone
from daemon.hl7listener.peers.peers import AllowList, PeerRule, Permit, Refusal
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.tls.terms import ClientCertificate
from daemon.public import Public
from daemon.settings.feed.trust import TrustKeys
from daemon.trust_events import CertificateTaken, NodeRefused
from tests.support.builders import adt
from tests.support.certificates import Authority
from tests.support.guarded import client, connected, exchanged, guarded_feed, guarding, refusals, said, tls_of, told_off

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "hospital")


@pytest.fixture(scope="module")
def own(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("feed", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def lab(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("lab-1", "DNS:lab-1.example.org", subject="/O=St. Mary/CN=lab-1")


async def test_a_sender_with_a_certificate_is_answered_and_known(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], lab: tuple[Path, Path]
) -> None:
    rules = (PeerRule(Public("lab"), subject=words(["lab-*"])),)
    async with guarding(tmp_path, guarded_feed(tls_of(own, authority), rules=rules)) as rig:

        def send(port: int) -> bytes:
            with connected(port, client(authority.certificate, lab)) as line:
                return exchanged(line, adt())

        assert b"MSA|AA|M1" in await rig.call(send)
        await rig.until(lambda: bool(rig.told(PeerGone)))
        assert refusals(rig) == []


async def test_what_is_known_of_a_connection_comes_from_its_certificate(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], lab: tuple[Path, Path]
) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own, authority))) as rig:
        line = await rig.call(lambda port: connected(port, client(authority.certificate, lab)))
        with line:
            await rig.until(lambda: bool(rig.told(PeerConnected)))
            [connection] = next(iter(rig.listener.hosts.values())).connections
            assert connection.sender.subject == "CN=lab-1,O=St. Mary"
            assert connection.sender.address == "127.0.0.1"
            assert connection.sender.tls.startswith("TLSv1.3 ")
            der = ssl.PEM_cert_to_DER_cert(lab[0].read_text())
            assert connection.sender.fingerprint == hashlib.sha256(der).hexdigest()


class _Senders:
    """Makes the certificates that must not be let in."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority = authority
        self._folder = folder

    def expired(self) -> tuple[Path, Path]:
        return self.authority.sign("expired", days=-1)

    def stranger(self) -> tuple[Path, Path]:
        return Authority(self._folder / "elsewhere", "elsewhere").sign("lab-1")

    def nobody(self) -> None:
        return None


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (_Senders.expired, Refusal.EXPIRED),
        (_Senders.stranger, Refusal.UNTRUSTED),
        (_Senders.nobody, Refusal.NO_CERTIFICATE),
    ],
)
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_that_does_not_count_is_refused_by_name(
    tmp_path: Path,
    authority: Authority,
    own: tuple[Path, Path],
    who: Callable[[_Senders], tuple[Path, Path] | None],
    reason: Refusal,
    newest: ssl.TLSVersion,
) -> None:
    shown = who(_Senders(authority, tmp_path))
    context = client(authority.certificate, shown, maximum_version=newest)
    async with guarding(tmp_path, guarded_feed(tls_of(own, authority))) as rig:
        assert await rig.call(lambda port: told_off(port, context))
        await rig.until(lambda: refusals(rig) == [reason])
        [told] = rig.told(NodeRefused)
        assert (told.feed, told.address) == ("adt", "127.0.0.1")
        assert rig.told(PeerConnected) == []


async def test_a_revoked_certificate_is_refused_and_another_is_not(
    tmp_path: Path, own: tuple[Path, Path], authority: Authority
) -> None:
    there = Authority(tmp_path / "there", "there")
    lost, kept = there.sign("lost"), there.sign("kept")
    tls = tls_of(own, there, crl=there.revoke(lost[0]))
    async with guarding(tmp_path, guarded_feed(tls)) as rig:
        assert await rig.call(lambda port: told_off(port, client(authority.certificate, lost)))
        await rig.until(lambda: refusals(rig) == [Refusal.REVOKED])
        with await rig.call(lambda port: connected(port, client(authority.certificate, kept))):
            await rig.until(lambda: bool(rig.told(PeerConnected)))


async def test_a_list_of_revoked_certificates_past_its_end_lets_nobody_in(
    tmp_path: Path, own: tuple[Path, Path], authority: Authority
) -> None:
    there = Authority(tmp_path / "there", "there")
    kept = there.sign("kept")
    async with guarding(tmp_path, guarded_feed(tls_of(own, there, crl=there.revoke(is_stale=True)))) as rig:
        assert await rig.call(lambda port: told_off(port, client(authority.certificate, kept)))
        await rig.until(lambda: refusals(rig) == [Refusal.CRL_STALE])


async def test_a_new_list_of_revoked_certificates_counts_without_a_restart(
    tmp_path: Path, own: tuple[Path, Path], authority: Authority
) -> None:
    there = Authority(tmp_path / "there", "there")
    lost = there.sign("lost")
    tls = tls_of(own, there, crl=there.revoke())
    context = client(authority.certificate, lost)
    async with guarding(tmp_path, guarded_feed(tls)) as rig:
        with await rig.call(lambda port: connected(port, context)):
            await rig.until(lambda: bool(rig.told(PeerConnected)))
        there.revoke(lost[0])
        await rig.until(lambda: len(rig.told(CertificateTaken)) == 2)
        assert await rig.call(lambda port: told_off(port, context))
        await rig.until(lambda: refusals(rig) == [Refusal.REVOKED])


async def test_a_trusted_certificate_of_nobody_who_is_named_is_refused_with_its_subject(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], lab: tuple[Path, Path]
) -> None:
    rules = (PeerRule(Public("pharmacy"), subject=words(["pharmacy"])),)
    async with guarding(tmp_path, guarded_feed(tls_of(own, authority), rules=rules)) as rig:
        assert await rig.call(lambda port: told_off(port, client(authority.certificate, lab)))
        await rig.until(lambda: refusals(rig) == [Refusal.NO_PEER])
        assert [event.subject for event in rig.told(NodeRefused)] == ["CN=lab-1,O=St. Mary"]


async def test_a_senders_own_certificate_can_be_trusted_directly(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    signed = Authority(tmp_path / "x", "x").sign("device")
    tls = tls_of(own, authorities=signed[0], client=ClientCertificate.REQUIRED)
    async with guarding(tmp_path, guarded_feed(tls)) as rig:
        with await rig.call(lambda port: connected(port, client(authority.certificate, signed))):
            await rig.until(lambda: bool(rig.told(PeerConnected)))


ELSEWHERE = AllowList(TrustKeys.model_validate({"allow": ["10.0.0.0/8"]}).allow or ())


async def test_an_address_that_is_not_allowed_is_refused_before_the_handshake(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own), allow=ELSEWHERE)) as rig:
        assert await rig.call(lambda port: told_off(port, client(authority.certificate)))
        await rig.until(lambda: refusals(rig) == [Refusal.ADDRESS])


async def test_an_address_that_is_not_allowed_is_refused_without_tls_too(tmp_path: Path) -> None:
    async with guarding(tmp_path, guarded_feed(allow=ELSEWHERE)) as rig:
        assert await rig.call(lambda port: said(port, b"\x0bMSH")) == b""
        await rig.until(lambda: refusals(rig) == [Refusal.ADDRESS])


async def test_a_peer_is_held_to_what_it_may_claim(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], lab: tuple[Path, Path]
) -> None:
    permit = Permit(sending_application=words(["SENDAPP"]), types=words(["ADT^A01"]))
    rules = (PeerRule(Public("lab"), subject=words(["lab-1"]), permit=permit),)
    async with guarding(tmp_path, guarded_feed(tls_of(own, authority), rules=rules)) as rig:

        def send(port: int) -> list[bytes]:
            other = adt("M2").replace(b"SENDAPP", b"OTHER")
            with connected(port, client(authority.certificate, lab)) as line:
                return [exchanged(line, one) for one in (adt("M1"), other, adt("M3", event="A02"))]

        first, second, third = await rig.call(send)
        assert b"MSA|AA|M1" in first
        assert b"MSA|AR|M2" in second
        assert b"not permitted for this sender" in second
        assert b"MSA|AR|M3" in third
        told = rig.told(Deed)
        assert [(one.kind, one.who, one.address) for one in told] == [
            (DeedKind.SENDER_REFUSED, "CN=lab-1,O=St. Mary", "127.0.0.1")
        ] * 2
        assert "OTHER" not in repr(told)
