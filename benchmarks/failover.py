"""A fail-over: one of two daemons is killed again and again, and the occurrence that is due next is timed.

The server's own clock times it: the history's entry is written in the step that enqueues the task.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.measure import Comparison
from benchmarks.timing import latenesses_ms, say, spread
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

KILLS = int(os.environ.get("KILLS", "50"))
EVERY_MS = 200
ENTRY = f'[schedule.bell]\ntask = "app.tick"\nevery = "{EVERY_MS}ms"\ncatch_up = "all"\n'
WANTED_MS = 100.0


def run() -> list[Comparison]:
    seed = random.randrange(1 << 32)
    chance, killed_us = random.Random(seed), []
    with ValkeyServer() as server, tempfile.TemporaryDirectory() as folder:
        daemons = []
        for name in ("one", "two"):
            (Path(folder) / name).mkdir()
            site = write_site(Path(folder) / name, site_text(broker_url=server.url, schedule=ENTRY))
            daemons.append(DaemonProcess(site))
        with daemons[0], daemons[1]:
            for daemon in daemons:
                daemon.ready()
            for kill in range(KILLS):
                time.sleep(1 + chance.uniform(0, EVERY_MS / 1000))
                daemon = daemons[kill % 2]
                daemon.kill()
                killed_us.append(time.time_ns() // 1000)
                time.sleep(2 * EVERY_MS / 1000)
                daemon.start()
                daemon.ready()
        late = latenesses_ms(server, KILLS * 60)
    after = [next(ms for at_us, ms in late if at_us > when) for when in killed_us]
    say(f"the next occurrence after each of {KILLS} kills", f"{spread(after)} late (p99 wanted < {WANTED_MS:.0f})")
    say("all occurrences", f"{spread([ms for _, ms in late])} late")
    gaps = sum(later - at > EVERY_MS * 1000 for (at, _), (later, _) in pairwise(late))
    say("occurrences left out", str(gaps))
    sys.stdout.write(f"  seed={seed}\n")
    return []
