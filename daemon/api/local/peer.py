"""Who is on the other side of a Unix socket, as the kernel says (``SO_PEERCRED``, unix(7))."""

from __future__ import annotations

import pwd
import socket
import struct

from daemon.public import Public

_CREDENTIALS = struct.Struct("3i")


def peer_uid(connection: socket.socket) -> int:
    """Ask the kernel for the user id of the process that connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return int(uid)


def name_of(uid: int) -> Public:
    """Name a user: as the system does, or by number."""
    try:
        return Public(pwd.getpwuid(uid).pw_name)
    except (KeyError, OSError):
        return Public(f"uid {uid}")
