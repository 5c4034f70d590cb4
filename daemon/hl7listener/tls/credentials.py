"""The certificates of one feed as they are in use, and a look at whether their files have changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from daemon.hl7listener.errors import CertificateUnusable
from daemon.hl7listener.tls.certificate import Validity
from daemon.hl7listener.tls.contexts import FileStamp, Made, client_context, server_context, stamp
from daemon.hl7listener.tls.terms import Tls
from daemon.public import Public

_Stamps: TypeAlias = tuple[FileStamp | None, ...]


class Look(Enum):
    """What a look at the files came to."""

    SAME = "same"
    RESTLESS = "restless"
    """They have changed since the last look, and may not be done changing."""
    TAKEN = "taken"


class Credentials:
    """What a feed shows and whom it trusts.

    Attributes:
        feed: its name.
        tls: what it is made of.
    """

    def __init__(self, feed: Public, tls: Tls, *, connects: bool) -> None:
        """Read nothing yet."""
        self.feed = feed
        self.tls = tls
        self._make: Callable[[Tls], Made] = client_context if connects else server_context
        self._made: Made | None = None
        self._used: _Stamps = ()
        self._seen: _Stamps = ()

    @property
    def context(self) -> ssl.SSLContext:
        """Give the context for a handshake that begins now. It is never changed afterwards."""
        assert self._made is not None  # loaded before anything listens
        return self._made.context

    @property
    def validity(self) -> Validity | None:
        """Say when the certificate in use holds."""
        return None if self._made is None else self._made.validity

    def load(self) -> None:
        """Read the files.

        Raises:
            CertificateUnusable: they cannot be used; what was in use stays.
        """
        seen = self._stamps()
        self._used = self._seen = seen  # what cannot be used is not tried again until it changes
        self._made = self._make(self.tls)

    def look(self, *, at_once: bool = False) -> Look:
        """Take what has changed since the last time, once it has come to rest between two looks, or at once.

        Raises:
            CertificateUnusable: it cannot be used; what was in use stays.
        """
        seen = self._stamps()
        if seen == self._used and not at_once:
            self._seen = seen
            return Look.SAME
        if seen != self._seen and not at_once:
            self._seen = seen
            return Look.RESTLESS
        had = self._used
        self.load()
        return Look.SAME if had == self._used else Look.TAKEN

    def _stamps(self) -> _Stamps:
        return tuple(stamp(path) for path in self.tls.files)


__all__ = ["CertificateUnusable", "Credentials", "Look"]
