"""Who may ask what: the port behind which tokens, sessions and peer credentials stand, and the check that is the same for all."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from daemon.api.http.caller import Caller, Capability, Means
from daemon.api.http.resource import Channel, Resource
from daemon.desks import NotPermitted, NotSignedIn


class Access(Protocol):
    """Tells who asks."""

    async def admit(self, request: web.Request, *, is_safe: bool) -> Caller:
        """Say who asks; ``NOBODY`` if they did not say.

        Raises:
            NotSignedIn: what they say is not so.
            NotPermitted: the request does not come from our own page, or from a host that is meant.
            TooMuch: they ask too often, or have tried too often to sign in.
        """
        ...


def permit(caller: Caller, wanted: Resource | Channel) -> None:
    """Refuse who may not.

    Raises:
        NotSignedIn: nobody is signed in, and that is needed.
        NotPermitted: the role or a capability is missing.
    """
    if wanted.is_for_results and caller.has(Capability.RESULTS):
        return
    if not caller.may(wanted.role):
        if caller.means is Means.NONE:
            message = "sign in first"
            raise NotSignedIn(message, hint="send a token: Authorization: Bearer …; carillon token add makes one")
        message = f"this takes the role {wanted.role.word}"
        raise NotPermitted(message, hint=f"{caller.who} has the role {caller.role.word}")
    for capability in sorted(wanted.needs if isinstance(wanted, Resource) else (), key=lambda one: one.value):
        if not caller.has(capability):
            message = f"this takes the capability {capability.value}"
            raise NotPermitted(message, hint="no role implies it; carillon token add --help says how it is given")
