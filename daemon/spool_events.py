"""What is known of the disk under the spool, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class SpoolPlaced:
    """Where the spool lies: the file system, what protects it when the machine is off, and how long a sync takes."""

    file_system: Public
    at_rest: Public
    sync_s: float


@dataclass(frozen=True, slots=True)
class SpoolDown:
    """The disk failed too often; it is left alone for a while, or until someone resumes it."""

    failures: int
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """How much room the disk of the spool has, and after how long it is full if it goes on like this; infinite if it is not."""

    free_bytes: int
    lasts_s: float


@dataclass(frozen=True, slots=True)
class DiskLow:
    """The disk of the spool will be full before long."""

    free_bytes: int
    lasts_s: float


@dataclass(frozen=True, slots=True)
class DiskRoomy:
    """The disk of the spool has room again."""

    free_bytes: int
