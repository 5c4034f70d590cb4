"""Who asks, and what that permits. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from daemon.public import Public

_NOWHERE = Public("")


class Role(IntEnum):
    """What somebody may do; each may do what those before may."""

    NOBODY = 0
    """Not signed in: health, sign-in, the page itself. A token for an application alone has this role, and ``results``."""
    VIEWER = 1
    """Sees everything but contents."""
    OPERATOR = 2
    """Steers: pauses, runs, replays, revokes."""
    ADMIN = 3
    """Does what cannot be undone, and sees the audit trail."""

    @property
    def word(self) -> Public:
        """Give the word that configuration, pages and the audit trail use."""
        return Public(self.name.lower())


class Capability(Enum):
    """What no role implies."""

    PHI = "phi"
    """Sees contents: messages, arguments, results. Each look is recorded before it is given."""
    RESULTS = "results"
    """Sends tasks, and sees state and result of those it sent, by their ids; of no others."""


class Means(Enum):
    """How somebody showed who they are."""

    NONE = "none"
    SOCKET = "socket"
    """A process of this machine; the kernel says whose."""
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    SESSION = "session"
    """A browser that signed in with a token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        who: the name of the token, or of the user of this machine; empty for nobody.
        address: where the request came from; behind a proxy that is trusted, what that says.
        feeds: those whose contents may be seen with ``phi``; ``None``: all.
        session_key: of a session: what a request that changes something must repeat.
        may_confirm: it is a session that would see contents once its token was shown again.
        is_read_only: nothing may be changed from where the request came.
        is_secure: the connection is encrypted, up to here or to a proxy that is trusted.
        credential: the id of the token; empty without one.
    """

    who: Public
    role: Role
    means: Means
    capabilities: frozenset[Capability] = frozenset()
    address: Public = _NOWHERE
    feeds: frozenset[str] | None = None
    session_key: str = ""
    may_confirm: bool = False
    is_read_only: bool = False
    is_secure: bool = False
    credential: str = ""

    def may(self, role: Role) -> bool:
        """Say whether the role suffices."""
        return self.role >= role

    def may_change(self, role: Role) -> bool:
        """Say whether something may be changed that takes the role."""
        return self.role >= role and not self.is_read_only

    def has(self, capability: Capability) -> bool:
        """Say whether the capability was given."""
        return capability in self.capabilities

    def may_see(self, feed: str) -> bool:
        """Say whether contents of a feed's messages may be shown."""
        return Capability.PHI in self.capabilities and (self.feeds is None or feed in self.feeds)

    def __repr__(self) -> str:
        """Show who it is; nothing that opens doors."""
        return f"Caller(who={self.who!r}, role={self.role.name}, means={self.means.name})"


NOBODY = Caller(Public(""), Role.NOBODY, Means.NONE)
