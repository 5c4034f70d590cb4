"""A feed that connects out over TLS: to whom it goes, and to whom it does not."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from daemon.feed_events import FeedReached, FeedUnreached
from daemon.hl7listener.peers.peers import Refusal, Tls
from daemon.public import Public
from daemon.settings.values import Address
from daemon.trust_events import NodeRefused
from tests.support.builders import adt
from tests.support.certificates import Authority
from tests.support.guarded import exchanged, guarded_feed, guarding
from tests.support.spooling import LIMIT_S

pytestmark = pytest.mark.anyio


class Sender:
    """Listens with TLS, sends one message to whoever connects, and keeps the answer."""

    def __init__(self, certificate: tuple[Path, Path], asks: Path | None = None) -> None:
        self.answers: list[bytes] = []
        self.subjects: list[Any] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=asks)
        context.load_cert_chain(*certificate)
        if asks is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(LIMIT_S)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            raw, _ = self._socket.accept()
            with raw, self._context.wrap_socket(raw, server_side=True) as line:
                line.settimeout(LIMIT_S)
                self.subjects.append((line.getpeercert() or {}).get("subject"))
                self.answers.append(exchanged(line, adt()))
        except OSError:
            pass

    def close(self) -> None:
        self._socket.close()
        self._thread.join(LIMIT_S)


def reaching(sender: Sender, **tls: Any) -> Any:
    return guarded_feed(Tls(**tls), listen=(), connect=Address("127.0.0.1", sender.port))


async def test_it_receives_over_a_connection_it_made_and_shows_its_own_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", "hospital")
    own = authority.sign("carillon")
    sender = Sender(authority.sign("sender", "IP:127.0.0.1"), authority.certificate)
    feed = reaching(sender, certificate=own[0], key=own[1], authorities=authority.certificate)
    async with guarding(tmp_path, feed) as rig:
        await rig.until(lambda: bool(sender.answers))
        assert b"MSA|AA|M1" in sender.answers[0]
        assert sender.subjects == [((("commonName", "carillon"),),)]
        assert [event.feed for event in rig.told(FeedReached)] == ["adt"]
    sender.close()


@pytest.mark.parametrize(
    ("names", "terms", "reached"),
    [
        (("IP:127.0.0.1",), {}, True),
        (("DNS:elsewhere.example.org",), {}, False),
        (("DNS:elsewhere.example.org",), {"checks_name": False}, True),
        (("DNS:pacs.example.org",), {"server_name": Public("pacs.example.org")}, True),
    ],
)
async def test_the_name_of_the_sender_counts_unless_it_is_told_not_to(
    tmp_path: Path, names: tuple[str, ...], terms: dict[str, Any], *, reached: bool
) -> None:
    authority = Authority(tmp_path / "ca", "hospital")
    sender = Sender(authority.sign("sender", *names))
    async with guarding(tmp_path, reaching(sender, authorities=authority.certificate, **terms)) as rig:
        await rig.until(lambda: bool(rig.told(FeedReached) or rig.told(FeedUnreached)))
        assert bool(rig.told(FeedReached)) is reached
        if not reached:
            assert rig.told(FeedUnreached)[0].reason == "certificate-for-another-name"
    sender.close()


async def test_a_sender_of_another_authority_is_not_listened_to(tmp_path: Path) -> None:
    sender = Sender(Authority(tmp_path / "there", "there").sign("sender", "IP:127.0.0.1"))
    trusted = Authority(tmp_path / "ca", "hospital").certificate
    async with guarding(tmp_path, reaching(sender, authorities=trusted)) as rig:
        await rig.until(lambda: bool(rig.told(FeedUnreached)))
        assert rig.told(FeedUnreached)[0].reason == "certificate-not-trusted"
        [told] = rig.told(NodeRefused)
        assert (told.address, told.reason) == ("127.0.0.1", Refusal.UNTRUSTED)
        assert sender.answers in ([], [b""])
    sender.close()
