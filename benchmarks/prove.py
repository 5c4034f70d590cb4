"""The proof of clock changes at length: a million cases, 24 in each window.

Windows are numbered; every number is a window of its own, so the proof is resumed with ``--first`` and one window is repeated with
``--first N --windows 1``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from multiprocessing import get_context

from tests.support.proof import KINDS, STARTS, Difference, Proof

CHUNK = 50
MILLION = 1_000_000
REPORT_S = 10.0


def prove(first: int, windows: int, minutes: float | None) -> int:
    """Check windows, say how many, and give 1 if there is a difference."""
    ends_at = None if minutes is None else time.monotonic() + minutes * 60
    chunks = [(begin, min(begin + CHUNK, first + windows)) for begin in range(first, first + windows, CHUNK)]
    checked: Counter[str] = Counter()
    reported_at, done, differences = time.monotonic(), first, 0
    with get_context("spawn").Pool(initializer=_begin, maxtasksperchild=40) as pool:
        for end, found in _in_turn(pool.imap(_check, chunks), ends_at):
            for number in range(done, end):
                checked[KINDS[number % len(KINDS)]] += STARTS
            done = end
            for one in found:
                differences += 1
                print(one, flush=True)
            if time.monotonic() - reported_at > REPORT_S:
                reported_at = time.monotonic()
                print(
                    f"{(done - first) * STARTS:,} cases, {differences} differences; --first {done} resumes here",
                    flush=True,
                )
        pool.terminate()
    for kind, count in sorted(checked.items()):
        print(f"{kind:12} {count:9,} cases")
    total = (done - first) * STARTS
    print(f"{total:,} cases in {done - first:,} windows from {first} on, {differences} differences")
    print(f"--first {done} goes on from here")
    return min(differences, 1)


def _in_turn(
    results: Iterator[tuple[int, list[Difference]]], ends_at: float | None
) -> Iterator[tuple[int, list[Difference]]]:
    for result in results:
        yield result
        if ends_at is not None and time.monotonic() > ends_at:
            return


_proof: list[Proof] = []


def _begin() -> None:
    _proof.append(Proof())


def _check(numbers: tuple[int, int]) -> tuple[int, list[Difference]]:
    found = (one for number in range(*numbers) if (one := _proof[0].check(number)) is not None)
    return numbers[1], list(islice(found, 5))


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m benchmarks.prove", description=__doc__)
    reader.add_argument("--first", type=int, default=0, help="the number of the first window")
    reader.add_argument("--windows", type=int, default=-(-MILLION // STARTS))
    reader.add_argument("--minutes", type=float, help="stop after so long")
    chosen = reader.parse_args()
    return prove(chosen.first, chosen.windows, chosen.minutes)


if __name__ == "__main__":
    sys.exit(main())
