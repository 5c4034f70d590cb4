"""The kernel's list of what is mounted where. Pure."""

from __future__ import annotations

from typing import NamedTuple

_POINT = 4


class Mount(NamedTuple):
    """A file system that is mounted."""

    point: str
    file_system: str
    source: str


def find_mount(mountinfo: str, path: str) -> Mount | None:
    """Find what a path lies on, in the text of ``/proc/self/mountinfo``: the longest way down, of equal ones the last."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if not dash or len(fields) <= _POINT or len(kind) < 2:  # noqa: PLR2004 - type and source
            continue
        point = _plain(fields[_POINT])
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and (found is None or len(point) >= len(found.point)):
            found = Mount(point, kind[0], _plain(kind[1]))
    return found


def _plain(text: str) -> str:
    """Undo the octal escapes of blanks."""
    for escape, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(escape, character)
    return text
