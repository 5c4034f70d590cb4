"""TLS as a sender speaks it (IHE ITI-19): 1.2 or newer, with a certificate of its own where the listener wants one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import DaemonError


class TlsUnusable(DaemonError):
    """A certificate, a key or a bundle of authorities cannot be used."""

    code = "tls-unusable"
    exit_code = 64


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS is made of.

    Attributes:
        authorities: who signs listeners' certificates; ``None`` for those of this machine.
        certificate, key: our own; the key may be in the certificate's file.
        checks_name: whether the listener's certificate must be for the host that was dialled.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    checks_name: bool = True


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Read the files.

    Raises:
        TlsUnusable: one of them is not there, or not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=files.authorities)
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        names = ", ".join(str(one) for one in (files.authorities, files.certificate, files.key) if one is not None)
        message = f"TLS: {names}: {tls_reason(error)}"
        raise TlsUnusable(message, hint="PEM files are needed; the key must belong to the certificate") from None
    context.check_hostname = files.checks_name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_context(certificate: Path, key: Path | None, authorities: Path | None) -> ssl.SSLContext:
    """Read the files of a sink; with ``authorities`` its callers must show a certificate.

    Raises:
        TlsUnusable: one of them is not there, or not what it should be.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authorities)
        context.load_cert_chain(certificate, key)
    except OSError as error:
        message = f"TLS: {certificate}: {tls_reason(error)}"
        raise TlsUnusable(message, hint="PEM files are needed; the key must belong to the certificate") from None
    if authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def tls_reason(error: OSError) -> str:
    """Say in words what TLS did not like; nothing of a certificate's content."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    return error.strerror or "cannot be read"
