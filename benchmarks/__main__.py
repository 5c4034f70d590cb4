"""``make bench``: everything side by side in one run, medians and ratios. ``make bench ONLY=mllp`` runs one."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence

from benchmarks import (
    api,
    api_beside,
    beside_beat,
    burst,
    control,
    dashboard,
    events,
    failover,
    listener,
    memory,
    million,
    mllp,
    publish,
    results,
    schedule,
    spool,
)
from benchmarks.measure import Bound, Comparison

ALL: dict[str, Callable[[], Sequence[Bound | Comparison] | None]] = {
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
    "spool": spool.run,
    "listener": listener.run,
    "api": api.run,
    "api-beside": api_beside.run,
    "dashboard": dashboard.run,
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
