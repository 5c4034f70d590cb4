"""A stand-in for the service manager: a notify socket, and listening sockets handed down by name."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import ROOT, DaemonProcess

_FIRST_FD = 3


class NotifySocket:
    """Collects what a service tells its manager."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.2)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.states: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10)
        self._socket.close()

    def wait_for(self, word: str, count: int = 1, limit_s: float = 30.0) -> None:
        """Wait until so many datagrams held a word."""
        deadline = time.monotonic() + limit_s
        while sum(word in state for state in self.states) < count:
            if time.monotonic() > deadline:
                message = f"no {count} of {word} in {self.states}"
                raise AssertionError(message)
            time.sleep(0.01)

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                self.states.append(self._socket.recv(4096).decode())
            except TimeoutError:
                continue


class InheritingDaemon(DaemonProcess):
    """A daemon that is handed listening sockets, as systemd does it."""

    def __init__(self, site_file: Path, sockets: dict[str, socket.socket]) -> None:
        super().__init__(site_file)
        self._sockets = sockets

    def start(self) -> None:
        names = ":".join(self._sockets)
        # The variables name the process that is meant, so they are set by the child itself, just before it becomes us.
        starter = (
            "import os, sys\n"
            "for place, number in enumerate(map(int, sys.argv[1].split(','))):\n"
            "    os.dup2(number, 100 + place)\n"
            f"for place in range({len(self._sockets)}):\n"
            f"    os.dup2(100 + place, {_FIRST_FD} + place, inheritable=True)\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
        )
        numbers = [one.fileno() for one in self._sockets.values()]
        environment = {**os.environ, "LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": names, "PYTHONPATH": str(ROOT)}
        self.records = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", starter, ",".join(map(str, numbers)), *self._command[1:]],
            cwd=ROOT,
            env=environment,
            pass_fds=numbers,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()


def bound(host: str = "127.0.0.1") -> socket.socket:
    """Give a listening socket on a port the system chose."""
    listening = socket.socket()
    listening.bind((host, 0))
    listening.listen(64)
    return listening
