"""The daemon with a clock that is off: ``python skewed_daemon.py SITE OFFSET_US``.

Every occurrence that is pushed again is written to stderr as a line of its own: the log's own lines are bounded in number.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio

from daemon.clock import SystemClock
from daemon.composition import Daemon, Surroundings
from daemon.log import Log, install
from daemon.notify import Notifier
from daemon.run_events import RunRepeated
from daemon.schedule_events import OccurrenceRepeated
from daemon.site import check_site


class SkewedClock(SystemClock):
    """The machine's clock and an offset."""

    def __init__(self, offset_us: int) -> None:
        self._offset_us = offset_us

    def now_us(self) -> int:
        return super().now_us() + self._offset_us


def main() -> None:
    site_file, offset_us = Path(sys.argv[1]), int(sys.argv[2])
    site = check_site(site_file, os.environ).site
    assert site is not None
    clock = SkewedClock(offset_us)
    log = Log(sys.stderr, clock, as_json=True)
    install(log)

    def emit(event: object) -> None:
        if isinstance(event, (OccurrenceRepeated, RunRepeated)):
            line = {"action": "repeated", "entry": event.entry, "at_us": event.occurrence_us}
            sys.stderr.write(json.dumps(line) + "\n")
        log(event)

    around = Surroundings(log=emit, notifier=Notifier(None, None), clock=clock)
    sys.exit(anyio.run(Daemon(site, around).run, backend_options={"use_uvloop": True}))


main()
