"""The file in which what was learned of feeds outlives the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from daemon.hl7listener.watch.usual import Usual
from daemon.whole_file import write_whole

FILE = "usual-silence.json"
SIZE_LIMIT_BYTES = 64 * 1024 * 1024


class UsualFile:
    """What was learned, written as a whole. It is worth little: what cannot be read is learned anew."""

    def __init__(self, folder: Path) -> None:
        """Keep the place."""
        self._path = folder / FILE

    def read(self) -> dict[str, Usual]:
        """Read what was learned of each feed; nothing, if there is none or it cannot be made out."""
        try:
            with self._path.open("rb") as file:
                found = orjson.loads(file.read(SIZE_LIMIT_BYTES))
            return {str(name): Usual.of(data) for name, data in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def write(self, learned: Mapping[str, Usual]) -> None:
        """Replace the file.

        Raises:
            OSError: it cannot be written; the old one stands.
        """
        write_whole(self._path, orjson.dumps({name: usual.as_data() for name, usual in learned.items()}))
