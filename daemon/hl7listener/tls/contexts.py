"""Makes the TLS contexts of a feed from its files: always a fresh one, never a change of one that is used."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from daemon.hl7listener.errors import CertificateUnusable
from daemon.hl7listener.tls.certificate import Validity, validity
from daemon.hl7listener.tls.terms import ClientCertificate, MinVersion, Tls
from daemon.settings.files import FileUnusable, read_text

FILE_LIMIT_BYTES = 1024 * 1024
DH_GROUP = Path(__file__).with_name("ffdhe3072.pem")
"""A group of RFC 7919, for the DHE suites of TLS 1.2."""

_VERSIONS = {MinVersion.TLS12: ssl.TLSVersion.TLSv1_2, MinVersion.TLS13: ssl.TLSVersion.TLSv1_3}
_MODES = {
    ClientCertificate.REQUIRED: ssl.CERT_REQUIRED,
    ClientCertificate.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientCertificate.NONE: ssl.CERT_NONE,
}
_PEM_HINT = "PEM files are needed"


class Made(NamedTuple):
    """A context, and how long its certificate holds; ``None`` if it has none."""

    context: ssl.SSLContext
    validity: Validity | None


def server_context(tls: Tls) -> Made:
    """Make the context of a feed that listens.

    Raises:
        CertificateUnusable: a file is not there, or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_dh_params(str(DH_GROUP))
    found = _common(context, tls)
    context.verify_mode = _MODES[tls.client]
    if tls.client is not ClientCertificate.NONE:
        _trust(context, tls)
    return Made(context, found)


def client_context(tls: Tls) -> Made:
    """Make the context of a feed that connects out.

    Raises:
        CertificateUnusable: a file is not there, or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.checks_name
    found = _common(context, tls)
    if tls.authorities is None:
        context.load_default_certs()
    _trust(context, tls)
    return Made(context, found)


def key_is_open(path: Path) -> bool:
    """Say whether others than the owner may read a key, or anybody may change it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


class FileStamp(NamedTuple):
    """What tells one state of a file from another; a link that was turned leads to another file."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int


def stamp(path: Path) -> FileStamp | None:
    """Look at a file; ``None`` if it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of what a link leads to
    except OSError:
        return None
    return FileStamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _common(context: ssl.SSLContext, tls: Tls) -> Validity | None:
    context.minimum_version = _VERSIONS[tls.min_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.set_ciphers(tls.ciphers)
    except ssl.SSLError:
        message = "ciphers: none of them is known to this machine's OpenSSL"
        raise CertificateUnusable(message, hint="openssl ciphers -v shows what a list means") from None
    if tls.certificate is None:
        return None
    text = _text(tls.certificate)
    if tls.key is not None:
        _text(tls.key)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise _unusable(tls, error) from None
    return validity(text)


def _trust(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.authorities is not None:
        _text(tls.authorities)
        _tried(tls.authorities, lambda: context.load_verify_locations(tls.authorities))
        # Who is named in the file is trusted, whether it signs others or is the sender's own certificate.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.crl is not None:
        _text(tls.crl)
        _tried(tls.crl, lambda: context.load_verify_locations(tls.crl))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _tried(path: Path, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError):
        raise CertificateUnusable(f"{path}: holds nothing that can be used", hint=_PEM_HINT) from None


def _text(path: Path) -> str:
    try:
        return read_text(path, FILE_LIMIT_BYTES)
    except FileUnusable as error:
        raise CertificateUnusable(f"{path}: {error}", hint="the daemon's user must be able to read it") from None


def _no_password() -> NoReturn:
    raise ValueError("encrypted")


def _unusable(tls: Tls, error: Exception) -> CertificateUnusable:
    key = tls.key or tls.certificate
    if isinstance(error, ssl.SSLError) and "KEY_VALUES_MISMATCH" in str(error):
        return CertificateUnusable(f"{key}: the key does not belong to {tls.certificate}", hint="one of them is older")
    if not isinstance(error, OSError):
        return CertificateUnusable(f"{key}: the key is encrypted", hint="keep it without a password, closed to others")
    files = str(key) if key == tls.certificate else f"{tls.certificate} or {key}"
    return CertificateUnusable(f"{files}: no certificate with its key", hint=_PEM_HINT)
