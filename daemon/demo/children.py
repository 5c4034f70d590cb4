"""The demo's processes: the daemon and a stock Celery worker, started the way anyone would."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

from daemon.embedded_broker import find_binary
from daemon.errors import DaemonError
from daemon.settings.values import Address

STOP_LIMIT_S = 30.0
_LINE_LIMIT_BYTES = 256 * 1024


class DemoUnavailable(DaemonError):
    """The demo cannot be shown on this machine as it is."""

    code = "demo-unavailable"
    exit_code = 69


class PortTaken(DemoUnavailable):
    """A port the demo needs is in use."""

    exit_code = 71


class Child:
    """A process whose lines are read as they come."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
        """Keep a started process."""
        self.name = name
        self.last_line = ""
        self._process = process
        self._on_line = on_line

    @classmethod
    async def start(
        cls,
        name: str,
        command: list[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> Child:
        """Start a process whose standard error is read line by line; it gets no signals of our terminal."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT_BYTES,
            start_new_session=True,
        )
        return cls(name, process, on_line)

    @property
    def has_ended(self) -> bool:
        """Say whether the process is gone."""
        return self._process.returncode is not None

    async def read_lines(self) -> None:
        """Hand on every line until the process ends."""
        assert self._process.stderr is not None  # asked for above
        while line := await self._process.stderr.readline():
            self.last_line = line.decode("utf-8", "replace").rstrip()
            self._on_line(self.last_line)
        await self._process.wait()

    async def stop(self) -> int:
        """Ask the process to end, wait, and give its status."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(STOP_LIMIT_S):
            return await self._process.wait()
        self._process.kill()
        return await self._process.wait()


def files_of(name: str) -> Path:
    """Find ``config/`` or ``examples/``: in the checkout, or where the wheel put them.

    Raises:
        DemoUnavailable: neither is there.
    """
    for root in (Path(__file__).parents[2], Path(sys.prefix) / "share" / "carillon"):
        if (root / name).is_dir() and (root / "config" / "demo.toml").is_file():
            return root / name
    message = f"the demo's {name}/ is not installed"
    raise DemoUnavailable(message, hint="pip install 'carillond[demo]', or run make demo in a checkout")


def refuse_missing() -> None:
    """Look for everything the demo needs besides ourselves.

    Raises:
        DemoUnavailable: a package is missing.
        EmbeddedBrokerFailed: there is no Valkey.
    """
    for package in ("celery", "redis"):
        if importlib.util.find_spec(package) is None:
            message = f"the demo runs a stock Celery worker and the package {package} is not installed"
            raise DemoUnavailable(message, hint="pip install 'carillond[demo]'")
    find_binary(None)


def refuse_taken(address: Address, what: str) -> None:
    """Look whether an address can be listened on.

    Raises:
        PortTaken: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            message = f"{what} needs {address} ({error.strerror})"
            hint = f"stop what listens there (ss -ltnp 'sport = :{address.port}'), or change config/demo.toml"
            raise PortTaken(message, hint=hint) from None


def child_environment(**extra: str) -> dict[str, str]:
    """Give the environment of a child: ours without what would change the demo's site, and with ``extra``."""
    ours = ("CARILLON_", "CELERY_", "REDIS_URL", "REQUIRE_CELERY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(
            str(Path(part).absolute()) for part in kept["PYTHONPATH"].split(os.pathsep)
        )
    return {**kept, **extra}
