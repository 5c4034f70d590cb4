"""What a site file may say of TLS, of who may connect, and of the audit trail; and what is said of what it may not."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from daemon.hl7listener.catalog import read_feeds
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.peers.identity import PeerRule, Permit
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.tls.terms import CIPHERS, ClientCertificate, MinVersion, Tls
from daemon.public import Public
from daemon.settings import Problem, Settings
from daemon.settings.audit_section import AuditSection
from daemon.settings.load import load_settings
from tests.support.site_files import FEED, HEAD, problem_lines

PARKING = f"{HEAD}{FEED}unrouted = 'park'\n"
PRINT = "sha256:" + "ab" * 32


def only(section: dict[str, Any]) -> tuple[Feed, tuple[Problem, ...]]:
    feeds = {"adt": {"listen": "127.0.0.1:2575", "unrouted": "park", **section}}
    site = {"name": "site", "state_dir": "/nowhere"}
    [feed], problems = read_feeds(Settings.model_validate({"site": site, "feed": feeds}))
    return feed, problems


def test_a_feed_without_a_word_of_it_lets_everyone_in_without_tls() -> None:
    peers = only({})[0].peers
    assert (peers.allow.networks, peers.tls, peers.rules, peers.is_plain_accepted) == ((), None, (), False)


def test_tls_is_taken_over() -> None:
    feed, problems = only(
        {
            "tls": {
                "certificate": "/a.pem",
                "key": "/a.key",
                "client_ca": "/ca.pem",
                "client": "optional",
                "crl": "/ca.crl",
                "min_version": "1.3",
                "ciphers": "ECDHE+AESGCM",
                "handshake_timeout": "3s",
            }
        }
    )
    assert problems == ()
    assert feed.peers.tls == Tls(
        Path("/a.pem"),
        Path("/a.key"),
        Path("/ca.pem"),
        ClientCertificate.OPTIONAL,
        MinVersion.TLS13,
        "ECDHE+AESGCM",
        Path("/ca.crl"),
        handshake_s=3.0,
    )
    assert feed.peers.tls.files == (Path("/a.pem"), Path("/a.key"), Path("/ca.pem"), Path("/ca.crl"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, ClientCertificate.NONE), ({"client_ca": "/ca.pem"}, ClientCertificate.REQUIRED)],
)
def test_who_names_authorities_wants_certificates(more: dict[str, str], expected: ClientCertificate) -> None:
    tls = only({"tls": {"certificate": "/a.pem", **more}})[0].peers.tls
    assert tls is not None
    assert (tls.client, tls.min_version, tls.ciphers) == (expected, MinVersion.TLS12, CIPHERS)


def test_peers_are_taken_over() -> None:
    feed, problems = only(
        {
            "allow": ["10.0.0.0/8", "::ffff:192.0.2.0/120"],
            "tls": {"certificate": "/a.pem", "client_ca": "/ca.pem"},
            "peer": {
                "lab": {"subject": "lab-*", "san": ["a", "b"], "fingerprint": PRINT, "type": ["ORU", "ADT^A01"]},
                "ward": {"address": "10.7.0.0/16", "sending_facility": "WARD*"},
                "all": {"subject": "CN=*,O=St. Mary"},
            },
        }
    )
    assert problems == ()
    assert feed.peers.allow.networks == (ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24"))
    lab, ward, everyone = feed.peers.rules
    assert lab == PeerRule(
        Public("lab"),
        words(["lab-*"]),
        words(["a", "b"]),
        frozenset(("ab" * 32,)),
        permit=Permit(types=words(["ORU", "ADT^A01"])),
    )
    assert ward.networks == (ip_network("10.7.0.0/16"),)
    assert ward.permit == Permit(sending_facility=words(["WARD*"]))
    assert everyone.whole_subject
    assert everyone.permit is None


def test_who_accepts_that_data_passes_in_the_clear_is_not_warned() -> None:
    feed, problems = only({"listen": "0.0.0.0:2575", "plaintext": "accepted"})
    assert problems == ()
    assert feed.peers.in_clear == ()
    feed, problems = only({"listen": ["0.0.0.0:2575", "127.0.0.1:2576"]})
    assert [problem.path for problem in problems] == [("feed", "adt", "listen")]
    assert [str(address) for address in feed.peers.in_clear] == ["0.0.0.0:2575"]
    assert only({"listen": "0.0.0.0:2575", "tls": {"certificate": "/a.pem"}})[1] == ()


def test_a_feed_that_fetches_its_messages_in_the_clear_is_warned_of_too() -> None:
    feed, problems = only({"listen": None, "connect": "10.1.2.3:2575"})
    assert [problem.path for problem in problems] == [("feed", "adt", "connect")]
    assert [str(address) for address in feed.peers.in_clear] == ["10.1.2.3:2575"]


WRONG = {
    "network": ('allow = "10.0.0.1/8"', 'feed.x.allow: "10.0.0.1/8" is not a network; did you mean "10.0.0.0/8"?'),
    "host": (
        'allow = ["pacs"]',
        'feed.x.allow: "pacs" is not a network; write "10.20.0.0/16", "192.0.2.7" or "2001:db8::/32"',
    ),
    "nothing": ("allow = []", "feed.x.allow: 1 to 1000 networks are needed; leave the key out to allow all"),
    "plaintext": ('plaintext = "ok"', "feed.x.plaintext: not one of accepted"),
    "no certificate": (
        "tls = {}",
        "feed.x.tls.certificate: is missing; a feed that listens needs its own certificate",
    ),
    "key alone": (
        'tls = { key = "/a" }',
        "feed.x.tls: key belongs to certificate; name the certificate it is for",
    ),
    "client alone": (
        'tls = { certificate = "/a", client = "required" }',
        "feed.x.tls: client needs client_ca; name the file of those who sign the senders' certificates",
    ),
    "crl alone": (
        'tls = { certificate = "/a", crl = "/c" }',
        "feed.x.tls: crl belongs to client_ca; name the file of those who sign the senders' certificates",
    ),
    "a peer of no kind": (
        'peer.a = { sending_application = "A" }',
        "feed.x.peer.a: nothing says how the peer is known; give subject, san, fingerprint or address",
    ),
    "a peer by a certificate nobody asks for": (
        'peer.a = { subject = "A" }',
        (
            "feed.x.peer.a.subject: no certificate is asked for; write [feed.….tls] with client_ca, "
            "or know the peer by its address"
        ),
    ),
    "a credential that cannot be": (
        'peer.a = { address = "::1" }\ntls = { certificate = "credential:c" }',
        ("feed.x.tls.certificate: credential:c: CREDENTIALS_DIRECTORY is not set; use LoadCredential=c:… in the unit"),
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, text: str, expected: str) -> None:
    lines = [line.partition(" ")[2] for line in problem_lines(tmp_path, f"{PARKING}{text}\n")]
    assert expected in lines


def test_files_are_found_from_the_folder_of_the_site_file_and_among_credentials(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        f'{PARKING}tls = {{ certificate = "a.pem", key = "credential:k", client_ca = "file:/etc/ca.pem" }}\n'
        '[audit]\nsyslog = "tls://logs"\nsyslog_ca = "logs.pem"\n'
    )
    found = load_settings(site, {"CREDENTIALS_DIRECTORY": "/run/credentials"})
    assert found.problems == ()
    assert found.settings is not None
    tls = next(iter(found.settings.feed.values())).tls
    assert tls is not None
    assert (tls.certificate, tls.key) == (tmp_path / "a.pem", Path("/run/credentials/k"))
    assert tls.client_ca == Path("/etc/ca.pem")
    assert found.settings.audit.syslog_ca == tmp_path / "logs.pem"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls://logs.example.org", "tls://logs.example.org:6514"),
        ("tcp://10.1.2.3", "tcp://10.1.2.3:601"),
        ("udp://logs:1514", "udp://logs:1514"),
        ("udp://[::1]", "udp://[::1]:514"),
        ("tls://[::1]:99", "tls://[::1]:99"),
    ],
)
def test_a_log_server_has_a_port_of_its_kind(text: str, expected: str) -> None:
    assert str(AuditSection.model_validate({"syslog": text}).syslog) == expected


@pytest.mark.parametrize(
    "text", ["logs:514", "http://logs", "udp://", "udp://:514", "tls://logs:0", "tls://logs:99999", 7]
)
def test_what_is_no_log_server_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"log server|port|address"):
        AuditSection.model_validate({"syslog": text})


def test_a_file_of_records_has_room_for_some() -> None:
    with pytest.raises(ValueError, match="too small"):
        AuditSection.model_validate({"file_limit": "1KiB"})
