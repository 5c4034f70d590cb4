"""What is shown of callers, sessions and tokens. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from daemon.api.access.token import Token
from daemon.api.http.asked import Body
from daemon.api.http.caller import Caller, Role
from daemon.clock import instant
from daemon.desks import BadRequest
from daemon.public import Public
from daemon.settings.values import LONGEST_S

RoleWord = Literal["nobody", "viewer", "operator", "admin"]
CapabilityWord = Literal["phi", "results"]
MeansWord = Literal["none", "socket", "token", "session"]


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What of the site everybody sees: which one it is, so that nobody signs in at the wrong one."""

    site: str
    zone: str
    environment: str
    colour: str
    version: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """Who asks.

    Attributes:
        capabilities: those the token was given, as far as the site grants them.
        may_reveal: whether contents may be seen, now or after confirming.
        confirmed_until_at: until when they may be seen by a session.
        key: what a session's request that changes something repeats as ``X-Carillon-Key``.
        idle_end_at: when the session ends unless it is used.
        end_at: when it ends in any case.
    """

    who: str
    role: RoleWord
    means: MeansWord
    capabilities: tuple[CapabilityWord, ...]
    feeds: tuple[str, ...] | None
    may_reveal: bool
    confirmed_until_at: datetime | None
    key: str
    idle_end_at: datetime | None
    end_at: datetime | None
    is_read_only: bool
    site: str
    zone: str
    environment: str
    colour: str
    version: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token, without its secret."""

    id: str
    name: str
    role: RoleWord
    capabilities: tuple[CapabilityWord, ...]
    feeds: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    used_at: datetime | None
    is_expired: bool
    is_own: bool
    allowed_actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenMade:
    """A new token; its text is shown this once."""

    token: str
    row: TokenRow

    def __repr__(self) -> str:
        """Show nothing that opens doors."""
        return "TokenMade()"


class SignIn(Body):
    """Signs in, or confirms."""

    token: Annotated[str, Field(max_length=512, repr=False)]


class NewToken(Body):
    """Describes a token to be made."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 @._+\-]*$")]
    role: RoleWord
    capabilities: Annotated[tuple[CapabilityWord, ...], Field(max_length=2)] = ()
    feeds: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=1000)] | None = (
        None
    )
    expires_in_s: Annotated[int, Field(ge=60, le=int(LONGEST_S))] | None = None
    reason: Annotated[str, Field(max_length=1000)] = ""


def token_row(token: Token, used_us: int | None, now_us: int, caller: Caller) -> TokenRow:
    """Show a token."""
    return TokenRow(
        id=token.id,
        name=token.name,
        role=_word(token.role),
        capabilities=tuple(sorted(one.value for one in token.capabilities)),
        feeds=None if token.feeds is None else tuple(sorted(token.feeds)),
        created_at=instant(token.created_us),
        created_by=token.created_by,
        expires_at=None if token.expires_us is None else instant(token.expires_us),
        used_at=None if used_us is None else instant(used_us),
        is_expired=not token.is_good(now_us),
        is_own=token.id == caller.credential,
        allowed_actions=("remove",) if caller.may_change(Role.ADMIN) else (),
    )


def session_view(caller: Caller, facts: SiteFacts, ends: Mapping[str, datetime | None]) -> SessionView:
    """Show who asks; ``ends`` are the instants of a session."""
    granted = {one.value for one in caller.capabilities} | ({"phi"} if caller.may_confirm else set())
    return SessionView(
        who=caller.who,
        role=_word(caller.role),
        means=caller.means.value,
        capabilities=tuple(sorted(granted)),  # type: ignore[arg-type]
        feeds=None if caller.feeds is None else tuple(sorted(caller.feeds)),
        may_reveal="phi" in granted,
        confirmed_until_at=ends.get("confirmed"),
        key=caller.session_key,
        idle_end_at=ends.get("idle"),
        end_at=ends.get("end"),
        is_read_only=caller.is_read_only,
        site=facts.site,
        zone=facts.zone,
        environment=facts.environment,
        colour=facts.colour,
        version=facts.version if caller.credential or caller.role is not Role.NOBODY else "",
    )


def rights_of(role: str, capabilities: frozenset[str], feeds: frozenset[str] | None) -> Public:
    """Write what a token may, for the record; its words come from a closed list, its feeds are names."""
    words = [role, *sorted(capabilities)]
    return Public(" ".join(words) + (f" feeds={','.join(sorted(feeds))}" if feeds is not None else ""))


def check_rights(role: str, capabilities: frozenset[str], feeds: frozenset[str] | None) -> None:
    """Refuse a token that could do nothing, or that says more than it means.

    Raises:
        BadRequest: it is so.
    """
    if role == "nobody" and "results" not in capabilities:
        message = "a token without a role and without results could do nothing"
        raise BadRequest(message, hint="give a role: viewer, operator or admin; or results, for an application")
    if feeds is not None and "phi" not in capabilities:
        message = "feeds limit what phi shows, and phi is not given"
        raise BadRequest(message, hint="give phi as well, or leave feeds out")


def _word(role: Role) -> RoleWord:
    return str(role.word)  # type: ignore[return-value]
