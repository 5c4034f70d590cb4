"""Where the spool lies: on which file system, how fast it syncs, and whether it is encrypted when the machine is off."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from daemon.hl7listener.spool.mounts import find_mount
from daemon.public import Public

REMOTE = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs")
)
"""File systems of another machine: their locks and syncs are not to be relied upon."""

VOLATILE = frozenset(("tmpfs", "ramfs", "overlay"))
"""Gone with the machine or with the container."""

FASTEST_SYNC_S, SLOWEST_SYNC_S = 20e-6, 0.1

_GET_POLICY = 0xC0096616  # FS_IOC_GET_ENCRYPTION_POLICY_EX
_SYNCS = 5
_DEPTH = 8


class AtRest(Enum):
    """What protects the bytes of a disk that is taken away."""

    LUKS = "luks"
    FSCRYPT = "fscrypt"
    PLAIN = "not-encrypted"
    UNKNOWN = "not-known"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the spool lies.

    Attributes:
        file_system: as the kernel names it; empty if it does not.
        sync_s: how long the disk takes to have a page.
    """

    file_system: Public
    sync_s: float
    at_rest: AtRest


def look_at_place(folder: Path) -> Place:
    """Look where a folder lies.

    Raises:
        OSError: it cannot be written.
    """
    try:
        mount = find_mount(Path("/proc/self/mountinfo").read_text("utf-8", "replace"), str(folder.resolve()))
    except OSError:
        mount = None
    file_system = Public(mount.file_system) if mount is not None else Public("")
    return Place(file_system, _sync_s(folder), _at_rest(folder, mount.source if mount is not None else ""))


def doubt_about(place: Place) -> str:
    """Say what is doubtful about a place, if anything."""
    if place.file_system in VOLATILE:
        return f"the spool is on {place.file_system}: what is acknowledged is gone with the machine or the container"
    if place.sync_s > SLOWEST_SYNC_S:
        return f"the disk takes {place.sync_s * 1000:.0f} ms to sync a page: every acknowledgement waits for that"
    if place.sync_s < FASTEST_SYNC_S:
        return f"the disk syncs a page in {place.sync_s * 1e6:.0f} us: it may not be on the disk then"
    return ""


def forbid_core_dumps() -> None:
    """Have a crash leave no picture of the memory, in which messages are, on the disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _sync_s(folder: Path) -> float:
    took_s: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as probe:
        for _ in range(_SYNCS):
            os.pwrite(probe.fileno(), b"\0" * 4096, 0)
            started_s = time.perf_counter()
            os.fdatasync(probe.fileno())
            took_s.append(time.perf_counter() - started_s)
    return statistics.median(took_s)


def _at_rest(folder: Path, source: str) -> AtRest:
    if _has_policy(folder):
        return AtRest.FSCRYPT
    number = folder.stat().st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not device.exists():  # btrfs and the like give numbers of their own
        device = (
            Path("/sys/class/block") / Path(os.path.realpath(source)).name if source.startswith("/dev/") else device
        )
    if not device.exists():
        return AtRest.UNKNOWN
    return AtRest.LUKS if _is_under_crypt(device, _DEPTH) else AtRest.PLAIN


def _is_under_crypt(device: Path, depth: int) -> bool:
    """Say whether a block device, or all of what it is made of, is encrypted."""
    try:
        if (device / "dm" / "uuid").read_text("ascii", "replace").startswith("CRYPT-"):
            return True
    except OSError:
        pass
    try:
        below = sorted((device / "slaves").iterdir())
    except OSError:
        return False
    return bool(below) and depth > 0 and all(_is_under_crypt(one, depth - 1) for one in below)


def _has_policy(folder: Path) -> bool:
    """Ask whether a folder has a policy of fscrypt."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        room = array.array("B", (24).to_bytes(8, "little") + bytes(24))
        fcntl.ioctl(descriptor, _GET_POLICY, room)
    except OSError as error:
        return error.errno == errno.EOVERFLOW  # a policy too long to be read is one
    else:
        return True
    finally:
        os.close(descriptor)
