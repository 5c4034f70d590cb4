"""Who asks over the network: a token in the request, or a session of the page. Everything that keeps others out is asked here."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from daemon.api.access.bounds import Buckets, Lockout, net_of
from daemon.api.access.origin import Seen, is_ours, is_same, seen
from daemon.api.access.refusals import LockedOut, NotOurHost, NotOurPage
from daemon.api.access.sessions import CONFIRMED_S, Session, Sessions
from daemon.api.access.store import TokenStore
from daemon.api.access.token import TEXT_LIMIT, Token
from daemon.api.access.verifying import Verifier
from daemon.api.http.access import ADDRESS
from daemon.api.http.caller import Caller, Capability, Means, Role
from daemon.clock import Clock
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.desks import BadRequest, NotPermitted, NotSignedIn, TooMuch
from daemon.ports import Emit
from daemon.public import Public, escaped
from daemon.settings.api_section import ApiSection

COOKIE = "carillon_session"
KEY_HEADER = "X-Carillon-Key"
BACKGROUND_HEADER = "X-Carillon-Background"
STRANGERS_RATE, STRANGERS_BURST = 100.0, 500.0
"""Requests of one address without a token: probes, and the files of the page."""

_SIGN_IN = ("POST", "/api/session")
_FOREIGN = frozenset(("cross-site", "same-site"))
_NO_NAME = Public("")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that was opened, and what the browser is to show from now on."""

    session: Session
    secret: str

    def __repr__(self) -> str:
        """Show nothing that opens doors."""
        return "SignedIn()"


class NetworkAccess:
    """Tells who asks over TCP; see ``Access``."""

    def __init__(self, section: ApiSection, store: TokenStore, sessions: Sessions, clock: Clock, emit: Emit) -> None:
        """Keep the collaborators."""
        self._section = section
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._emit = emit
        self._hosts = frozenset((*section.hosts, section.listen.host.lower()))
        self._trusted = section.trusted_proxies or ()
        self._verifier = Verifier()
        self._lockout = Lockout()
        self._callers = Buckets(float(section.rate), 2.0 * section.rate)
        self._strangers = Buckets(STRANGERS_RATE, STRANGERS_BURST)

    async def admit(self, request: web.Request, *, is_safe: bool) -> Caller:
        """Say who asks; see ``Access``."""
        here = self._seen(request)
        request[ADDRESS] = Public(here.address)
        if not here.host:
            message = "the request says no Host"
            raise BadRequest(message)
        if not is_ours(here.host, self._hosts):
            raise NotOurHost
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "").lower()
        is_upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if (origin is not None and not is_same(origin, here)) or (site in _FOREIGN and (is_upgrade or not is_safe)):
            raise NotOurPage("the request comes from another page")
        texts = request.headers.getall("Authorization", ())
        if texts:
            return self._of_token(await self.token_of(_text_of(texts), here.address), here)
        cookie = request.cookies.get(COOKIE, "")[:TEXT_LIMIT]
        session = self._sessions.find(cookie, self._clock.monotonic_s()) if cookie else None
        if session is None or not self._store.is_good(session.token_id):
            self._take(self._strangers, net_of(here.address))
            return self._stranger(here)
        if not is_safe and (request.method, request.path) != _SIGN_IN:
            is_own = hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), session.key.encode())
            if not is_own or (origin is None and site != "same-origin"):
                raise NotOurPage(f"a request that changes something says {KEY_HEADER}, and comes from our own page")
        if not is_upgrade and BACKGROUND_HEADER not in request.headers:
            self._sessions.use(session, self._clock.monotonic_s())
        return self._of_session(session, here)

    def holds(self, caller: Caller) -> bool:
        """Say whether a caller who was admitted before still would be; see ``Access``."""
        if caller.means is Means.SESSION:
            session = self._sessions.of_key(caller.session_key, self._clock.monotonic_s())
            return session is not None and self._store.is_good(session.token_id)
        return caller.means is Means.NONE or self._store.is_good(caller.credential)

    # -- signing in ----------------------------------------------------------------------------------------------------

    async def token_of(self, text: str, address: str) -> Token:
        """Give the token of a text.

        Raises:
            NotSignedIn: it is none, or has expired; which of both is not said.
            LockedOut: too many of this address were wrong.
            TooMuch: too many are looked at.
        """
        now_s, now_us = self._clock.monotonic_s(), self._clock.now_us()
        token = self._verifier.known(text, self._store.tokens)
        if token is None:
            wait_s = self._lockout.wait_s(address, now_s)
            if wait_s > 0:
                self._refused(address, "locked-out")
                raise LockedOut(wait_s)
            await self._store.catch_up()
            token = await self._verifier.verify(text, self._store.tokens)
            if token is None or not token.is_good(now_us):
                self._lockout.failed(address, now_s)
            else:
                self._lockout.succeeded(address)
        if token is None or not token.is_good(now_us):
            self._refused(address, "expired" if token is not None else "wrong", token)
            message = "the token is not right"
            raise NotSignedIn(message, hint="carillon token list shows those there are")
        self._take(self._callers, token.id)
        self._store.use(token.id, now_us)
        return token

    async def sign_in(self, text: str, caller: Caller) -> SignedIn:
        """Open a session for who shows a token; one there was before ends.

        Raises:
            NotSignedIn, LockedOut, TooMuch: see ``token_of``.
        """
        token = await self.token_of(text, caller.address)
        self.sign_out(caller)
        deed = Deed(DeedKind.SIGNED_IN, token.name, _NO_NAME, address=caller.address, role=token.role.word)
        self._emit(deed)
        secret = secrets.token_urlsafe(32)
        session = self._sessions.open(secret, secrets.token_urlsafe(32), token.id, self._clock.monotonic_s())
        return SignedIn(session, secret)

    async def may_confirm(self, text: str, caller: Caller) -> None:
        """See whether a session may look at contents once it has shown its token again.

        Raises:
            NotSignedIn, LockedOut, TooMuch: see ``token_of``; also for another's token.
            NotPermitted: nobody is signed in, or the token has no ``phi``, or the site reveals nothing.
        """
        session = self.session_of(caller)
        if session is None:
            message = "only a session confirms"
            raise NotPermitted(message, hint="POST /api/session first")
        token = await self.token_of(text, caller.address)
        if token.id != session.token_id:
            self._lockout.failed(caller.address, self._clock.monotonic_s())
            message = "the token is not right"
            raise NotSignedIn(message, hint="the one that signed in is needed")
        if not self._section.reveal or Capability.PHI not in token.capabilities:
            message = "contents are not shown to you here"
            raise NotPermitted(message, hint="the capability phi and [api] reveal = true are needed")

    def confirm(self, caller: Caller) -> None:
        """Let a session look at contents for five minutes."""
        session = self.session_of(caller)
        if session is not None:
            session.confirmed_s = self._clock.monotonic_s() + CONFIRMED_S

    def sign_out(self, caller: Caller) -> None:
        """End the caller's session, if it has one."""
        session = self.session_of(caller)
        if session is not None:
            self._sessions.close(session)
            self._emit(Deed(DeedKind.SIGNED_OUT, caller.who, _NO_NAME, address=caller.address, role=caller.role.word))

    def session_of(self, caller: Caller) -> Session | None:
        """Give the caller's session."""
        return self._sessions.of_key(caller.session_key, self._clock.monotonic_s()) if caller.session_key else None

    def ends_s(self, session: Session) -> tuple[float, float]:
        """Say when a session ends unless it is used, and when in any case."""
        return self._sessions.idle_end_s(session), self._sessions.end_s(session)

    def of_session(self, session: Session, before: Caller) -> Caller:
        """Say who a session is that was opened just now; address and line are those of ``before``."""
        return self._of_session(session, Seen(before.address, "https" if before.is_secure else "http", ""))

    # -- within --------------------------------------------------------------------------------------------------------

    def _seen(self, request: web.Request) -> Seen:
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        address = str(peer[0]) if isinstance(peer, (tuple, list)) and peer else ""
        headers = request.headers
        return seen(
            address, request.scheme, headers.get("Host", ""), lambda name: headers.getall(name, ()), self._trusted
        )

    def _of_token(self, token: Token, here: Seen) -> Caller:
        capabilities = token.capabilities if self._section.reveal else token.capabilities - {Capability.PHI}
        return self._caller(token, here, Means.TOKEN, capabilities)

    def _of_session(self, session: Session, here: Seen) -> Caller:
        token = self._store.tokens[session.token_id]
        self._take(self._callers, token.id)
        self._store.use(token.id, self._clock.now_us())
        has_phi = self._section.reveal and Capability.PHI in token.capabilities
        is_confirmed = has_phi and self._clock.monotonic_s() < session.confirmed_s
        capabilities = token.capabilities if is_confirmed else token.capabilities - {Capability.PHI}
        return self._caller(
            token, here, Means.SESSION, capabilities, key=session.key, may_confirm=has_phi and not is_confirmed
        )

    def _caller(
        self,
        token: Token,
        here: Seen,
        means: Means,
        capabilities: frozenset[Capability],
        *,
        key: str = "",
        may_confirm: bool = False,
    ) -> Caller:
        return Caller(
            token.name,
            token.role,
            means,
            capabilities,
            Public(here.address),
            token.feeds,
            key,
            may_confirm=may_confirm,
            is_read_only=self._section.read_only,
            is_secure=here.scheme == "https",
            credential=token.id,
        )

    def _stranger(self, here: Seen) -> Caller:
        return Caller(
            _NO_NAME,
            Role.NOBODY,
            Means.NONE,
            address=Public(here.address),
            is_read_only=self._section.read_only,
            is_secure=here.scheme == "https",
        )

    def _take(self, buckets: Buckets, key: str) -> None:
        wait_s = buckets.take(key, self._clock.monotonic_s())
        if wait_s > 0:
            message = "you ask too often"
            raise TooMuch(message, retry_after_s=int(wait_s) + 1)

    def _refused(self, address: str, code: str, token: Token | None = None) -> None:
        who = token.name if token is not None else _NO_NAME
        deed = Deed(
            DeedKind.SIGN_IN_REFUSED, who, _NO_NAME, Outcome.REFUSED, Public(code), address=Public(escaped(address))
        )
        self._emit(deed)


def _text_of(values: Sequence[str]) -> str:
    """Take the token out of ``Authorization``: ``Bearer``, or ``Basic`` with the token as password; empty for anything else."""
    if len(values) != 1 or len(values[0]) > 4 * TEXT_LIMIT:
        return ""
    scheme, _, rest = values[0].partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(rest.strip(), validate=True).decode("ascii").partition(":")[2]
        except ValueError:
            return ""
    return ""
