"""TLS on feeds: who gets in, who does not and why, and certificates that change under load. Real sockets, real OpenSSL."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import random
import shutil
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.deeds import Deed, DeedKind
from daemon.desks import PausePolicy
from daemon.events import Warned
from daemon.feed_events import PeerConnected, PeerGone
from daemon.hl7listener.errors import CertificateUnusable
from daemon.hl7listener.peers.peers import AllowList, PeerRule, Permit, Refusal, Tls
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.tls.terms import ClientCertificate, MinVersion
from daemon.public import Public
from daemon.settings.feed.trust import TrustKeys
from daemon.trust_events import CertificateNotTaken, CertificateTaken, NodeRefused
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised
from tests.support.builders import adt
from tests.support.certificates import Authority
from tests.support.guarded import Guarded, client, connected, exchanged, guarded_feed, guarding, said, told_off

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


def tls_of(own: tuple[Path, Path], authority: Authority | None = None, **values: object) -> Tls:
    """Make a feed's TLS; with an authority, senders must show a certificate of it."""
    if authority is not None:
        values = {"authorities": authority.certificate, "client": ClientCertificate.REQUIRED, **values}
    return Tls(own[0], own[1], **values)  # type: ignore[arg-type]


def refusals(rig: Guarded) -> list[object]:
    return [event.reason for event in rig.told(NodeRefused)]


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


async def test_more_handshakes_than_one_address_may_have_are_refused(tmp_path: Path, own: tuple[Path, Path]) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own, handshake_s=30.0))) as rig:
        lines = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(40)]
        await rig.until(lambda: refusals(rig) == [Refusal.CROWDED] * 8)
        for line in lines:
            line.close()


async def test_garbage_after_the_handshake_ends_that_connection_alone(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    seen: list[object] = []
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))

        def spoil(port: int) -> None:
            line = connected(port, client(authority.certificate))
            with socket.socket(fileno=line.detach()) as raw:
                raw.sendall(b"\x17\x03\x03\x00\x05wrong" * 10)
                raw.settimeout(30)
                try:
                    while raw.recv(65_536):
                        pass
                except ConnectionResetError:
                    pass

        def send(port: int) -> bytes:
            with connected(port, client(authority.certificate)) as line:
                return exchanged(line, adt())

        await rig.call(spoil)
        await rig.until(lambda: len(rig.told(PeerGone)) == 1)
        assert b"MSA|AA" in await rig.call(send)
    assert seen == []


async def test_a_sender_that_ends_its_side_after_a_message_is_stored(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:

        def send(port: int) -> None:
            with connected(port, client(authority.certificate)) as line:
                line.sendall(b"\x0b" + adt() + b"\x1c\r")
                with contextlib.suppress(OSError):
                    line.unwrap()

        await rig.call(send)
        await rig.until(lambda: len(rig.told(PeerGone)) == 1)
        await rig.until(lambda: bool(rig.storage.rows))
    assert caplog.records == []


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


class Exhausted(socket.socket):
    """A listening socket whose process has no descriptors left, three times."""

    left = 3

    def accept(self) -> tuple[socket.socket, object]:
        if Exhausted.left:
            Exhausted.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_descriptors_it_looks_away_for_a_moment_and_goes_on(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.hl7listener.tls.door.PAUSE_S", 0.01)
    with Exhausted() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        async with guarding(tmp_path, guarded_feed(tls_of(own)), inherited=[listening]) as rig:
            with await rig.call(lambda port: connected(port, client(authority.certificate))):
                await rig.until(lambda: bool(rig.told(PeerConnected)))
            assert [event.code for event in rig.told(Warned)] == ["cannot-accept"] * 3


async def test_doors_that_were_shut_can_be_opened_again(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    async with guarding(tmp_path, guarded_feed(tls_of(own))) as rig:
        name, port = Public("adt"), rig.port
        await rig.listener.pause(name, PausePolicy.CLOSE)
        with pytest.raises(ConnectionRefusedError):
            await rig.call(lambda _: socket.create_connection(("127.0.0.1", port)))
        await rig.listener.resume(name)
        assert rig.port == port
        with await rig.call(lambda port: connected(port, client(authority.certificate))):
            await rig.until(lambda: bool(rig.told(PeerConnected)))


# -- certificates that change ------------------------------------------------------------------------------------------


def put(pair: tuple[Path, Path], place: tuple[Path, Path]) -> None:
    """Put a certificate and its key where a feed looks for them, as a deploying program does."""
    for source, target in zip(pair, place, strict=True):
        shutil.copy(source, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)


def name_of(line: ssl.SSLSocket) -> object:
    """Give the common name of the certificate a listener showed."""
    return (line.getpeercert() or {})["subject"][0][0][1]


class Load:
    """Senders in threads, each on one connection in lockstep, until told to stop."""

    def __init__(self, port: int, context: ssl.SSLContext, count: int) -> None:
        self.failures: list[str] = []
        self.counts: list[int] = []
        self._port = port
        self._context = context
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        try:
            with connected(self._port, self._context) as line:
                if name_of(line) != "before":
                    self.failures.append("another certificate before the swap")
                count = 0
                while not self._stop.is_set():
                    count += 1
                    if b"MSA|AA" not in exchanged(line, adt(f"S{number}-{count}")):
                        self.failures.append(f"{number}: no answer to {count}")
                        return
                self.counts.append(count)
        except OSError as error:
            self.failures.append(f"{number}: {type(error).__name__}")


async def test_a_certificate_is_swapped_under_load_and_no_connection_is_dropped(
    tmp_path: Path, authority: Authority
) -> None:
    old, new = authority.sign("before", "DNS:localhost"), authority.sign("after", "DNS:localhost")
    place = tmp_path / "own.pem", tmp_path / "own.key"
    put(old, place)
    context = client(authority.certificate)

    def fresh(port: int) -> object:
        with connected(port, context) as line:
            assert b"MSA|AA" in exchanged(line, adt("F"))
            return name_of(line)

    async with guarding(tmp_path, guarded_feed(tls_of(place))) as rig:
        load = Load(rig.port, context, 32)
        await rig.until(lambda: len(rig.told(PeerConnected)) == 32 or bool(load.failures))
        assert await rig.call(fresh) == "before"
        put(new, place)
        await rig.until(lambda: len(rig.told(CertificateTaken)) == 2)
        for _ in range(5):
            assert await rig.call(fresh) == "after"
        await rig.call(lambda _: load.finish())
        assert load.failures == []
        assert len(load.counts) == 32
        assert min(load.counts) > 0
        assert refusals(rig) == []
        assert [one.kind for one in rig.told(Deed)] == [DeedKind.CERTIFICATE_CHANGED]


async def test_files_that_cannot_be_used_change_nothing_and_are_told_of_once(
    tmp_path: Path, authority: Authority, own: tuple[Path, Path]
) -> None:
    place = tmp_path / "own.pem", tmp_path / "own.key"
    put(own, place)
    context = client(authority.certificate)
    async with guarding(tmp_path, guarded_feed(tls_of(place))) as rig:
        other = authority.sign("other", "DNS:localhost")
        put((other[0], own[1]), place)  # the key is still the old one
        await rig.until(lambda: bool(rig.told(CertificateNotTaken)))
        assert "does not belong" in rig.told(CertificateNotTaken)[0].reason
        with await rig.call(lambda port: connected(port, context)):
            await rig.until(lambda: bool(rig.told(PeerConnected)))
        assert [event.what.value for event in rig.told(FeedAlarmRaised)][-1:] == ["certificate-not-taken"]
        put(other, place)
        await rig.until(lambda: len(rig.told(CertificateTaken)) == 2)
        assert "certificate-not-taken" in [event.what.value for event in rig.told(FeedAlarmEnded)]
        assert len(rig.told(CertificateNotTaken)) == 1


async def test_a_link_that_is_turned_is_a_change(tmp_path: Path, authority: Authority) -> None:
    folders = []
    for name in ("before", "after"):
        folder = tmp_path / name
        folder.mkdir()
        put(authority.sign(name, "DNS:localhost"), (folder / "own.pem", folder / "own.key"))
        folders.append(folder)
    link = tmp_path / "live"
    link.symlink_to(folders[0])
    async with guarding(tmp_path, guarded_feed(tls_of((link / "own.pem", link / "own.key")))) as rig:
        (tmp_path / "turned").symlink_to(folders[1])
        (tmp_path / "turned").replace(link)
        await rig.until(lambda: len(rig.told(CertificateTaken)) == 2)


async def test_asked_to_look_now_it_does_not_wait_for_files_to_rest(tmp_path: Path, authority: Authority) -> None:
    place = tmp_path / "own.pem", tmp_path / "own.key"
    put(authority.sign("before", "DNS:localhost"), place)
    async with guarding(tmp_path, guarded_feed(tls_of(place)), look_every_s=3600) as rig:
        put(authority.sign("after", "DNS:localhost"), place)
        rig.keeper.look_now()
        await rig.until(lambda: len(rig.told(CertificateTaken)) == 2)


async def test_a_certificate_that_is_not_there_at_the_start_is_named(tmp_path: Path) -> None:
    feed = guarded_feed(Tls(tmp_path / "none.pem", tmp_path / "none.key"))
    with pytest.raises(CertificateUnusable, match=r"none\.pem"):
        async with guarding(tmp_path, feed):
            pass


async def looked_again(rig: Guarded) -> None:
    """Wait until the files were looked at twice more."""
    looks = rig.keeper.looks
    await rig.until(lambda: rig.keeper.looks > looks + 1)


async def test_the_end_of_a_certificate_is_told_of_in_three_steps_and_renewal_ends_it(
    tmp_path: Path, authority: Authority
) -> None:
    place = tmp_path / "own.pem", tmp_path / "own.key"
    put(authority.sign("short", "DNS:localhost", days=40), place)
    async with guarding(tmp_path, guarded_feed(tls_of(place))) as rig:
        until_us = rig.doors.expires_us(Public("adt"))
        assert until_us is not None
        told = []
        for days in (31, 29, 28, 6, 0.5, -1):
            rig.clock.wall_us = round(until_us - days * 86_400_000_000)
            await looked_again(rig)
            told.append(len(rig.told(FeedAlarmRaised)))
        assert told == [0, 1, 1, 2, 3, 4]
        assert [event.what.value for event in rig.told(FeedAlarmRaised)] == [
            "certificate-ends-in-30-days",
            "certificate-ends-in-7-days",
            "certificate-ends-tomorrow",
            "certificate-has-ended",
        ]
        put(authority.sign("long", "DNS:localhost", days=400), place)
        await rig.until(lambda: bool(rig.told(FeedAlarmEnded)))
