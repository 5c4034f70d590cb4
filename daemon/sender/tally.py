"""What came of a run of sending: counts, codes, and how long answers took. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

_GROWTH = math.log(1.02)
_SMALLEST_S = 1e-6


@dataclass(slots=True)
class Latencies:
    """Spans of time, counted in classes two per cent wide, so that any number of them fits."""

    classes: Counter[int] = field(default_factory=Counter)
    count: int = 0
    longest_s: float = 0.0

    def add(self, took_s: float) -> None:
        """Count one."""
        self.classes[round(math.log(max(took_s, _SMALLEST_S) / _SMALLEST_S) / _GROWTH)] += 1
        self.count += 1
        self.longest_s = max(self.longest_s, took_s)

    def percentile_s(self, share: float) -> float:
        """Give the span that ``share`` of them do not exceed, to one per cent; 0 of none."""
        left = max(math.ceil(self.count * share), 1)
        for place in sorted(self.classes):
            left -= self.classes[place]
            if left <= 0:
                return min(_SMALLEST_S * math.exp(place * _GROWTH), self.longest_s)
        return 0.0


@dataclass(slots=True)
class Tally:
    """The numbers of a run.

    Attributes:
        sent: messages written, resends not counted again.
        good: answered as expected.
        bad: answered otherwise.
        unanswered: given up.
        retried: sent again because no answer came.
        strays: replies that belong to no message that waited.
        further: replies beyond those a message waited for.
        codes: how often each code of table 0008 came; ``??`` is anything else.
    """

    sent: int = 0
    good: int = 0
    bad: int = 0
    unanswered: int = 0
    retried: int = 0
    strays: int = 0
    further: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)

    def line(self, lasted_s: float) -> str:
        """Write it as one line."""
        parts = [f"{self.sent} sent", f"{self.good} accepted", f"{self.bad} refused"]
        for count, word in (
            (self.unanswered, "unanswered"),
            (self.retried, "sent again"),
            (self.strays, "stray replies"),
            (self.further, "further replies"),
        ):
            if count:
                parts.append(f"{count} {word}")
        if self.codes:
            parts.append(" ".join(f"{code} {count}" for code, count in sorted(self.codes.items())))
        if self.latencies.count:
            p50_s, p99_s = self.latencies.percentile_s(0.5), self.latencies.percentile_s(0.99)
            parts.append(f"p50 {p50_s * 1000:.1f} ms, p99 {p99_s * 1000:.1f} ms")
        if lasted_s > 0 and self.sent > 1:
            parts.append(f"{self.sent / lasted_s:,.0f}/s")
        return ", ".join(parts)

    def record(self, lasted_s: float) -> dict[str, object]:
        """Write it as a JSON object."""
        return {
            "sent": self.sent,
            "accepted": self.good,
            "refused": self.bad,
            "unanswered": self.unanswered,
            "sent_again": self.retried,
            "stray_replies": self.strays,
            "further_replies": self.further,
            "codes": dict(sorted(self.codes.items())),
            "p50_ms": round(self.latencies.percentile_s(0.5) * 1000, 3),
            "p99_ms": round(self.latencies.percentile_s(0.99) * 1000, 3),
            "lasted_s": round(lasted_s, 3),
        }
