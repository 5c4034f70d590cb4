"""What the TLS of a feed is made of. Pure; the files are named here and read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from daemon.public import Public

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!DSS"
"""For TLS 1.2, by BCP 195: forward secrecy and authenticated encryption only. Those of IHE ATNA are among them."""

HANDSHAKE_LIMIT_S = 10.0


class ClientCertificate(Enum):
    """Whether a sender must show a certificate."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


class MinVersion(Enum):
    """The oldest version that is spoken."""

    TLS12 = "1.2"
    TLS13 = "1.3"


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS of a feed.

    Attributes:
        certificate, key: our own; the key may be in the certificate's file. A feed that connects out may have none.
        authorities: who signs the certificates of the other side; ``None``: nobody is asked for one, or, where we connect
            out, those of this machine.
        crl: a list of revoked certificates of them.
        server_name: the name the certificate of the other side must be for, where we connect out; ``None``: the host we
            connect to.
        checks_name: whether it must be for a name at all.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    client: ClientCertificate = ClientCertificate.NONE
    min_version: MinVersion = MinVersion.TLS12
    ciphers: str = CIPHERS
    crl: Path | None = None
    server_name: Public | None = None
    checks_name: bool = True
    handshake_s: float = HANDSHAKE_LIMIT_S

    @property
    def files(self) -> tuple[Path, ...]:
        """Give all files it is made of, each once."""
        named = (self.certificate, self.key, self.authorities, self.crl)
        return tuple(dict.fromkeys(one for one in named if one is not None))
