"""How access is refused, besides what any part of the API refuses."""

from __future__ import annotations

from math import ceil

from daemon.desks import DeskRefused, NotPermitted, TooMuch


class NotOurHost(DeskRefused):
    """The request is meant for somebody else (RFC 9110 section 15.5.20)."""

    code = "not-our-host"
    exit_code = 77
    status = 421

    def __init__(self) -> None:
        """Say what to do; the name itself stays out."""
        super().__init__("this daemon does not answer under that name", hint="add the name to hosts under [api]")


class NotOurPage(NotPermitted):
    """The request does not come from the daemon's own page."""

    code = "not-our-page"


class LockedOut(TooMuch):
    """Too many tokens were wrong."""

    code = "locked-out"

    def __init__(self, wait_s: float) -> None:
        """Say when to try again."""
        super().__init__("too many tokens were wrong; wait before trying again", retry_after_s=ceil(wait_s))
