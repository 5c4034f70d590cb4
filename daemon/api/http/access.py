"""Who may ask what: the port behind which tokens, sessions and peer credentials stand, and the check that is the same for all."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from daemon.api.http.caller import Caller, Capability, Means
from daemon.api.http.resource import Channel, Resource
from daemon.desks import NotPermitted, NotSignedIn
from daemon.public import Public

ADDRESS = web.RequestKey("address", Public)
"""Under this key a request keeps where it began, once that is known."""


class ConfirmFirst(NotPermitted):
    """A session must show its token again before it sees contents."""

    code = "confirm-first"


class ReadOnly(NotPermitted):
    """Nothing may be changed from there."""

    code = "read-only"


class Access(Protocol):
    """Tells who asks."""

    async def admit(self, request: web.Request, *, is_safe: bool) -> Caller:
        """Say who asks; ``NOBODY`` if they did not say.

        Raises:
            NotSignedIn: what they say is not so.
            NotPermitted: the request does not come from our own page, or from a host that is meant.
            TooMuch: they ask too often, or have tried too often to sign in.
            DeskRefused: the request is meant for somebody else.
        """
        ...

    def holds(self, caller: Caller) -> bool:
        """Say whether a caller who was admitted before still would be: a WebSocket stays open long."""
        ...


def permit(caller: Caller, wanted: Resource | Channel) -> None:
    """Refuse who may not.

    Raises:
        NotSignedIn: nobody is signed in, and that is needed.
        ReadOnly: something would be changed, and nothing may be.
        ConfirmFirst: a session that may look at contents has not shown its token again.
        NotPermitted: the role or a capability is missing.
    """
    is_asking = isinstance(wanted, Channel) or wanted.is_safe or wanted.is_reading
    if wanted.is_for_results and caller.has(Capability.RESULTS) and (is_asking or not caller.is_read_only):
        return
    if not caller.may(wanted.role):
        if caller.means is Means.NONE:
            message = "sign in first"
            raise NotSignedIn(message, hint="send a token: Authorization: Bearer …; carillon token add makes one")
        message = f"this takes the role {wanted.role.word}"
        raise NotPermitted(message, hint=f"{caller.who} has the role {caller.role.word}")
    if caller.is_read_only and not is_asking:
        message = "nothing may be changed over the network here"
        raise ReadOnly(message, hint="[api] read_only is set; the commands on the daemon's machine may")
    for capability in sorted(wanted.needs if isinstance(wanted, Resource) else (), key=lambda one: one.value):
        if not caller.has(capability):
            if capability is Capability.PHI and caller.may_confirm:
                message = "show your token again before you look at contents"
                raise ConfirmFirst(message, hint="POST /api/session/confirm, and ask again")
            message = f"this takes the capability {capability.value}"
            hint = "no role implies it; carillon token add --help says how it is given"
            if capability is Capability.PHI:
                hint = "it takes a token made with --phi, and over the network [api] reveal = true"
            raise NotPermitted(message, hint=hint)
