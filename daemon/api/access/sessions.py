"""Sessions of the page: in memory, by the hash of what the browser holds. They end by themselves. Pure: time and secrets are handed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

SESSIONS_LIMIT = 1000
SESSIONS_EACH = 50
"""Sessions of one token; the one used longest ago ends for a new one."""

CONFIRMED_S = 300.0


@dataclass(slots=True)
class Session:
    """A browser that signed in.

    Attributes:
        token_id: with which.
        key: what a request that changes something must repeat.
        confirmed_s: until when the token was typed again for looking at contents; seconds that only grow, as all here.
    """

    print: bytes
    token_id: str
    key: str
    begun_s: float
    used_s: float
    confirmed_s: float = 0.0

    def __repr__(self) -> str:
        """Show nothing that opens doors."""
        return f"Session(token_id={self.token_id!r})"


class Sessions:
    """Who is signed in."""

    def __init__(self, idle_s: float, limit_s: float, *, limit: int = SESSIONS_LIMIT) -> None:
        """Begin with nobody."""
        self._idle_s, self._limit_s, self._limit = idle_s, limit_s, limit
        self._by_print: OrderedDict[bytes, Session] = OrderedDict()
        self._by_key: dict[str, Session] = {}

    def open(self, secret: str, key: str, token_id: str, now_s: float) -> Session:
        """Sign a browser in that will show ``secret``."""
        session = Session(_print(secret), token_id, key, now_s, now_s)
        own = [one for one in self._by_print.values() if one.token_id == token_id]
        if len(own) >= SESSIONS_EACH:
            self.close(own[0])
        if len(self._by_print) >= self._limit:
            self.close(next(iter(self._by_print.values())))
        self._by_print[session.print] = session
        self._by_key[key] = session
        return session

    def find(self, secret: str, now_s: float) -> Session | None:
        """Give the session of a browser; ``None`` if it is none, or has ended."""
        return self._good(self._by_print.get(_print(secret)), now_s)

    def of_key(self, key: str, now_s: float) -> Session | None:
        """Give the session of a key; ``None`` if it has ended."""
        return self._good(self._by_key.get(key), now_s)

    def use(self, session: Session, now_s: float) -> None:
        """Put off its idle end."""
        session.used_s = now_s
        self._by_print.move_to_end(session.print)

    def close(self, session: Session) -> None:
        """End it."""
        self._by_print.pop(session.print, None)
        self._by_key.pop(session.key, None)

    def idle_end_s(self, session: Session) -> float:
        """Say when it ends unless it is used."""
        return min(session.used_s + self._idle_s, self.end_s(session))

    def end_s(self, session: Session) -> float:
        """Say when it ends in any case."""
        return session.begun_s + self._limit_s

    def forget(self, now_s: float, is_good: Callable[[str], bool]) -> None:
        """End those that are over, and those whose token is no longer good."""
        for session in list(self._by_print.values()):
            if self._good(session, now_s) is not None and not is_good(session.token_id):
                self.close(session)

    def _good(self, session: Session | None, now_s: float) -> Session | None:
        if session is not None and now_s >= self.idle_end_s(session):
            self.close(session)
            return None
        return session

    def __len__(self) -> int:
        """Count those that are kept."""
        return len(self._by_print)


def _print(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "replace")).digest()
