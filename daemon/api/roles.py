"""As whom somebody acts: with their role, or as a viewer where nothing may be changed. Pure."""

from __future__ import annotations

from daemon.api.http.caller import Caller, Capability, Role

NO_FEEDS: frozenset[str] = frozenset()


def acting(caller: Caller) -> Role:
    """Give the role that counts for what may be changed."""
    return caller.role if caller.may_change(Role.OPERATOR) else min(caller.role, Role.VIEWER)


def feeds_seen(caller: Caller) -> frozenset[str] | None:
    """Give the feeds whose contents may be revealed, now or after a confirmation; ``None``: all; empty: none."""
    return caller.feeds if caller.has(Capability.PHI) or caller.may_confirm else NO_FEEDS
