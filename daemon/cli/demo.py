"""``carillon demo``: everything at once in one terminal."""

from __future__ import annotations

import signal
import sys
import time

import anyio
import click

from daemon.cli.options import duration_s
from daemon.demo.screen import Picture, draw, plain_line
from daemon.demo.show import RATE_PER_S, Demo
from daemon.demo.tally import Tally

_EXIT_DOES_NOT_ADD_UP = 1
_PLAIN_EVERY_S = 2.0


@click.command()
@click.option(
    "--seconds",
    envvar="DEMO_SECONDS",
    default="",
    metavar="N",
    help="Stop after N seconds; also DEMO_SECONDS. [until Ctrl-C]",
)
@click.option(
    "--rate", type=click.FloatRange(0.1, 1000), default=RATE_PER_S, show_default=True, help="Messages a second."
)
def demo(seconds: str, rate: float) -> int:
    """Show a private Valkey, a stock Celery worker, the daemon and a simulated ADT feed at work.

    Stops after --seconds or on Ctrl-C, waits until everything is done, and ends with one line of numbers. Exits with 0
    only if nothing was lost.
    """
    show = Demo(duration_s(seconds, "--seconds") if seconds else None, rate)
    click.echo(f"beside it: {show.beside}", err=True)
    click.echo(f"dashboard: {show.dashboard}", err=True)
    final = anyio.run(_run, show)
    click.echo(final.last_line())
    return 0 if final.adds_up else _EXIT_DOES_NOT_ADD_UP


async def _run(show: Demo) -> Tally:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_heed_signals, show)
        final = await (_on_terminal(show) if sys.stdout.isatty() else _on_pipe(show))
        tasks.cancel_scope.cancel()
    return final


async def _heed_signals(show: Demo) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            show.stop()


async def _on_terminal(show: Demo) -> Tally:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.live import Live  # noqa: PLC0415

    with Live(draw(show.picture), console=Console(), refresh_per_second=8, transient=True) as live:
        return await show.run(lambda: live.update(draw(show.picture)))


async def _on_pipe(show: Demo) -> Tally:
    printer = _Printer(show.picture)
    return await show.run(printer.now_and_then)


class _Printer:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._printed_at_s = 0.0

    def now_and_then(self) -> None:
        now_s = time.monotonic()
        if now_s - self._printed_at_s >= _PLAIN_EVERY_S:
            self._printed_at_s = now_s
            click.echo(plain_line(self._picture))
