"""A feed's TLS doors stay of use: after garbage, after a sender's end, without descriptors, and after they were shut."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from pathlib import Path

import pytest

from daemon.desks import PausePolicy
from daemon.events import Warned
from daemon.feed_events import PeerConnected, PeerGone
from daemon.public import Public
from tests.support.builders import adt
from tests.support.certificates import Authority
from tests.support.guarded import client, connected, exchanged, guarded_feed, guarding, tls_of

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "hospital")


@pytest.fixture(scope="module")
def own(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("feed", "DNS:localhost", "IP:127.0.0.1")


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
