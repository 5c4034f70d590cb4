"""The file that remembers how lanes were laid out at the last start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.arrangement import arrangement_of, changed, read_arrangement, write_arrangement
from daemon.whole_file import write_whole

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
            write_whole(path, write_arrangement(now))
    return changed(before or {}, now)
