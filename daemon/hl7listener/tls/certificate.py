"""What a certificate says (X.509, RFC 5280). Pure.

The certificate of the other side is read by the TLS library; of our own it tells nothing, so its times are read here, from
its DER: ``Certificate { tbsCertificate { [0] version, serial, signature, issuer, validity { from, until }, … }, … }``.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from daemon.clock import microseconds
from daemon.public import Public, escaped

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_PIVOT_YEAR = 50
_SUBJECT_LIMIT = 256
_LONG_FORM = 0x80
_LONGEST_LENGTH = 4
_SHORT_NAMES = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "emailAddress": "emailAddress",
}


class Validity(NamedTuple):
    """From when until when a certificate holds."""

    from_us: int
    until_us: int


class Shown(NamedTuple):
    """What the other side's certificate says of it.

    Attributes:
        subject: as RFC 4514 writes it, the most particular name first; cut at 256 characters where it is shown.
        common_names: of the subject.
        names: subject alternative names: DNS names, addresses, URIs, mail addresses.
        fingerprint: SHA-256 of the whole, in hex.
    """

    subject: str = ""
    common_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def shown(self) -> Public:
        """Give the subject as it may be shown: an authority we trust has signed it."""
        return Public(escaped(self.subject[:_SUBJECT_LIMIT]))


def read_shown(parsed: Mapping[str, Any] | None, der: bytes | None) -> Shown:
    """Read what ``getpeercert`` gives, in both its forms; nothing if there is no certificate."""
    if not der:
        return Shown()
    pairs = [pair for group in reversed((parsed or {}).get("subject", ())) for pair in group]
    subject = ",".join(f"{_SHORT_NAMES.get(name, name)}={_quoted(value)}" for name, value in pairs)
    commons = tuple(value for name, value in pairs if name == "commonName")
    names = tuple(str(value) for _, value in (parsed or {}).get("subjectAltName", ()))
    return Shown(subject, commons, names, sha256(der).hexdigest())


def _quoted(value: str) -> str:
    return "".join(f"\\{mark}" if mark in ',+"\\<>;=' else mark for mark in value)


def validity(pem: str) -> Validity | None:
    """Say when the first certificate of a PEM file holds; ``None`` if there is none that can be read."""
    start, end = pem.find(_BEGIN), pem.find(_END)
    if start < 0 or end < start:
        return None
    try:
        return _validity(ssl.PEM_cert_to_DER_cert(pem[start : end + len(_END)]))
    except (ValueError, IndexError):
        return None


def _validity(der: bytes) -> Validity:
    _, outer, _ = _element(der)
    _, inner, _ = _element(outer)
    kind, _, rest = _element(inner)
    if kind == _VERSION:
        _, _, rest = _element(rest)
    for _ in range(2):  # signature, issuer
        _, _, rest = _element(rest)
    kind, times, _ = _element(rest)
    if kind != _SEQUENCE:
        raise ValueError("no validity")
    first, begin, rest = _element(times)
    second, end, _ = _element(rest)
    return Validity(_instant_us(first, begin), _instant_us(second, end))


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Take the first element off: its tag, its contents, what follows."""
    kind, length, start = data[0], data[1], 2
    if length & _LONG_FORM:
        count = length & ~_LONG_FORM
        if not 0 < count <= _LONGEST_LENGTH:
            raise ValueError("no such length")
        length, start = int.from_bytes(data[2 : 2 + count]), 2 + count
    if start + length > len(data):
        raise ValueError("cut off")
    return kind, data[start : start + length], data[start + length :]


def _instant_us(kind: int, text: bytes) -> int:
    word = text.decode("ascii")
    if kind == _UTC_TIME:
        word = ("19" if int(word[:2]) >= _PIVOT_YEAR else "20") + word
    elif kind != _GENERALIZED_TIME:
        raise ValueError("no time")
    return microseconds(datetime.strptime(word, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC))


def parse_fingerprint(text: str) -> str | None:
    """Read ``sha256:AB:CD…`` or the same without colons; ``None`` if it is none."""
    word = text.removeprefix("sha256:").replace(":", "").lower()
    is_one = text.startswith("sha256:") and len(word) == 2 * sha256().digest_size and _is_hex(word)
    return word if is_one else None


def _is_hex(word: str) -> bool:
    return all(mark in "0123456789abcdef" for mark in word)


DAY_US = 86_400_000_000
STAGES_DAYS: Sequence[int] = (30, 7, 1)
"""How many days before a certificate expires somebody is told, each once."""


def stage(until_us: int, now_us: int) -> int | None:
    """Say in which stage before its end a certificate is: 30, 7 or 1 days, 0 once it has expired; ``None``: time enough."""
    if until_us <= now_us:
        return 0
    reached = [days for days in STAGES_DAYS if until_us - now_us <= days * DAY_US]
    return min(reached) if reached else None
