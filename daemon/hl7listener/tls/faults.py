"""Why a connection is not admitted: by its address, in the TLS handshake, or by its certificate. Pure."""

from __future__ import annotations

import ssl
from enum import Enum


class Refusal(Enum):
    """Why a connection is not admitted."""

    ADDRESS = "address-not-allowed"
    NO_PEER = "no-peer-it-could-be"
    PLAIN_MLLP = "plain-mllp-on-tls"
    HTTP = "http-on-tls"
    NOT_TLS = "not-tls"
    SILENT = "handshake-not-begun"
    SLOW = "handshake-not-completed"
    BROKEN_OFF = "handshake-broken-off"
    CROWDED = "too-many-handshakes"
    VERSION = "tls-too-old"
    CIPHERS = "no-cipher-in-common"
    NO_CERTIFICATE = "no-certificate"
    EXPIRED = "certificate-expired"
    TOO_EARLY = "certificate-not-yet-valid"
    UNTRUSTED = "certificate-not-trusted"
    REVOKED = "certificate-revoked"
    CRL_STALE = "crl-not-usable"
    NAME = "certificate-for-another-name"
    BAD_CERTIFICATE = "certificate-not-valid"
    WE_ARE_UNTRUSTED = "peer-refuses-our-certificate"
    FAILED = "handshake-failed"


_BY_VERIFICATION = {
    # X509_V_ERR_…, which Python has no names for
    2: Refusal.UNTRUSTED,  # the issuer is not known
    18: Refusal.UNTRUSTED,  # signed by itself
    19: Refusal.UNTRUSTED,  # a chain whose end signed itself
    20: Refusal.UNTRUSTED,  # the issuer is not known here
    21: Refusal.UNTRUSTED,  # nothing leads on from the certificate
    27: Refusal.UNTRUSTED,
    9: Refusal.TOO_EARLY,
    10: Refusal.EXPIRED,
    23: Refusal.REVOKED,
    3: Refusal.CRL_STALE,  # there is none of that issuer
    11: Refusal.CRL_STALE,
    12: Refusal.CRL_STALE,
    62: Refusal.NAME,
    63: Refusal.NAME,
    64: Refusal.NAME,
}
_BY_REASON = {
    "HTTP_REQUEST": Refusal.HTTP,
    "HTTPS_PROXY_REQUEST": Refusal.HTTP,
    "WRONG_VERSION_NUMBER": Refusal.NOT_TLS,
    "UNKNOWN_PROTOCOL": Refusal.NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": Refusal.NOT_TLS,
    "UNSUPPORTED_PROTOCOL": Refusal.VERSION,
    "VERSION_TOO_LOW": Refusal.VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": Refusal.VERSION,
    "NO_SHARED_CIPHER": Refusal.CIPHERS,
    "NO_CIPHERS_AVAILABLE": Refusal.CIPHERS,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Refusal.CIPHERS,
    "NO_SHARED_SIGNATURE_ALGORITHMS": Refusal.CIPHERS,
    "NO_SUITABLE_KEY_SHARE": Refusal.CIPHERS,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Refusal.NO_CERTIFICATE,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": Refusal.WE_ARE_UNTRUSTED,
    "UNEXPECTED_EOF_WHILE_READING": Refusal.BROKEN_OFF,
}
_THEIR_VERDICT = (
    "ALERT_UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_ACCESS_DENIED",
    "ALERT_UNSUPPORTED_CERTIFICATE",
)


def fault_of(error: BaseException) -> Refusal:
    """Say why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFICATION.get(getattr(error, "verify_code", 0), Refusal.BAD_CERTIFICATE)
    if isinstance(error, ssl.SSLError):
        word = getattr(error, "reason", None) or ""  # those that Python raises itself have none
        if word.endswith(_THEIR_VERDICT):
            return Refusal.WE_ARE_UNTRUSTED
        return _BY_REASON.get(word, Refusal.FAILED)
    if isinstance(error, (ConnectionAbortedError, TimeoutError)):  # asyncio's word for its handshake deadline
        return Refusal.SLOW
    return Refusal.BROKEN_OFF


_HANDSHAKE, _VT = 0x16, 0x0B
_SSL2_HELLO = 0x80


def fault_of_start(first: bytes) -> Refusal | None:
    """Judge a connection to a TLS port by its first byte; ``None`` if it may be TLS."""
    if not first:
        return Refusal.BROKEN_OFF
    if first[0] == _HANDSHAKE:
        return None
    if first[0] in (_VT, ord("M")):
        return Refusal.PLAIN_MLLP
    if first[0] == _SSL2_HELLO:
        return Refusal.VERSION
    return Refusal.HTTP if first in (b"G", b"P", b"H", b"O", b"D", b"C", b"T") else Refusal.NOT_TLS
