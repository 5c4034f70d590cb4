"""Keys of ordered lanes that wait, because a message with the same key could not be handed on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Key: TypeAlias = tuple[int, int]
"""The number of a route, and the key of a message in its lanes."""

HELD_LIMIT = 10_000
"""Parked messages that are remembered; beyond it every message with a key waits."""


class Hold:
    """The parked messages whose keys wait.

    A message may be handed on if no older one with one of its keys is parked. The copy of a parked message is as old as that.
    """

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        """Begin with none."""
        self._limit = limit
        self._keys: dict[int, tuple[Key, ...]] = {}
        self._seqs: dict[Key, set[int]] = {}
        self.has_overflowed = False
        """Whether messages are parked that are not remembered here."""

    def __len__(self) -> int:
        """Count the parked messages that are remembered."""
        return len(self._keys)

    def __contains__(self, seq: int) -> bool:
        """Say whether a message is one of them."""
        return seq in self._keys

    def is_behind(self, keys: Sequence[Key], seq: int, origin_seq: int = 0) -> bool:
        """Say whether a message waits for an older one.

        Args:
            keys: of the message.
            seq: its sequence number.
            origin_seq: the message it is a copy of; 0 if it is none.
        """
        if not keys or not (self._keys or self.has_overflowed):
            return False
        if origin_seq not in self._keys:
            if self.has_overflowed:
                return True
            origin_seq = seq
        return any(older < origin_seq for key in keys for older in self._seqs.get(key, ()))

    def add(self, seq: int, keys: Sequence[Key]) -> None:
        """Note that a message is parked."""
        if not keys or seq in self._keys:
            return
        if len(self._keys) >= self._limit:
            self.has_overflowed = True
            return
        self._keys[seq] = tuple(keys)
        for key in keys:
            self._seqs.setdefault(key, set()).add(seq)

    def remove(self, seq: int) -> None:
        """Note that a message, or its copy, has been handed on."""
        for key in self._keys.pop(seq, ()):
            seqs = self._seqs[key]
            seqs.discard(seq)
            if not seqs:
                del self._seqs[key]
