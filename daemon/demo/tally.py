"""The demo's numbers, and whether they add up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one moment, each from its own source.

    Attributes:
        sent, acked: by the sender: messages written, positive acknowledgements read.
        spooled: rows in the spool's database.
        fires: occurrences enqueued, by the daemon's metrics.
        succeeded, failed: results the worker stored, by their state.
        queued: messages in the worker's queue.
        waiting: messages in the spool that are not yet in the queue.
        by_hand: how often somebody who looks at the demo sent or replayed something, by the audit trail.
    """

    sent: int = 0
    acked: int = 0
    spooled: int = 0
    fires: int = 0
    succeeded: int = 0
    failed: int = 0
    queued: int = 0
    waiting: int = 0
    by_hand: int = 0

    @property
    def lost(self) -> int:
        """Count what was accepted and did not become a finished task."""
        return max(self.acked - self.spooled, 0) + max(self.spooled + self.fires - self.succeeded, 0)

    @property
    def adds_up(self) -> bool:
        """Say whether everything sent was acknowledged, stored and done, once; with guests there may be more tasks than that."""
        if self.by_hand:
            return self.sent == self.acked <= self.spooled and self.succeeded >= self.spooled + self.fires
        return (
            self.sent == self.acked == self.spooled and self.succeeded == self.spooled + self.fires and not self.failed
        )

    def last_line(self) -> str:
        """Write the line the demo ends with."""
        return (
            f"demo: {self.sent} sent, {self.acked} acked, {self.spooled} spooled, {self.succeeded} tasks succeeded, "
            f"{self.fires} entries fired, {self.lost} lost"
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which ``share`` of the values lie; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw the last ``width`` values with block characters, the highest as a full one."""
    shown = list(values)[-width:]
    top = max(shown, default=0) or 1
    return "".join(" ▁▂▃▄▅▆▇█"[min(round(value / top * 8), 8)] for value in shown).rjust(width)
