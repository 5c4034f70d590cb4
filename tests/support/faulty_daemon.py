"""The daemon with a fault at a named point: ``python faulty_daemon.py SITE POINT COUNT kill|raise``.

Production code knows no such thing: the point is a callable that only the composition root hands out.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

import anyio

from daemon.clock import SystemClock
from daemon.composition import Daemon, Surroundings
from daemon.log import Log, install
from daemon.notify import Notifier
from daemon.site import check_site
from tests.support.builders import MARKER


def main() -> None:
    site_file, point, count, then = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    hits = itertools.count(1)

    def at(name: str) -> None:
        if name == point and next(hits) == count:
            if then == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            message = f"{MARKER} stands in for what a real bug might quote"
            raise ValueError(message)

    site = check_site(site_file, os.environ).site
    assert site is not None
    clock = SystemClock()
    log = Log(sys.stderr, clock)
    install(log)
    around = Surroundings(log=log, notifier=Notifier(None, None), clock=clock, at=at)
    sys.exit(anyio.run(Daemon(site, around).run, backend_options={"use_uvloop": True}))


main()
