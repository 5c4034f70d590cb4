"""Which token a text is: the slow hash the first time, a keyed hash in memory after that."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b

import anyio
from anyio import to_thread

from daemon.api.access.hashing import matches
from daemon.api.access.token import Token, parts_of
from daemon.desks import TooMuch

KNOWN_LIMIT = 2000
AT_ONCE = 2
WAITING_LIMIT = 32
"""Texts that wait for being hashed; more are sent away."""


class Verifier:
    """Knows texts that were right."""

    def __init__(self) -> None:
        """Know none yet; the key is drawn anew for each process."""
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, Token] = OrderedDict()
        self._limiter: anyio.CapacityLimiter | None = None
        self._waiting = 0

    def known(self, text: str, tokens: Mapping[str, Token]) -> Token | None:
        """Give the token of a text that was right before, if it is still there unchanged."""
        print_ = self._print(text)
        token = self._known.get(print_)
        if token is None:
            return None
        if tokens.get(token.id) != token:
            del self._known[print_]
            return None
        self._known.move_to_end(print_)
        return token

    async def verify(self, text: str, tokens: Mapping[str, Token]) -> Token | None:
        """Give the token of a text; ``None`` if it is none, after the same time.

        Raises:
            TooMuch: too many wait for it.
        """
        parts = parts_of(text)
        token = tokens.get(parts[0]) if parts is not None else None
        if self._waiting >= WAITING_LIMIT:
            message = "too many tokens are looked at"
            raise TooMuch(message)
        self._waiting += 1
        try:
            check = partial(
                matches, token.digest if token is not None else None, parts[1] if parts is not None else "-"
            )
            is_right = await to_thread.run_sync(check, limiter=self._slots())
        finally:
            self._waiting -= 1
        if token is None or not is_right:
            return None
        self._known[self._print(text)] = token
        if len(self._known) > KNOWN_LIMIT:
            self._known.popitem(last=False)
        return token

    def _slots(self) -> anyio.CapacityLimiter:
        if self._limiter is None:  # belongs to the loop it is made in
            self._limiter = anyio.CapacityLimiter(AT_ONCE)
        return self._limiter

    def _print(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=32).digest()
