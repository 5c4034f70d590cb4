"""A long run of the fuzzer over every part that meets bytes from outside: ``make prove-fuzz ARGS="--minutes 30"``.

Targets take turns, as many at once as there are processors, each for its share of the time and in several rounds; what one round
found of interest is where the next begins. With ``--keep FOLDER`` that lasts beyond this run. An input that breaks a target is
kept, printed, and is the end of that target; the exit code is 1.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.fuzzing import Fuzzed, fuzz
from tests.fuzz.targets import TARGETS

ROUND_S, SHORTEST_S = 60, 5
DONE_PART = 3000


class Sum(NamedTuple):
    """What was tried of a target so far."""

    tried: int = 0
    kept: int = 0
    broken: Path | None = None

    def after(self, run: Fuzzed) -> Sum:
        return Sum(self.tried + run.tried, self.kept + run.kept, run.broken)


def prove(minutes: float, names: list[str], folder: Path) -> int:
    at_once = max(os.cpu_count() or 1, 1)
    share_s = minutes * 60 * at_once / len(names)
    rounds = max(round(share_s / ROUND_S), 1)
    seconds = max(round(share_s / rounds), SHORTEST_S)
    sums = dict.fromkeys(names, Sum())

    def turn(name: str) -> None:
        if sums[name].broken is not None:
            return
        seed = random.randrange(1, 1 << 31)
        run = fuzz(name, folder / name, seconds=seconds, seed=seed)
        sums[name] = sums[name].after(run)
        if run.broken is not None:
            data = base64.b64encode(run.broken.read_bytes()).decode()
            print(f"{name}: broken by {run.broken} (seed {seed})\n{data}\n{run.said[-DONE_PART:]}", flush=True)

    with ThreadPoolExecutor(at_once) as threads:
        for number in range(1, rounds + 1):
            list(threads.map(turn, names))
            tried = sum(one.tried for one in sums.values())
            print(f"round {number} of {rounds}: {tried:,} inputs", flush=True)
    for name, one in sums.items():
        print(f"{name:10} {one.tried:13,} inputs  {one.kept:6,} kept  {'BROKEN' if one.broken else 'holds'}")
    return int(any(one.broken for one in sums.values()))


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m benchmarks.prove_fuzz", description=__doc__)
    reader.add_argument("--minutes", type=float, default=10.0)
    reader.add_argument("--target", choices=tuple(TARGETS), action="append", help="only this one; may be repeated")
    reader.add_argument("--keep", type=Path, help="where inputs of interest stay for the next time")
    chosen = reader.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    failed = prove(chosen.minutes, chosen.target or list(TARGETS), folder)
    if not failed and chosen.keep is None:
        shutil.rmtree(folder)
    return failed


if __name__ == "__main__":
    sys.exit(main())
