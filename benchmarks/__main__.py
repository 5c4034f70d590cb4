"""``make bench``: everything side by side in one run, medians and ratios. ``make bench ONLY=mllp`` runs one."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable

from benchmarks import beside_beat, burst, control, events, failover, memory, million, mllp, publish, results, schedule
from benchmarks.measure import Comparison

ALL: dict[str, Callable[[], list[Comparison] | None]] = {
    "publish": publish.run,
    "mllp": mllp.run,
    "burst": burst.run,
    "beat": beside_beat.run,
    "memory": memory.run,
    "million": million.run,
    "schedule": schedule.run,
    "failover": failover.run,
    "events": events.run,
    "control": control.run,
    "results": results.run,
}


def main() -> int:
    only = os.environ.get("ONLY", "")
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores; median [min-max]")
    reached = True
    for name, run in ALL.items():
        if only in ("", name):
            for comparison in run() or ():
                print(comparison, flush=True)
                reached = reached and comparison.ratio >= comparison.wanted
    return 0 if reached else 1


sys.exit(main())
