"""Hostile senders at a port that wants TLS and certificates: numbers 16 to 20, each refused by its name, heard by the audit trail.

Beside them a sender with a good certificate is served all the time.
"""

from __future__ import annotations

import json
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.certificates import Authority
from tests.support.command import carillon
from tests.support.hostile import Hospital
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

HELLO_CUT_SHORT = bytes.fromhex("16030100c8010000c40303")
FEED = """
[feed.adt]
listen = "127.0.0.1:0"
[feed.adt.tls]
certificate = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/clients.pem"
crl = "{folder}/clients.crl"
handshake_timeout = "1s"
[feed.adt.peer.ward]
san = "ward.example"
[[feed.adt.route]]
type = "ADT"
task = "recording.message"
"""


class Keys(NamedTuple):
    """Where certificates lie: PEM files with the names the tests use, and the authority of the server."""

    folder: Path

    def client(self, name: str = "", *, oldest: ssl.TLSVersion | None = None, ciphers: str = "") -> ssl.SSLContext:
        """Make what a client needs, with a certificate or without."""
        context = ssl.create_default_context(cafile=str(self.folder / "servers.pem"))
        if name:
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        if ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        if oldest is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
                context.minimum_version = context.maximum_version = oldest
        return context


class SecurePeer(Peer):
    """One connection with TLS."""

    def __init__(self, port: int, context: ssl.SSLContext, *, source: str = "") -> None:
        super().__init__(port, source=source)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    Authority(folder, "servers").sign("server", "DNS:localhost", days=400)
    clients = Authority(folder, "clients")
    clients.sign("good", "DNS:ward.example")
    clients.sign("elsewhere", "DNS:kitchen.example")
    clients.sign("expired", "DNS:ward.example", days=-1)
    revoked, _ = clients.sign("revoked", "DNS:ward.example")
    clients.revoke(revoked)
    Authority(folder, "strangers").sign("stranger", "DNS:ward.example")
    return Keys(folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shared_valkey: ValkeyServer, keys: Keys) -> Iterator[Hospital]:
    site = write_site(
        tmp_path_factory.mktemp("site"),
        site_text(broker_url=shared_valkey.url, feeds=FEED.format(folder=keys.folder)),
    )
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        yield Hospital(daemon.ready(), shared_valkey)
        assert daemon.terminate() == 0
    listed = carillon("audit", "list", "-c", site, "--json")
    kept = {(record["address"], record["reason"]) for record in map(json.loads, listed.stdout.splitlines())}
    assert {
        ("127.0.0.1", reason) for reason in ("plain-mllp-on-tls", "certificate-expired", "certificate-revoked")
    } <= kept


@pytest.fixture
def hospital(running: Hospital, keys: Keys) -> Iterator[Hospital]:
    with SecurePeer(running.daemon.port(), keys.client("good")) as beside:
        yield running
        for peer in (beside, SecurePeer(running.daemon.port(), keys.client("good"))):
            control_id = running.new_id()
            with peer:
                peer.send(framed(adt(control_id)))
                assert [(answer.code, answer.control_id) for answer in peer.acks()] == [("AA", control_id)]
    assert [record for record in running.daemon.records if record["level"] == "error"] == []
    assert len(running.daemon.records) == len(running.daemon.lines)


def refused(hospital: Hospital, reason: str) -> float:
    return hospital.daemon.metric("carillon_feed_refused_connections_total", feed="adt", reason=reason)


def wait_refused(hospital: Hospital, reason: str, wanted: float) -> None:
    hospital.daemon.wait_metric(wanted, "carillon_feed_refused_connections_total", feed="adt", reason=reason)


# -- what is no TLS ----------------------------------------------------------------------------------------------------

NO_TLS = {
    "framing-16-plain-mllp": (framed(adt("T16")), "plain-mllp-on-tls"),
    "framing-16-plain-http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http-on-tls"),
    "framing-17-garbage": (b"\x00\x01\x02garbage" * 50, "not-tls"),
    "framing-17-silence": (b"", "handshake-not-begun"),
    "framing-17-half-a-hello": (HELLO_CUT_SHORT, "handshake-not-completed"),
}


@pytest.mark.parametrize(("opening", "reason"), NO_TLS.values(), ids=NO_TLS)
def test_what_is_no_tls_is_closed_by_its_name(hospital: Hospital, opening: bytes, reason: str) -> None:
    before = refused(hospital, reason)
    with hospital.calling() as peer:
        peer.send(opening)
        assert b"MSA" not in peer.rest()
    wait_refused(hospital, reason, before + 1)
    assert not any(b"T16" in line.encode() for line in hospital.daemon.lines)


# -- who may not -------------------------------------------------------------------------------------------------------


class Stranger(NamedTuple):
    """A client that must not be served, and why."""

    reason: str
    certificate: str = ""
    oldest: ssl.TLSVersion | None = None
    ciphers: str = ""


STRANGERS = {
    "framing-18-tls-1.1": Stranger("tls-too-old", "good", ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
    "framing-18-tls-1.0": Stranger("tls-too-old", "good", ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
    "framing-18-anonymous-suites": Stranger("no-cipher-in-common", ciphers="aNULL:@SECLEVEL=0"),
    "framing-18-suites-without-encryption": Stranger("no-cipher-in-common", "good", ciphers="eNULL:@SECLEVEL=0"),
    "framing-19-no-certificate": Stranger("no-certificate"),
    "framing-19-expired-certificate": Stranger("certificate-expired", "expired"),
    "framing-19-certificate-of-another-authority": Stranger("certificate-not-trusted", "stranger"),
    "framing-19-revoked-certificate": Stranger("certificate-revoked", "revoked"),
    "framing-19-certificate-for-another-name": Stranger("no-peer-it-could-be", "elsewhere"),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_who_must_not_be_served_is_refused_by_the_reason(hospital: Hospital, keys: Keys, stranger: Stranger) -> None:
    before = refused(hospital, stranger.reason)
    context = keys.client(stranger.certificate, oldest=stranger.oldest, ciphers=stranger.ciphers)
    answered = b""
    try:
        with SecurePeer(hospital.daemon.port(), context) as peer:
            peer.send(framed(adt("T19")))
            answered = peer.rest()
    except (ssl.SSLError, OSError):
        pass  # with TLS 1.3 it learns of it after its own handshake, with 1.2 in it
    assert answered == b""
    wait_refused(hospital, stranger.reason, before + 1)


def test_framing_20_a_thousand_handshakes_that_are_never_finished_leave_room_for_a_good_one(
    hospital: Hospital, keys: Keys
) -> None:
    """There is a limit to the handshakes of one address, so that another's are made."""
    address = ("127.0.0.1", hospital.daemon.port())
    reasons = ("handshake-not-begun", "handshake-not-completed", "handshake-broken-off", "too-many-handshakes")
    before = sum(refused(hospital, reason) for reason in reasons)
    waiting: list[socket.socket] = []
    try:
        for number in range(1000):
            waiting.append(socket.create_connection(address))
            waiting[-1].sendall(HELLO_CUT_SHORT[: 1 + number % 10])
            if len(waiting) == 100:
                waiting.pop(0).close()
        with SecurePeer(address[1], keys.client("good"), source="127.0.0.2") as peer:
            peer.send(framed(adt("T20")))
            assert peer.acks()[0].code == "AA"
    finally:
        for one in waiting:
            one.close()

    hospital.wait_until(lambda: sum(refused(hospital, reason) for reason in reasons) >= before + 1000)
