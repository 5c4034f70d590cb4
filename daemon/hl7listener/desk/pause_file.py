"""The file in which pauses of feeds outlive the daemon."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from daemon.desks import Pause
from daemon.hl7listener.desk.pauses import read_pauses, write_pauses

FILE = "paused-feeds.json"
SIZE_LIMIT_BYTES = 1024 * 1024


class PauseFile:
    """Pauses, written as a whole and never half."""

    def __init__(self, folder: Path) -> None:
        """Keep the place."""
        self._path = folder / FILE

    def read(self) -> dict[str, Pause] | None:
        """Read the pauses; none if there is no file, ``None`` if it cannot be made out.

        Raises:
            OSError: it cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                return read_pauses(file.read(SIZE_LIMIT_BYTES))
        except FileNotFoundError:
            return {}

    def write(self, pauses: Mapping[str, Pause]) -> None:
        """Replace the file; when this returns, the new one is on the disk.

        Raises:
            OSError: it cannot be written; the old one stands.
        """
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(write_pauses(pauses))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
