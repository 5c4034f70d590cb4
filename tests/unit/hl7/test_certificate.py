"""What certificates say of themselves, and why handshakes fail."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.hl7listener.tls.certificate import (
    DAY_US,
    Shown,
    Validity,
    parse_fingerprint,
    read_shown,
    stage,
    validity,
)
from daemon.hl7listener.tls.faults import Refusal, fault_of, fault_of_start
from tests.support.certificates import Authority


@pytest.mark.parametrize("kind", [None, ("rsa:2048",)])
@pytest.mark.parametrize("days", [-1, 2, 400, 9000, 40_000])
def test_the_times_of_a_certificate_are_those_openssl_reads(
    tmp_path: Path, kind: tuple[str, ...] | None, days: int
) -> None:
    certificate, _ = Authority(tmp_path, "root").sign("one", "DNS:x", subject="/O=Ä GmbH/CN=one", days=days, kind=kind)
    told: Any = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    expected = [round(ssl.cert_time_to_seconds(told[name])) * SECOND_US for name in ("notBefore", "notAfter")]
    assert validity(certificate.read_text()) == Validity(*expected)


def test_of_a_chain_the_first_counts_whatever_stands_before_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "root")
    certificate, key = authority.sign("one", days=2)
    text = key.read_text() + "Bag Attributes\n" + certificate.read_text() + authority.certificate.read_text()
    assert validity(text) == validity(certificate.read_text())
    assert validity(text) != validity(authority.certificate.read_text())


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_has_no_times(text: str) -> None:
    assert validity(text) is None


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_are_none_and_nothing_else(der: bytes) -> None:
    assert validity(ssl.DER_cert_to_PEM_cert(b"\x30" + der)) is None


def test_a_certificate_cut_off_anywhere_is_none(tmp_path: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert(Authority(tmp_path, "root").certificate.read_text())
    assert validity(ssl.DER_cert_to_PEM_cert(der)) is not None
    assert {validity(ssl.DER_cert_to_PEM_cert(der[:end])) for end in range(len(der))} == {None}


def test_the_subject_is_written_the_most_particular_name_first() -> None:
    parsed = {
        "subject": ((("countryName", "DE"),), (("organizationName", "A, B+C"),), (("commonName", "lab-1"),)),
        "subjectAltName": (("DNS", "lab.example.org"), ("IP Address", "10.1.1.1")),
    }
    found = read_shown(parsed, b"der")
    assert found.subject == "CN=lab-1,O=A\\, B\\+C,C=DE"
    assert found.common_names == ("lab-1",)
    assert found.names == ("lab.example.org", "10.1.1.1")
    assert len(found.fingerprint) == 64


def test_a_name_cannot_pretend_to_be_several() -> None:
    found = read_shown({"subject": ((("commonName", "x,CN=lab-1"),),)}, b"der")
    assert found.subject == "CN=x\\,CN\\=lab-1"
    assert found.common_names == ("x,CN=lab-1",)


def test_what_is_shown_of_a_subject_is_short_and_printable() -> None:
    shown = Shown("CN=" + "a" * 300).shown
    assert len(shown) == 256
    assert "\n" not in Shown("CN=a\nb").shown


def test_without_a_certificate_there_is_nothing() -> None:
    assert read_shown(None, None) == read_shown({}, b"") == Shown()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sha256:" + "ab" * 32, "ab" * 32),
        ("sha256:" + ":".join(["AB"] * 32), "ab" * 32),
        ("ab" * 32, None),
        ("sha256:" + "ab" * 31, None),
        ("sha256:" + "zz" * 32, None),
        ("sha1:" + "ab" * 20, None),
        ("", None),
    ],
)
def test_a_fingerprint_is_read_in_both_its_forms(text: str, expected: str | None) -> None:
    assert parse_fingerprint(text) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [(31, None), (30.01, None), (30, 30), (7.01, 30), (7, 7), (1.01, 7), (1, 1), (0.001, 1), (0, 0), (-5, 0)],
)
def test_the_end_comes_in_stages(days: float, expected: int | None) -> None:
    now_us = round(datetime(2026, 11, 22, tzinfo=UTC).timestamp()) * SECOND_US
    assert stage(now_us + round(days * DAY_US), now_us) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"\x16", None),
        (b"\x0b", Refusal.PLAIN_MLLP),
        (b"M", Refusal.PLAIN_MLLP),
        (b"G", Refusal.HTTP),
        (b"\x80", Refusal.VERSION),
        (b"S", Refusal.NOT_TLS),
        (b"\x00", Refusal.NOT_TLS),
        (b"", Refusal.BROKEN_OFF),
    ],
)
def test_the_first_byte_says_what_is_spoken(first: bytes, expected: Refusal | None) -> None:
    assert fault_of_start(first) is expected


def test_an_error_of_openssl_nobody_has_met_yet_has_a_name_too() -> None:
    assert fault_of(ssl.SSLError(1, "something new")) is Refusal.FAILED
    assert fault_of(ConnectionResetError()) is Refusal.BROKEN_OFF
    assert fault_of(TimeoutError()) is Refusal.SLOW
