"""The folder where a daemon's state lives, held by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from daemon.errors import StateDirTaken, StateDirUnusable

_LOCK = "lock"


class StateDir:
    """A state folder and the lock on it, held for life."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be, closed to others, and take it.

        Raises:
            StateDirUnusable: it cannot be made or written.
            StateDirTaken: another daemon holds it.
        """
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            message = f"state folder {path} is held by process {holder}"
            raise StateDirTaken(message, hint="stop that daemon, or give this one a state_dir of its own") from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._descriptor)
            raise _unusable(path, error) from None

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._descriptor)


def hand_over(folder: Path, *names: str) -> None:
    """Give files that root made in a state folder to the folder's owner: a daemon that is not root must read and write them."""
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    for name in names:
        with suppress(OSError):
            os.chown(folder / name, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _unusable(path: Path, error: OSError) -> StateDirUnusable:
    """Say that a state folder cannot be made or written, and what to do."""
    message = f"state folder {path}: {error.strerror}"
    return StateDirUnusable(message, hint="site.state_dir must be a folder this user can write")
