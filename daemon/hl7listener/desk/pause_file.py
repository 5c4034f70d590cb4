"""The file in which pauses of feeds outlive the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daemon.desks import Pause
from daemon.hl7listener.desk.pauses import read_pauses, write_pauses
from daemon.whole_file import write_whole

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
        write_whole(self._path, write_pauses(pauses))
