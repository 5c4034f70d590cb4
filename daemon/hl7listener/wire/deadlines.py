"""How long a sender may be silent, take over a block, or send what is none: the times of one connection."""

from __future__ import annotations

from daemon.hl7listener.wire.framing import Limits
from daemon.hl7listener.wire.goodbye import Goodbye

RATE_WINDOW_S = 10.0
"""How long a block may be open before the rate of its bytes is looked at, and how long each look covers."""


class Deadlines:
    """Keeps the times of one connection, on a monotonic clock.

    Attributes:
        heard_at_s: when the last bytes came.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing heard."""
        self._limits = limits
        self.heard_at_s = 0.0
        self._noise_at_s: float | None = None
        self._block_at_s: float | None = None
        self._rate_from = (0.0, 0)  # when a look at the rate began, and the bytes until then

    def begin_block(self, now_s: float, total_bytes: int) -> None:
        """Note that a block has begun that is not complete."""
        self._block_at_s = now_s
        self._rate_from = (now_s, total_bytes)
        self._noise_at_s = None

    def end_block(self) -> None:
        """Note that no block is open."""
        self._block_at_s = None

    @property
    def has_block(self) -> bool:
        """Say whether a block is open."""
        return self._block_at_s is not None

    def hear_noise(self, now_s: float) -> None:
        """Note that bytes came that are no block, and none has come before."""
        if self._noise_at_s is None:
            self._noise_at_s = now_s

    def stand_still(self, now_s: float, total_bytes: int) -> None:
        """Let no time pass for the sender: it is not read because of us."""
        self.heard_at_s = now_s
        if self._noise_at_s is not None:
            self._noise_at_s = now_s
        if self._block_at_s is not None:
            self._block_at_s = now_s
            self._rate_from = (now_s, total_bytes)

    def exceeded(self, now_s: float, total_bytes: int) -> Goodbye | None:
        """Say which of its times the sender has exceeded."""
        if self._block_at_s is not None:
            if now_s - self._block_at_s > self._limits.frame_s:
                return Goodbye.SLOW_BLOCK
            return Goodbye.TOO_SLOW if self._is_too_slow(now_s, total_bytes) else None
        if self._noise_at_s is not None and now_s - self._noise_at_s > self._limits.frame_s:
            return Goodbye.NO_BLOCK
        return Goodbye.IDLE if now_s - self.heard_at_s > self._limits.idle_s else None

    def _is_too_slow(self, now_s: float, total_bytes: int) -> bool:
        since_s, before_bytes = self._rate_from
        took_s = now_s - since_s
        if took_s < RATE_WINDOW_S:
            return False
        self._rate_from = (now_s, total_bytes)
        return total_bytes - before_bytes < self._limits.min_rate_bytes * took_s
