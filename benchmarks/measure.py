"""What the benchmarks share: rounds side by side, medians, ratios, and a table."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Comparison:
    """Two ways of doing the same, measured in turn; ratios are taken pair by pair."""

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    wanted: float

    @property
    def ratio(self) -> float:
        return statistics.median(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        verdict = "ok" if self.ratio >= self.wanted else "BELOW"
        return (
            f"{self.what:58} ours {_spread(self.ours)}  theirs {_spread(self.theirs)} {self.unit:6} "
            f"ratio {self.ratio:6.1f}  wanted {self.wanted:.3g}  {verdict}"
        )


@dataclass(frozen=True)
class Bound:
    """Something measured against a number; with ``is_most`` less is better. Its ratio says how often it is within."""

    what: str
    unit: str
    measured: Sequence[float]
    bound: float
    is_most: bool = False
    wanted: float = 1.0

    @property
    def ratio(self) -> float:
        found = statistics.median(self.measured)
        if not self.is_most:
            return found / self.bound
        return self.bound / found if found > 0 else float("inf")

    def __str__(self) -> str:
        values = f"{statistics.median(self.measured):9,.1f} [{min(self.measured):,.1f}-{max(self.measured):,.1f}]"
        sense, verdict = ("at most" if self.is_most else "at least"), "ok" if self.ratio >= self.wanted else "BELOW"
        return f"{self.what:58} {values} {self.unit:6} wanted {sense} {self.bound:,g}  {verdict}"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):9,.0f} [{min(values):,.0f}-{max(values):,.0f}]"


def in_turn(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Measure both ways alternately, so that a drifting machine hits both."""
    mine, others = [], []
    for _ in range(rounds):
        others.append(theirs())
        mine.append(ours())
    return mine, others


@contextmanager
def process(
    *command: str, folder: Path = ROOT, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while something is measured, and kill it afterwards."""
    running = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            message = f"no {what} within {limit_s} s"
            raise AssertionError(message)
        time.sleep(0.02)


def python(*arguments: str) -> tuple[str, ...]:
    """Write the command that runs this interpreter."""
    return (sys.executable, *arguments)
