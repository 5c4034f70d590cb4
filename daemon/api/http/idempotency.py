"""Repeated creations are one (draft-ietf-httpapi-idempotency-key-header): what was answered is kept for a day, a bounded number.

Kept in memory: after a restart a repeated request is a new one. What must be done once for ever has a stable id of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from daemon.api.http.answer import Answer
from daemon.desks import NotNow

KEYS_LIMIT = 2000
KEY_LIMIT = 255
KEPT_S = 86_400.0
KEPT_LIMIT_BYTES = 32 * 1024 * 1024
"""Of all answers together: one that waited for its task holds what that returned."""


class KeyReused(NotNow):
    """The same key came with another request."""

    code = "idempotency-key-reused"
    status = 422


class KeyInUse(NotNow):
    """The first request under the key is not answered yet."""

    code = "idempotency-key-in-use"


@dataclass(frozen=True, slots=True)
class _UnderWay:
    print: bytes
    at_s: float


@dataclass(frozen=True, slots=True)
class _Kept:
    print: bytes
    at_s: float
    answer: Answer

    @property
    def size_bytes(self) -> int:
        return len(self.answer.body) if isinstance(self.answer.body, bytes) else 0


class Idempotency:
    """Remembers creations by caller and key. Not for use from several threads.

    Those that are not answered yet are never forgotten; how many there are is bounded by how many requests are.
    """

    def __init__(self, *, keys_limit: int = KEYS_LIMIT, limit_bytes: int = KEPT_LIMIT_BYTES) -> None:
        """Remember nothing yet."""
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._under_way: dict[tuple[str, str], _UnderWay] = {}
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._keys_limit = keys_limit

    def begin(self, who: str, key: str, request: bytes, now_s: float) -> Answer | None:
        """Say what was answered to this request before; ``None``: it is new, and now under way.

        Raises:
            KeyReused: another request came under the key.
            KeyInUse: the first one is not answered yet.
        """
        self._forget(now_s)
        name, print_ = (who, key), sha256(request).digest()
        kept = self._kept.get(name) or self._under_way.get(name)
        if kept is None:
            self._under_way[name] = _UnderWay(print_, now_s)
            return None
        if kept.print != print_:
            message = "this Idempotency-Key came with another request"
            raise KeyReused(message, hint="draw a new key for each creation")
        if isinstance(kept, _UnderWay):
            message = "the first request under this Idempotency-Key is not answered yet"
            raise KeyInUse(message)
        return kept.answer

    def end(self, who: str, key: str, answer: Answer | None) -> None:
        """Keep what was answered, its body as bytes; ``None``: nothing came of it, and it may be tried again."""
        begun = self._under_way.pop((who, key), None)
        if begun is None or answer is None:
            return
        self._kept[who, key] = kept = _Kept(begun.print, begun.at_s, answer)
        self._size_bytes += kept.size_bytes
        while self._size_bytes > self._limit_bytes or len(self._kept) > self._keys_limit:
            self._drop(next(iter(self._kept)))

    def _forget(self, now_s: float) -> None:
        while self._kept:
            name, eldest = next(iter(self._kept.items()))
            if now_s - eldest.at_s < KEPT_S:
                return
            self._drop(name)

    def _drop(self, name: tuple[str, str]) -> None:
        self._size_bytes -= self._kept.pop(name).size_bytes
