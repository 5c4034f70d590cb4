"""Secrets: drawn at random, kept as argon2id hashes, compared so that nothing is learnt from how long it takes."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from daemon.api.access.token import written_text

SECRET_BYTES = 32
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's first choice for argon2id: 19 MiB, two passes; some 20 ms. The secret has 256 bits, so that no cost is needed to
guard it; it makes a stolen file worthless even if a later version hands out shorter ones."""

_NOBODYS = _HASHER.hash(secrets.token_bytes(SECRET_BYTES))


def draw() -> tuple[str, str, str]:
    """Draw a token: its id, its text and the hash of its secret. Takes some 20 ms."""
    token_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return token_id, written_text(token_id, secret), _HASHER.hash(secret)


def matches(digest: str | None, secret: str) -> bool:
    """Say whether a secret is the one; without a hash it takes as long and is not. Takes some 20 ms."""
    try:
        _HASHER.verify(digest or _NOBODYS, secret)
    except (VerificationError, InvalidHashError):
        return False
    return digest is not None
