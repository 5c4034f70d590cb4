"""The daemon's own certificate for HTTPS: always a fresh context, taken by connections that begin after it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NoReturn

from daemon.errors import ListenFailed

_HINT = "tls_certificate and tls_key of [api]: PEM files, the key without a password, readable by the daemon's user"


class Certificate:
    """A certificate and its key, and the context that shows them.

    Attributes:
        context: what a listening socket is given; it hands each connection on to the newest one.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read nothing yet."""
        self._files = certificate, key
        self._stamp: Any = None
        self._newest: ssl.SSLContext | None = None
        self.context: ssl.SSLContext | None = None

    def load(self) -> None:
        """Read the files; blocks.

        Raises:
            ListenFailed: they cannot be used.
        """
        stamp = self._look()
        self._newest = self._made()
        self._stamp = stamp
        if self.context is None:
            self.context = self._made()
            self.context.sni_callback = self._hand_on

    def look(self) -> bool:
        """Read the files again if they have changed, and say whether they had; blocks. Files that cannot be used change nothing.

        Raises:
            ListenFailed: they cannot be used.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp  # what is wrong is told once, not every second
        self._newest = self._made()
        return True

    def _hand_on(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Give a connection that begins the newest certificate; called for each, whether it names a host or not."""
        del name, context
        connection.context = self._newest

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(*self._files, password=_no_password)
        except (OSError, ValueError):
            message = f"api: {self._files[0]} and {self._files[1]} are no certificate with its key"
            raise ListenFailed(message, hint=_HINT) from None
        return context

    def _look(self) -> Any:
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _no_password() -> NoReturn:
    raise ValueError("encrypted")
