"""A feed's own certificate: swapped under load, not taken when it cannot be used, and told of before it ends."""

from __future__ import annotations

import shutil
import ssl
import threading
from pathlib import Path

import pytest

from daemon.deeds import Deed, DeedKind
from daemon.feed_events import PeerConnected
from daemon.hl7listener.errors import CertificateUnusable
from daemon.hl7listener.peers.peers import Tls
from daemon.public import Public
from daemon.trust_events import CertificateNotTaken, CertificateTaken
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised
from tests.support.builders import adt
from tests.support.certificates import Authority
from tests.support.guarded import Guarded, client, connected, exchanged, guarded_feed, guarding, refusals, tls_of

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "hospital")


@pytest.fixture(scope="module")
def own(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("feed", "DNS:localhost", "IP:127.0.0.1")


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
