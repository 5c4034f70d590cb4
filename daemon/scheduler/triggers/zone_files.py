"""Whether the rules of the time zones have changed on this machine."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from daemon.scheduler.triggers.zone import forget_zones, zones_opened


class ZoneFile(NamedTuple):
    """The file a zone is read from; a zone without one has an empty path."""

    zone: str
    path: str
    changed_at_ns: int
    size_bytes: int


def zone_files(zones: Iterable[str] | None = None) -> tuple[ZoneFile, ...]:
    """Look at the files that zones are read from, by default of all zones that were opened.

    If two answers differ, rules may have changed: call ``forget_zones``. It is one look at a file's entry for each zone.
    """
    return tuple(_zone_file(zone) for zone in sorted(zones_opened() if zones is None else zones))


class ZoneWatch:
    """Notices that the rules of zones in use have changed, and has them read anew."""

    def __init__(self) -> None:
        """Begin with the files as they are."""
        self._seen = {one.zone: one for one in zone_files()}

    def changed(self) -> list[str]:
        """Name the zones whose files are others than at the last look; they have been forgotten then."""
        found = {one.zone: one for one in zone_files()}
        changed = sorted(zone for zone, one in found.items() if self._seen.get(zone, one) != one)
        self._seen = found
        if changed:
            forget_zones()
        return changed


def _zone_file(zone: str) -> ZoneFile:
    for path in _places(zone):
        try:
            found = path.stat()
        except OSError:
            continue
        return ZoneFile(zone, str(path), found.st_mtime_ns, found.st_size)
    return ZoneFile(zone, "", 0, 0)


def _places(zone: str) -> Iterable[Path]:
    for folder in zoneinfo.TZPATH:
        yield Path(folder, zone)
    try:
        yield Path(str(files("tzdata"))) / "zoneinfo" / zone
    except ModuleNotFoundError:
        return
