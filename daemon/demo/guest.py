"""Who looks at the demo: an admin whose token ends with it."""

from __future__ import annotations

from pathlib import Path

from daemon.api.access import TokenFile
from daemon.api.access.hashing import draw
from daemon.api.access.token import Token
from daemon.api.http.caller import Capability, Role
from daemon.clock import SECOND_US, Clock
from daemon.public import Public

_NAME = Public("demo")
_HOLDS_S = 86_400


class Guest:
    """A token for the demo's throw-away folder.

    Attributes:
        text: what signs in.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Draw it; nothing is written."""
        token_id, self.text, digest = draw()
        now_us = clock.now_us()
        self._folder = folder
        self._token = Token(
            token_id,
            _NAME,
            Role.ADMIN,
            digest,
            now_us,
            _NAME,
            frozenset((Capability.PHI,)),
            expires_us=now_us + _HOLDS_S * SECOND_US,
        )

    def invite(self) -> None:
        """Write it where the daemon looks."""
        TokenFile(self._folder).add(self._token)
