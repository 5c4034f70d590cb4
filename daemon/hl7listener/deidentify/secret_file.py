"""The secret behind a site's pseudonyms: made once, kept in the state folder, never shown."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from daemon.errors import StateDirUnusable

FILE = "pseudonym-secret"
SECRET_BYTES = 32


def site_secret(folder: Path) -> bytes:
    """Read the secret; make it if there is none.

    Raises:
        StateDirUnusable: it can be neither read nor made.
    """
    path = folder / FILE
    try:
        return _read(path) or _make(path)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise StateDirUnusable(message, hint="run this as the daemon's user, or as root") from None


def _read(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    return found if len(found) >= SECRET_BYTES else None


def _make(path: Path) -> bytes:
    """Make it beside its place and link it there, so that of two who do so at once one wins and both read the same."""
    new = path.with_name(f"{FILE}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        if os.geteuid() == 0:  # made by root for a daemon that is not
            there = path.parent.stat()
            os.chown(new, there.st_uid, there.st_gid)
        try:
            os.link(new, path)
        except FileExistsError:
            if _read(path) is None:  # cut short by a full disk
                new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path.read_bytes()
