"""Where the socket is, for both sides. A path in a deep folder is too long for a socket's address (unix(7): 107 bytes)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET = "carillon.sock"


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """Give a short path of the socket in ``folder``, good within the block.

    Raises:
        OSError: there is no such folder.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
