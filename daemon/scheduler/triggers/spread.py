"""Occurrences moved away from the instants that everybody chooses.

How far depends on a digest of the entry's id alone (and of the instant, for jitter), so every daemon on every platform
moves them alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from daemon.scheduler.triggers.trigger import Trigger, last_at_or_before


def offset_us(text: str, below_us: int) -> int:
    """Choose a number from 0 up to and without ``below_us`` by a digest of a text."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") * below_us >> 64


@dataclass(frozen=True, slots=True)
class Shifted(Trigger):
    """The occurrences of a trigger, all later by the same time."""

    trigger: Trigger
    by_us: int

    def next_after(self, after_us: int) -> int | None:
        """Give the first moved instant after ``after_us``."""
        at_us = self.trigger.next_after(after_us - self.by_us)
        return None if at_us is None else at_us + self.by_us

    def describe(self) -> str:
        """Write trigger and time; moved by nothing, the trigger alone."""
        return f"({self.trigger.describe()}) later by {self.by_us}" if self.by_us else self.trigger.describe()

    def begun(self, at_us: int) -> Trigger:
        """Begin the trigger."""
        return Shifted(self.trigger.begun(at_us), self.by_us)


@dataclass(frozen=True, slots=True)
class Jittered(Trigger):
    """The occurrences of a trigger, each later by a time of its own below ``below_us``.

    None is moved as far as the one that follows it, so they keep their order and none is lost.

    Attributes:
        key: the entry's id; entries with different ones are moved differently.
    """

    trigger: Trigger
    below_us: int
    key: str

    def next_after(self, after_us: int) -> int | None:
        """Give the first moved instant after ``after_us``."""
        # Of those planned up to now only the last can still lie ahead: the others were moved less far than to it.
        at_us = self.trigger.next_after(after_us - self.below_us)
        if at_us is not None and at_us <= after_us:
            following_us = self.trigger.next_after(at_us)
            if following_us is not None and following_us <= after_us:
                at_us = last_at_or_before(self.trigger, after_us, after_us=following_us) or following_us
                following_us = self.trigger.next_after(at_us)
            moved_us = self._moved(at_us, following_us)
            if moved_us > after_us:
                return moved_us
            at_us = following_us
        return None if at_us is None else self._moved(at_us, self.trigger.next_after(at_us))

    def _moved(self, at_us: int, following_us: int | None) -> int:
        room_us = self.below_us if following_us is None else min(self.below_us, following_us - at_us)
        return at_us + offset_us(f"{self.key}\n{at_us}", room_us)

    def describe(self) -> str:
        """Write trigger, bound and id."""
        return f"({self.trigger.describe()}) later by below {self.below_us} for {self.key}"

    def begun(self, at_us: int) -> Trigger:
        """Begin the trigger."""
        return Jittered(self.trigger.begun(at_us), self.below_us, self.key)
