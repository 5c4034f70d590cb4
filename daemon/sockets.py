"""Sockets: bound here, or inherited from systemd (``sd_listen_fds(3)``)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Any

from daemon.errors import ListenFailed
from daemon.settings.values import Address

_FIRST_FD = 3
BACKLOG = 512


def inherited(environment: MutableMapping[str, str], pid: int) -> dict[str, list[socket.socket]]:
    """Take the listening sockets systemd passed to this process, by their names, and forget the variables.

    ``LISTEN_PID`` must be ours: a wrapper between systemd and us would have inherited it first.
    """
    fields = {name: environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if fields["LISTEN_PID"] != str(pid) or not fields["LISTEN_FDS"].isdecimal():
        return {}
    count = int(fields["LISTEN_FDS"])
    names = fields["LISTEN_FDNAMES"].split(":") if fields["LISTEN_FDNAMES"] else []
    found: dict[str, list[socket.socket]] = {}
    for place in range(count):
        descriptor = _FIRST_FD + place
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's own signature
        listening = socket.socket(fileno=descriptor)
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        found.setdefault(names[place] if place < len(names) else "unknown", []).append(listening)
    return found


def listen(address: Address, what: str, *, v6_only: bool = False) -> socket.socket:
    """Bind a listening socket. An IPv6 wildcard takes IPv4 too, unless ``v6_only``.

    Raises:
        ListenFailed: the address is taken, not ours, or not permitted.
    """
    try:
        [(family, kind, protocol, _, place), *_] = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _failed(address, what, error) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only))
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _failed(address, what, error) from None
    return listening


def address_of(listening: socket.socket) -> Address:
    """Say where a socket listens."""
    name: Any = listening.getsockname()
    return Address(name[0], name[1]) if isinstance(name, tuple) else Address(str(name), 0)


def keep_alive(connection: socket.socket) -> None:
    """Have the kernel notice a peer that vanished: probes after 60 s of silence, four of them 15 s apart."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


_KEEP_ALIVE: Mapping[str, int] = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


def _failed(address: Address, what: str, error: OSError) -> ListenFailed:
    message = f"{what}: cannot listen on {address} ({error.strerror or error})"
    return ListenFailed(message, hint=_HINTS.get(error.errno or 0, "").format(port=address.port))


_HINTS = {
    errno.EADDRINUSE: "is another program using port {port}? try: ss -ltnp 'sport = :{port}'",
    errno.EADDRNOTAVAIL: "the address must be one of this machine; ip addr shows them",
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket from systemd",
    errno.EMFILE: "raise LimitNOFILE, or ulimit -n",
    socket.EAI_NONAME: "the host is not known here; write an address of this machine",
}
