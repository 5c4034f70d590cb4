"""How late occurrences were, by the server's own clock: the history's entry is written in the step that enqueues the task."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.valkey import ValkeyServer

HISTORY = "carillon:1:testsite:history"


def latenesses_ms(server: ValkeyServer, most: int) -> list[tuple[int, float]]:
    """Give the latest occurrences that were enqueued, by their instants, and how long after it each was, in milliseconds."""
    found = []
    for place, values in server.client.xrevrange(HISTORY, count=most):
        milliseconds = int(place.split(b"-")[0])
        for value in values.values():
            told = json.loads(value)
            if told["s"] == "enqueued":
                found.append((told["o"], milliseconds + 0.5 - told["o"] / 1000))
    return sorted(found)


def spread(values_ms: Sequence[float]) -> str:
    """Write the median, the 99th of a hundred, and the most."""
    ordered = sorted(values_ms)
    return f"median {quantile(ordered, 0.5):.1f} ms, p99 {quantile(ordered, 0.99):.1f} ms, most {ordered[-1]:.1f} ms"


def quantile(ordered: Sequence[float], part: float) -> float:
    """Give the value that a part of all does not pass."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def say(what: str, found: str) -> None:
    """Print one figure."""
    print(f"  {what:52} {found}", flush=True)
