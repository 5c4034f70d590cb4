"""What the commands of ``carillon hl7`` share: whom to call, TLS, and an orderly end on Ctrl-C."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click
from pydantic_core import PydanticCustomError

from daemon.cli.options import duration_s, usage_error
from daemon.errors import DaemonError
from daemon.public import escaped
from daemon.sender.line import Dial
from daemon.sender.tls import TlsFiles, client_context
from daemon.settings.values import Address, parse_address

EXIT_REFUSED, EXIT_DATA, EXIT_INTERRUPTED = 1, 65, 130

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def calling_options(*, timeout: str) -> Callable[[F], F]:
    """Add what is needed to call a listener; ``dial`` reads it."""
    options = (
        click.option(
            "--timeout", metavar="S", default=timeout, show_default=True, help="How long each reply may take."
        ),
        click.option("--tls", is_flag=True, help="Speak TLS; --ca, --cert and --insecure imply it."),
        click.option("--ca", type=_FILE, help="Who signs the listener's certificate. [this machine's authorities]"),
        click.option("--cert", type=_FILE, help="Our certificate, where the listener wants one."),
        click.option("--key", type=_FILE, help="Its key, if it is not in the same file."),
        click.option("--insecure", is_flag=True, help="The listener's certificate may be for another host."),
        click.option("--server-name", metavar="NAME", default="", help="The host its certificate is for."),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def dial(
    to: str,
    option: str,
    *,
    timeout: str,
    tls: bool,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    insecure: bool,
    server_name: str,
    release: str = "1",
) -> Dial:
    """Read the options of ``calling_options``."""
    if key is not None and cert is None:
        raise click.UsageError("--key needs --cert")
    context: ssl.SSLContext | None = None
    if tls or ca is not None or cert is not None or insecure or server_name:
        context = client_context(TlsFiles(ca, cert, key, checks_name=not insecure))
    return Dial(address(to, option), duration_s(timeout, "--timeout"), context, server_name, int(release))


def address(text: str, option: str) -> Address:
    """Read ``HOST:PORT``."""
    try:
        return parse_address(text)
    except PydanticCustomError as error:
        raise usage_error(option, error) from None


def say(error: DaemonError) -> int:
    """Print what went wrong; give the exit code for it."""
    click.echo(escaped(f"carillon: {error}" + (f"; {error.hint}" if error.hint else "")), err=True)
    return error.exit_code


async def until_interrupted(work: Callable[[], Awaitable[object]]) -> bool:
    """Do ``work`` until it is done or SIGINT or SIGTERM comes; say whether a signal ended it."""
    interrupted = False

    async def heed() -> None:
        nonlocal interrupted
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                interrupted = True
                tasks.cancel_scope.cancel()

    error: DaemonError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heed)
        try:
            await work()
        except DaemonError as raised:  # unwrapped by no task group
            error = raised
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error
    return interrupted
