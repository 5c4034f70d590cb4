"""The file that remembers how lanes were laid out at the last start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.arrangement import arrangement_of, changed, read_arrangement, write_arrangement

FILE = "lanes.json"
SIZE_LIMIT_BYTES = 4 * 1024 * 1024


def note_lanes(folder: Path, feeds: Sequence[Feed]) -> list[str]:
    """Remember the lanes of feeds, and name those that had others at the last start. A file that is lost tells nothing."""
    path, now = folder / FILE, arrangement_of(feeds)
    before = None
    with suppress(OSError), path.open("rb") as file:
        before = read_arrangement(file.read(SIZE_LIMIT_BYTES))
    if before != now:
        with suppress(OSError):  # a disk that cannot be written is told of elsewhere
            new = path.with_suffix(".new")
            new.write_bytes(write_arrangement(now))
            new.replace(path)
    return changed(before or {}, now)
