"""Tokens for tests: written into a state folder as the command writes them."""

from __future__ import annotations

from pathlib import Path

from daemon.api.access.hashing import draw
from daemon.api.access.token import Token
from daemon.api.access.token_file import TokenFile
from daemon.api.http.caller import Capability, Role
from daemon.clock import SystemClock
from daemon.public import Public


def add_token(
    state_dir: Path,
    name: str,
    role: str = "viewer",
    *,
    phi: bool = False,
    results: bool = False,
    feeds: list[str] | None = None,
    expires_us: int | None = None,
) -> str:
    """Add a token and give its text; a running daemon notices within a second."""
    token_id, text, digest = draw()
    capabilities = frozenset([Capability.PHI] * phi + [Capability.RESULTS] * results)
    kept = None if feeds is None else frozenset(feeds)
    now_us = SystemClock().now_us()
    token = Token(
        token_id, Public(name), Role[role.upper()], digest, now_us, Public("test"), capabilities, kept, expires_us
    )
    TokenFile(state_dir).add(token)
    return text
