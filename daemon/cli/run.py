"""``carillon run``: the daemon, in the foreground."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress
from importlib.metadata import packages_distributions
from pathlib import Path

import click

from daemon.cli.options import load_or_exit, site_option
from daemon.errors import DaemonError, PackageShadowed, expected_cause

_OURS = "carillond"
LARGE_PIECE_BYTES = 1024 * 1024
_M_MMAP_THRESHOLD = -3
SWITCH_S = 0.0002
"""How long the event loop may keep the interpreter from the thread that waits for the disk, and the other way round."""
COLLECT_AFTER = (4_000, 2, 2_000)
"""Allocations, and collections of the younger generation, after which Python looks for cycles: see ``_calm_collector``.

In small portions: one of the middle generation stops everything for as long as it takes to walk 12,000 objects. All that is
left is walked seldom.
"""


@click.command()
@site_option()
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--log-format", type=click.Choice(["auto", "text", "json"]), default="auto", show_default=True,
    help="auto: text on a terminal, JSON elsewhere.",
)  # fmt: skip
def run(site_file: Path, log_level: str, log_format: str) -> int:
    """Run the daemon until a signal ends it. Logs go to stderr."""
    os.umask(0o077)
    gc.disable()  # until all is loaded: see _calm_collector
    _refuse_shadowed()
    site = load_or_exit(site_file)

    # The heavy imports come after the site file is known to be right.
    import anyio  # noqa: PLC0415

    from daemon.clock import SystemClock  # noqa: PLC0415
    from daemon.composition import Daemon, Surroundings  # noqa: PLC0415
    from daemon.events import DaemonStopped  # noqa: PLC0415
    from daemon.log import Level, Log, install  # noqa: PLC0415
    from daemon.notify import notifier  # noqa: PLC0415
    from daemon.public import reason  # noqa: PLC0415
    from daemon.sockets import inherited  # noqa: PLC0415

    clock = SystemClock()
    as_json = {"auto": None, "text": False, "json": True}[log_format]
    log = Log(sys.stderr, clock, level=Level[log_level.upper()], as_json=as_json)
    install(log)
    pid = os.getpid()
    around = Surroundings(
        log=log, notifier=notifier(os.environ, pid), clock=clock, inherited=inherited(os.environ, pid)
    )
    started_s = clock.monotonic_s()
    _steady_allocator()
    _calm_collector()
    sys.setswitchinterval(SWITCH_S)  # by default much longer, and a commit asks for the interpreter several times
    try:
        code = anyio.run(Daemon(site, around).run, backend_options={"use_uvloop": True})
    except (DaemonError, BaseExceptionGroup) as error:
        cause = expected_cause(error)
        if cause is None:
            raise
        log.write(Level.ERROR, "daemon.failed", {"error": reason(cause)})
        return cause.exit_code
    finally:
        log.settle()
    log(DaemonStopped(clock.monotonic_s() - started_s))
    return code


def _calm_collector() -> None:
    """Keep the cycle collector from walking what was loaded at start.

    With Python's defaults each walk stops every feed for tens of milliseconds, several times a second under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def _steady_allocator() -> None:
    """Have the memory of large messages given back to the system at once.

    By default glibc raises the size above which it does so with each large piece, and keeps the rest for itself.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_PIECE_BYTES)


def _refuse_shadowed() -> None:
    """Refuse to run where another distribution owns our import names: its files may lie among ours."""
    owners = packages_distributions()
    for name in ("daemon", "shim"):
        others = sorted(set(owners.get(name, ())) - {_OURS})
        if others:
            message = f"{', '.join(others)} is installed beside carillond and also owns the package {name!r}"
            raise PackageShadowed(message, hint="install carillond into an environment of its own")
