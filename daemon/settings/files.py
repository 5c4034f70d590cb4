"""Small text files that an operator wrote: the site file, ``.env``, secrets. Opened once, and never waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FileUnusable(ValueError):
    """A file cannot be used as text; the message says why and holds nothing of its contents."""


def read_text(path: Path, limit_bytes: int) -> str:
    """Read a text file; a byte order mark is left out.

    Raises:
        FileUnusable: missing, not a regular file, larger than ``limit_bytes``, or not UTF-8.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FileUnusable(error.strerror) from None
    except ValueError:
        raise FileUnusable("not the name of a file") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileUnusable("not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit_bytes:
        raise FileUnusable(f"larger than {limit_bytes} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileUnusable(f"not UTF-8 (byte {error.start})") from None
