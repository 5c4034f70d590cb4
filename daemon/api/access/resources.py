"""``/api/session`` and ``/api/tokens``: signing in and out, and who else may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from anyio import to_thread

from daemon.api.access.hashing import draw
from daemon.api.access.network import COOKIE, NetworkAccess
from daemon.api.access.store import TokenStore
from daemon.api.access.token import Token
from daemon.api.access.token_file import TokenFile
from daemon.api.access.views import (
    NewToken,
    SessionView,
    SignIn,
    SiteFacts,
    TokenMade,
    TokenRow,
    check_rights,
    rights_of,
    session_view,
    token_row,
)
from daemon.api.http.access import ConfirmFirst
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Caller, Capability, Role
from daemon.api.http.page import Page, Paged, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.clock import SECOND_US, Clock, instant
from daemon.deeds import DeedKind
from daemon.desks import NotNow, NotPermitted, NotThere
from daemon.ports import AuditTrail
from daemon.public import Public

_TAG = "access"


class AccessDesk:
    """Answers who asks, signs in and out, and makes and removes tokens."""

    def __init__(
        self,
        access: NetworkAccess,
        store: TokenStore,
        file: TokenFile,
        audit: AuditTrail,
        clock: Clock,
        facts: SiteFacts,
    ) -> None:
        """Keep the collaborators."""
        self._access = access
        self._store = store
        self._file = file
        self._audit = audit
        self._clock = clock
        self._facts = facts

    # -- sessions ------------------------------------------------------------------------------------------------------

    async def show(self, asked: Asked) -> Any:
        """Say who asks."""
        return self._view(asked.caller)

    async def sign_in(self, asked: Asked) -> Any:
        """Open a session for a token."""
        signed = await self._access.sign_in(asked.says(SignIn).token.strip(), asked.caller)
        caller = self._access.of_session(signed.session, asked.caller)
        return Answer(self._view(caller), headers={"Set-Cookie": _cookie(signed.secret, caller)})

    async def confirm(self, asked: Asked) -> Any:
        """Let a session look at contents for a while; that is recorded first."""
        await self._access.may_confirm(asked.says(SignIn).token.strip(), asked.caller)
        note = Public("confirmed, to look at contents")
        await self._audit.record(asked.deed(DeedKind.SIGNED_IN, "", note=note))
        self._access.confirm(asked.caller)
        session = self._access.session_of(asked.caller)
        return self._view(asked.caller if session is None else self._access.of_session(session, asked.caller))

    async def sign_out(self, asked: Asked) -> Any:
        """End the session."""
        self._access.sign_out(asked.caller)
        return Answer(status=204, headers={"Set-Cookie": _cookie("", asked.caller)})

    def _view(self, caller: Caller) -> SessionView:
        return session_view(caller, self._facts, self._ends(caller))

    def _ends(self, caller: Caller) -> Mapping[str, datetime | None]:
        session = self._access.session_of(caller)
        if session is None:
            return {}
        now_s, now = self._clock.monotonic_s(), instant(self._clock.now_us())
        idle_s, end_s = self._access.ends_s(session)
        return {
            "idle": now + timedelta(seconds=round(idle_s - now_s)),
            "end": now + timedelta(seconds=round(end_s - now_s)),
            "confirmed": now + timedelta(seconds=round(session.confirmed_s - now_s))
            if session.confirmed_s > now_s
            else None,
        }

    # -- tokens --------------------------------------------------------------------------------------------------------

    async def tokens(self, asked: Asked) -> Any:
        """List the tokens, by name."""
        query = asked.asks(Paged)
        keys = keys_of(query.after, 1)
        found = sorted(await to_thread.run_sync(self._file.read), key=lambda one: one.name)
        rest = [one for one in found if keys is None or one.name > str(keys[0])]
        used, now_us = await to_thread.run_sync(self._file.used), self._clock.now_us()
        rows = [
            token_row(one, self._store.used_us(one.id) or used.get(one.id), now_us, asked.caller)
            for one in rest[: query.limit]
        ]
        return Page(rows, cursor(rows[-1].name) if len(rest) > query.limit else None, len(found))

    async def add(self, asked: Asked) -> Any:
        """Make a token; that is recorded first."""
        wanted = asked.says(NewToken)
        capabilities = frozenset(wanted.capabilities)
        feeds = None if wanted.feeds is None else frozenset(wanted.feeds)
        check_rights(wanted.role, capabilities, feeds)
        _may_give(asked.caller, capabilities, feeds)
        if any(one.name == wanted.name for one in self._store.tokens.values()):
            message = "there is a token of that name already"
            raise NotNow(message, hint="remove it first, or choose another name", field="name")
        token_id, text, digest = await to_thread.run_sync(draw)
        now_us = self._clock.now_us()
        token = Token(
            token_id,
            named(wanted.name),
            Role[wanted.role.upper()],
            digest,
            now_us,
            asked.caller.who,
            frozenset(Capability(one) for one in capabilities),
            feeds,
            None if wanted.expires_in_s is None else now_us + wanted.expires_in_s * SECOND_US,
        )
        after = rights_of(wanted.role, capabilities, feeds)
        await self._audit.record(asked.deed(DeedKind.TOKEN_ADDED, wanted.name, note=named(wanted.reason), after=after))
        await to_thread.run_sync(partial(self._file.add, token))
        await self._store.reload()
        row = token_row(token, None, now_us, asked.caller)
        return TokenMade(text, row)

    async def remove(self, asked: Asked) -> Any:
        """Remove a token; that is recorded first. Its sessions and WebSockets end."""
        token = self._store.tokens.get(asked.parts["id"])
        if token is None:
            message = "there is no such token"
            raise NotThere(message)
        before = rights_of(token.role.word, frozenset(one.value for one in token.capabilities), token.feeds)
        await self._audit.record(asked.deed(DeedKind.TOKEN_REMOVED, token.name, before=before))
        await to_thread.run_sync(partial(self._file.remove, token.id))
        await self._store.reload()
        return None


def access_resources(desk: AccessDesk) -> tuple[Resource, ...]:
    """List what is asked of who may ask."""
    everybody = partial(Resource, tag=_TAG, role=Role.NOBODY, is_reading=True)
    admins = partial(Resource, tag=_TAG, role=Role.ADMIN)
    return (
        everybody("GET", "/api/session", desk.show, "Say who asks", answers=SessionView),
        everybody(
            "POST", "/api/session", desk.sign_in, "Sign a browser in with a token", body=SignIn, answers=SessionView
        ),
        everybody("DELETE", "/api/session", desk.sign_out, "Sign out", status=204),
        everybody(
            "POST",
            "/api/session/confirm",
            desk.confirm,
            "Show the token again, to look at contents for five minutes",
            body=SignIn,
            answers=SessionView,
        ),
        admins("GET", "/api/tokens", desk.tokens, "List the tokens", query=Paged, answers=Page[TokenRow]),
        admins(
            "POST",
            "/api/tokens",
            desk.add,
            "Make a token",
            body=NewToken,
            answers=TokenMade,
            status=201,
            problems=(409,),
            description="Its text is shown this once. `phi` can be given only by who has it.",
        ),
        admins("DELETE", "/api/tokens/{id}", desk.remove, "Remove a token", status=204, problems=(404,)),
    )


def _may_give(caller: Caller, capabilities: frozenset[str], feeds: frozenset[str] | None) -> None:
    if Capability.PHI.value not in capabilities:
        return
    if caller.may_confirm:
        message = "show your token again before you let others look at contents"
        raise ConfirmFirst(message, hint="POST /api/session/confirm, and ask again")
    exceeds = caller.feeds is not None and (feeds is None or not feeds <= caller.feeds)
    if not caller.has(Capability.PHI) or exceeds:
        message = "phi can be given only by who has it, and for no more feeds"
        raise NotPermitted(message, hint="carillon token add, on the daemon's machine, may")


def _cookie(secret: str, caller: Caller) -> str:
    words = [f"{COOKIE}={secret}", "Path=/", "HttpOnly", "SameSite=Strict"]
    words += ["Secure"] * caller.is_secure + ["Max-Age=0"] * (not secret)
    return "; ".join(words)
