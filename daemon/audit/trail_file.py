"""The trail on disk: ``audit.log`` in the state folder, and older files beside it.

Daemon and commands append under a lock, so there is one chain. A record is on disk, or was not written at all: what was cut
off in the middle is taken out again. A full file is put aside under the number of its first record, and the chain goes on.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from daemon.audit.iti20 import Source, audit_message
from daemon.audit.record import Head, Verified, follow, read_head, write_record
from daemon.deeds import Deed
from daemon.errors import AuditFailed
from daemon.public import Public
from daemon.settings.audit_section import AuditSection

CURRENT = "audit.log"
_LOCK = "audit.lock"
_OLDER = "audit-{number:012}.log"
_OLDER_GLOB = "audit-*.log"
LOCK_LIMIT_S = 5.0
_LONGEST_RECORD_BYTES = 64 * 1024
_HINT = "look after the disk of the state folder, and who may write there"


class TrailFile:
    """The files of one state folder."""

    def __init__(self, folder: Path, source: Source, section: AuditSection | None = None) -> None:
        """Open nothing yet; without a section the defaults count."""
        section = section or AuditSection()
        self._folder = folder
        self._source = source
        self._file_limit_bytes = section.file_limit
        self._files = section.files

    def append(self, deeds: Sequence[Deed], now_us: int) -> Head:
        """Write deeds, so that they are on disk when this returns; give the head of the chain.

        Raises:
            AuditFailed: none of them is written.
        """
        try:
            with self._locked():
                return self._append(deeds, now_us)
        except OSError as error:
            message = f"{self._folder / CURRENT}: {error.strerror or 'cannot be written'}"
            raise AuditFailed(message, hint=_HINT) from None

    def head(self) -> Head:
        """Give the last record; the beginning if there is none.

        Raises:
            AuditFailed: the trail cannot be read.
        """
        try:
            return self._head()
        except OSError as error:
            raise AuditFailed(f"{self._folder / CURRENT}: {error.strerror}", hint=_HINT) from None

    def verify(self, wanted: Head | None = None) -> Verified:
        """Follow the whole chain; with ``wanted``, see whether that head is in it.

        Raises:
            AuditFailed: the trail cannot be read.
        """
        try:
            return follow(self._lines(), wanted)
        except OSError as error:
            raise AuditFailed(f"{self._folder}: {error.strerror}", hint=_HINT) from None

    def records(self) -> Iterator[dict[str, Any]]:
        """Give all records that can be read, the oldest first.

        Raises:
            OSError: the trail cannot be read.
        """
        for _, _, line in self._lines():
            try:
                found = orjson.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found

    # -- within --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until_s = time.monotonic() + LOCK_LIMIT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until_s:
                        raise
                    time.sleep(0.005)
            yield
        finally:
            os.close(descriptor)

    def _append(self, deeds: Sequence[Deed], now_us: int) -> Head:
        head = self._head()
        lines = []
        for deed in deeds:
            line, head = write_record(deed, head, now_us, audit_message(deed, self._source, now_us))
            lines.append(line)
        path = self._folder / CURRENT
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            whole_bytes = _whole(descriptor)
            try:
                _write_all(descriptor, b"".join(lines))
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, whole_bytes)
                raise
            size_bytes = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if is_new:
            self._sync_folder()
        if size_bytes >= self._file_limit_bytes:
            self._put_aside(path)
        return head

    def _put_aside(self, path: Path) -> None:
        with path.open("rb") as file:
            first = read_head(file.readline())
        path.rename(self._folder / _OLDER.format(number=first.number if first is not None else 0))
        for old in self._older()[: -self._files]:
            old.unlink()
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _older(self) -> list[Path]:
        return sorted(self._folder.glob(_OLDER_GLOB))

    def _head(self) -> Head:
        for path in (self._folder / CURRENT, *reversed(self._older())):
            found = _last_of(path)
            if found is not None:
                return found
        return Head()

    def _lines(self) -> Iterator[tuple[str, int, bytes]]:
        for path in (*self._older(), self._folder / CURRENT):
            if path.exists():
                with path.open("rb") as file:
                    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_RECORD_BYTES), b""), 1):
                        yield path.name, number, line


def _last_of(path: Path) -> Head | None:
    """Read the last whole record of a file; one that somebody changed is passed over, and the chain shows it."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(size_bytes - 2 * _LONGEST_RECORD_BYTES, 0))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    for line in reversed(lines[:-1]):
        found = read_head(line)
        if found is not None:
            return found
    return None


def _whole(descriptor: int) -> int:
    """Take out a record that was cut off in the middle, and give the size of what is left."""
    size_bytes = os.fstat(descriptor).st_size
    start = max(size_bytes - _LONGEST_RECORD_BYTES, 0)
    tail = os.pread(descriptor, size_bytes - start, start)
    if tail and not tail.endswith(b"\n"):
        size_bytes = start + tail.rfind(b"\n") + 1
        os.ftruncate(descriptor, size_bytes)
    return size_bytes


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def here(site: Public) -> Source:
    """Say who keeps the trail: this process."""
    return Source(site, Public(socket.gethostname()), os.getpid())


def append_deed(folder: Path, site: Public, deed: Deed, now_us: int, section: AuditSection | None = None) -> None:
    """Write one deed from outside the daemon.

    Raises:
        AuditFailed: it is not written.
    """
    TrailFile(folder, here(site), section).append([deed], now_us)
