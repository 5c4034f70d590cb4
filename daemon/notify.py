"""Telling systemd how we are (``sd_notify(3)``): one datagram for each state."""

from __future__ import annotations

import socket
from collections.abc import MutableMapping

_USEC = 1_000_000


class Notifier:
    """Sends states to the service manager; without one, or if it is gone, nothing happens."""

    def __init__(self, path: str | None, watchdog_s: float | None) -> None:
        """Keep the socket's path; ``watchdog_s`` is how often the manager wants to hear from us, if it does."""
        self._path = path
        self.watchdog_s = watchdog_s

    def ready(self, status: str) -> None:
        """Say that everything is open."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Say one line about how it goes."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Pet the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self, budget_s: float) -> None:
        """Say that we stop, and by when."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round((budget_s + 5) * _USEC)}")

    def _send(self, state: str) -> None:
        if self._path is None:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)  # noqa: FBT003 - the standard library's own signature
                channel.sendto(state.encode(), address)
        except OSError:
            pass  # a manager that does not listen must not stop us


def notifier(environment: MutableMapping[str, str], pid: int) -> Notifier:
    """Make a notifier from ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC``, and keep children from inheriting them."""
    path = environment.pop("NOTIFY_SOCKET", None)
    asked, meant = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", str(pid))
    return Notifier(path, _watchdog_s(asked) if meant == str(pid) else None)


def _watchdog_s(asked: str) -> float | None:
    if not asked.isdecimal():
        return None
    return int(asked) / _USEC or None
