"""The fuzzer as a process, and what it says at its end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.seeds import write_seeds
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
SLOWEST_INPUT_S, MOST_MEMORY_MB, LONGEST_INPUT_BYTES = 20, 2048, 8192
MARGIN_S = 60
EVERY_TARGET, FAULTY_TARGET = "each", "naive"


class Fuzzed(NamedTuple):
    """What came of a run: how many inputs were tried, how many were worth keeping, and the one that broke it, if any."""

    tried: int
    kept: int
    broken: Path | None
    said: str


def fuzz(target: str, folder: Path, *, runs: int | None = None, seconds: int | None = None, seed: int = 1) -> Fuzzed:
    """Run the fuzzer on a target until it has tried so much; inputs it keeps stay in the folder for the next run."""
    kept, begin = folder / "kept", folder / "seeds"
    kept.mkdir(parents=True, exist_ok=True)
    write_seeds(begin, target if target in TARGETS else None)
    limits = [f"-runs={runs}"] if runs is not None else []
    limits += [f"-max_total_time={seconds}"] if seconds is not None else []
    command = [
        *(sys.executable, "-m", "tests.fuzz.run", target, *limits, f"-seed={seed}", f"-timeout={SLOWEST_INPUT_S}"),
        *(f"-rss_limit_mb={MOST_MEMORY_MB}", f"-max_len={LONGEST_INPUT_BYTES}", f"-artifact_prefix={folder}/"),
        *("-print_final_stats=1", "-verbosity=1", str(kept), str(begin)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONSAFEPATH", None)
    limit_s = None if seconds is None else seconds + MARGIN_S
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=limit_s, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    broken = next(iter(sorted(folder.glob("*-*"))), None)
    if done.returncode and broken is None:
        message = f"the fuzzer itself failed:\n{said[-3000:]}"
        raise RuntimeError(message)
    return Fuzzed(_number(said, "number_of_executed_units"), _number(said, "new_units_added"), broken, said)


def _number(said: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", said)
    return int(found[1]) if found else 0
