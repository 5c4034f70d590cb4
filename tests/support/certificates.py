"""Certificates of a small authority, and servers and clients that hold them."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.support.proxy import BadLink


class Authority:
    """Signs certificates with the ``openssl`` program; tests without it are skipped."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("the openssl program is not here, and makes the certificates")
        self._folder = folder
        self._name = name
        folder.mkdir(exist_ok=True)
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        self._run("req", "-x509", "-subj", f"/CN={name}", *_NEW_KEY, "-keyout", self._key, "-out", self.certificate)

    def sign(
        self, name: str, *names: str, subject: str = "", days: int = 2, kind: Sequence[str] | None = None
    ) -> tuple[Path, Path]:
        """Give a certificate and its key.

        Args:
            name: of the files, and its common name.
            names: what it is for, as ``DNS:…`` or ``IP:…``.
            subject: the whole subject, as ``/O=…/CN=…``.
            days: how long it holds; below zero, it has expired.
            kind: what ``openssl`` makes a key of; an elliptic curve if nothing is said.
        """
        certificate, key, request, extra = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        extra.write_text(f"subjectAltName={','.join(names)}\n" if names else "")
        made = _NEW_KEY if kind is None else ("-newkey", *kind, "-nodes")
        self._run("req", "-new", "-subj", subject or f"/CN={name}", *made, "-keyout", key, "-out", request)
        signer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-extfile", extra)
        self._run("x509", "-req", "-in", request, "-out", certificate, "-days", str(days), *signer)
        key.chmod(0o600)
        return certificate, key

    def revoke(self, *certificates: Path, is_stale: bool = False) -> Path:
        """Give the list of revoked certificates, these and all before; a stale one is past its end."""
        index, config, crl = (self._folder / f"{self._name}.{end}" for end in ("index", "cnf", "crl"))
        if not index.exists():
            index.touch()
            (self._folder / f"{self._name}.number").write_text("01\n")
        config.write_text(
            f"[ca]\ndefault_ca=here\n[here]\ndatabase={index}\ncrlnumber={self._folder / self._name}.number\n"
            "default_md=sha256\n"
        )
        signer = ("-config", config, "-cert", self.certificate, "-keyfile", self._key)
        for certificate in certificates:
            self._run("ca", *signer, "-revoke", certificate)
        times = ("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
        self._run("ca", *signer, "-gencrl", *(times if is_stale else ("-crldays", "2")), "-out", crl)
        return crl

    def _run(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self._folder)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class TlsFront(BadLink):
    """A server's TLS port: takes TLS off what comes in and hands it to a port that speaks in clear."""

    def __init__(self, target_port: int, certificate: tuple[Path, Path], *, client_ca: Path | None = None) -> None:
        super().__init__(target_port)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*certificate)
        if client_ca is not None:
            self._context.load_verify_locations(client_ca)
            self._context.verify_mode = ssl.CERT_REQUIRED

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._server is not None
        self._server.close()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self
