"""TLS, allow lists and the audit trail of a real daemon, asked for with the real command line."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import MARKER, adt, site_text, write_site
from tests.support.certificates import Authority
from tests.support.guarded import client, connected, exchanged, said, told_off
from tests.support.process import ROOT, DaemonProcess

ROUTE = """
[[feed.adt.route]]
type = "ADT"
task = "recording.message"
"""


def carillon(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def secured_site(folder: Path, own: tuple[Path, Path], authority: Authority) -> Path:
    for source, name in zip(own, ("own.pem", "own.key"), strict=True):
        shutil.copy(source, folder / name)
    (folder / "own.key").chmod(0o600)
    feeds = f"""
[feed.adt]
listen = "127.0.0.1:0"

[feed.adt.tls]
certificate = "own.pem"
key = "file:{folder}/own.key"
client_ca = "{authority.certificate}"

[feed.adt.peer.lab]
subject = "lab-*"
sending_application = "SENDAPP"
{ROUTE}
"""
    return write_site(folder, site_text(feeds=feeds))


def name_of(line: ssl.SSLSocket) -> object:
    return (line.getpeercert() or {})["subject"][0][0][1]


def test_a_day_in_the_life_of_a_secured_feed(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", "hospital")
    before, after = (authority.sign(name, "DNS:localhost", days=90) for name in ("before", "after"))
    lab, ward = authority.sign("lab-1"), authority.sign("ward")
    site = secured_site(tmp_path, before, authority)
    good = client(authority.certificate, lab)
    with DaemonProcess(site) as daemon:
        daemon.ready()
        port = daemon.port()
        head = daemon.wait_for("audit.head")
        assert (head["number"], head["digest"]) == (0, "0" * 64)
        assert daemon.metric("carillon_feed_certificate_expiry_timestamp_seconds", feed="adt") > 1_700_000_000
        with connected(port, good) as line:
            assert name_of(line) == "before"
            assert b"MSA|AA|M1" in exchanged(line, adt("M1"))
            for source, name in zip(after, ("own.pem", "own.key"), strict=True):
                shutil.copy(source, tmp_path / f"{name}.new")
                (tmp_path / f"{name}.new").replace(tmp_path / name)
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_until(
                lambda _: sum(record.get("action") == "certificate.taken" for record in daemon.records) == 2, "second"
            )
            with connected(port, good) as fresh:
                assert name_of(fresh) == "after"
            assert b"MSA|AA|M2" in exchanged(line, adt("M2"))
            assert b"MSA|AR|M3" in exchanged(line, adt("M3").replace(b"SENDAPP", b"PRETENDER"))
        assert told_off(port, client(authority.certificate, ward))
        assert told_off(port, client(authority.certificate))
        assert said(port, b"\x0b" + adt() + b"\x1c\r") == b""
        assert said(port, b"GET / HTTP/1.1\r\n\r\n") == b""
        daemon.wait_metric(1, "carillon_feed_refused_connections_total", feed="adt", reason="http-on-tls")
        for reason in ("no-peer-it-could-be", "no-certificate", "plain-mllp-on-tls"):
            assert daemon.metric("carillon_feed_refused_connections_total", feed="adt", reason=reason) == 1
        assert daemon.terminate() == 0
    lines = [json.loads(line) for line in carillon("audit", "list", "-c", str(site), "--json").stdout.splitlines()]
    assert [(line["kind"], line["reason"]) for line in lines] == [
        ("daemon-started", ""),
        ("certificate-changed", ""),
        ("sender-refused", "sender-not-permitted"),
        ("node-refused", "no-peer-it-could-be"),
        ("node-refused", "no-certificate"),
        ("node-refused", "plain-mllp-on-tls"),
        ("node-refused", "http-on-tls"),
        ("daemon-stopped", "SIGTERM"),
    ]
    assert [line["who"] for line in lines[2:4]] == ["CN=lab-1", "CN=ward"]
    everything = "\n".join([*daemon.lines, json.dumps(lines)])
    assert "Traceback" not in everything
    assert MARKER not in everything
    assert "PRETENDER" not in everything
    assert carillon("audit", "verify", "-c", str(site)).returncode == 0


def test_a_trail_that_was_tampered_with_is_not_whole(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=f'[feed.adt]\nlisten = "127.0.0.1:0"\nallow = "10.0.0.0/8"\n{ROUTE}'))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        assert said(daemon.port(), b"\x0b") == b""
        daemon.wait_for("node.refused", reason="address-not-allowed", address="127.0.0.1")
        assert daemon.terminate() == 0
    told = json.loads(carillon("audit", "verify", "-c", str(site), "--json").stdout)
    assert (told["ok"], told["records"]) == (True, 3)
    log = tmp_path / "state" / "audit.log"
    whole = log.read_text()
    log.write_text(whole.replace("address-not-allowed", "address-was-allowed"))
    found = carillon("audit", "verify", "-c", str(site))
    assert found.returncode == 1
    assert "audit.log:2: the record is not what its hash says" in found.stdout
    log.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    head = f"{told['head']['number']}:{told['head']['digest']}"
    assert carillon("audit", "verify", "-c", str(site)).returncode == 0
    assert carillon("audit", "verify", "-c", str(site), "--head", head).returncode == 1


@pytest.mark.parametrize(
    ("change", "expected", "code"),
    [
        ("missing", "No such file", 78),
        ("mismatch", "does not belong", 78),
        ("no-ca", "holds nothing that can be used", 78),
        ("open-key", "can be read by others; chmod 600", 0),
        ("expired", "expired on", 0),
        ("ends", "expires on", 0),
    ],
)
def test_the_check_says_what_is_wrong_with_certificates(tmp_path: Path, change: str, expected: str, code: int) -> None:
    authority = Authority(tmp_path / "ca", "hospital")
    days = {"expired": -1, "ends": 20}.get(change, 90)
    site = secured_site(tmp_path, authority.sign("own", "DNS:localhost", days=days), authority)
    if change == "missing":
        (tmp_path / "own.pem").unlink()
    elif change == "mismatch":
        shutil.copy(authority.sign("other")[1], tmp_path / "own.key")
    elif change == "no-ca":
        authority.certificate.write_text("nothing")
    elif change == "open-key":
        (tmp_path / "own.key").chmod(0o640)
    found = carillon("check", "-c", str(site))
    assert expected in found.stdout
    assert found.returncode == code
    assert "feed.adt.tls" in found.stdout
