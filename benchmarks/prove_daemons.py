"""The proof with real daemons at length: ``python -m benchmarks.prove_daemons --minutes 6``.

Five daemons and one Valkey that writes all it is told to disk; daemons are killed, stopped and cut off, replies are lost, clocks are off
by up to five seconds. Then the same with a stale replica promoted in the middle: what is pushed again has the same id, and is reported by
daemons that knew of it; one that was away or whose clock is slow may not. The seed decides what is done, not what comes of it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import anyio

from tests.support.valkey import ValkeyServer
from tests.support.violence import Cluster, Sum, cluster, follow

DAEMONS, ENTRIES = 5, 300
EVERY_S = 1.0
LAG_S = 3.0
SAFE = ("--appendfsync", "always")


async def _one_master(folder: Path, seconds: float, seed: int) -> int:
    with ValkeyServer(*SAFE) as server:
        async with cluster(folder, server, daemons=DAEMONS, entries=ENTRIES, seed=seed) as made:
            await made.harm(seconds, EVERY_S)
            await made.settle()
            await made.end()
            return _report("one durable master", made, made.sum_up())


async def _stale_replica(folder: Path, seconds: float, seed: int) -> int:
    with ValkeyServer(*SAFE) as master, ValkeyServer(*SAFE) as replica:
        follow(replica, master)
        async with cluster(folder, master, daemons=DAEMONS, entries=ENTRIES, seed=seed) as made:
            await made.harm(seconds / 2, EVERY_S)
            lost = await made.fail_over(replica, LAG_S)
            await made.harm(seconds / 2, EVERY_S)
            await made.settle()
            await made.end()
            failed = _report("a stale replica promoted", made, made.sum_up())
            again = lost & set(made.queued())
            silent = again - made.repeated()
            print(
                f"  {len(lost):,} writes lost by the fail-over: {len(again):,} pushed again under the same id, "
                f"{len(silent):,} of them reported by nobody"
            )
            return failed + len(lost - again) + len(silent)


def _report(what: str, made: Cluster, found: Sum) -> int:
    print(
        f"{what}: {found.due:,} occurrences; {len(found.missing)} lost, {len(found.doubled)} doubled, "
        f"{len(found.strange)} strange; harm: {dict(sorted(made.done.items()))}",
        flush=True,
    )
    return len(found.missing) + len(found.doubled) + len(found.strange)


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m benchmarks.prove_daemons", description=__doc__)
    reader.add_argument("--minutes", type=float, default=6.0, help="how long each of the two parts does harm")
    reader.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    chosen = reader.parse_args()
    print(f"seed={chosen.seed}", flush=True)
    failed = 0
    for part in (_one_master, _stale_replica):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            failed += anyio.run(part, Path(folder), chosen.minutes * 60, chosen.seed)
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
