"""Who asks over the socket of this machine: the kernel says whose process it is (``SO_PEERCRED``, unix(7))."""

from __future__ import annotations

import os

from aiohttp import web

from daemon.api.http.caller import NOBODY, Caller, Capability, Means, Role
from daemon.api.local.peer import name_of, peer_uid
from daemon.desks import NotPermitted

_ROOT = 0


class PeerAccess:
    """The daemon's own user and root may do everything; they could read the state folder as well."""

    async def admit(self, request: web.Request, *, is_safe: bool) -> Caller:
        """Say who asks; see ``Access``."""
        del is_safe
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info("socket")
        if connection is None:  # gone already
            return NOBODY
        uid = peer_uid(connection)
        if uid not in (_ROOT, os.getuid()):
            message = "this is for the daemon's own user and root"
            raise NotPermitted(message)
        return Caller(name_of(uid), Role.ADMIN, Means.SOCKET, frozenset((Capability.PHI,)), is_secure=True)

    def holds(self, caller: Caller) -> bool:
        """Say that it does; see ``Access``."""
        del caller
        return True
