"""How a desk refuses: whose fault it is, in words, with a stable code and the HTTP status it becomes (RFC 9110)."""

from __future__ import annotations

from typing import ClassVar

from daemon.errors import DaemonError


class DeskRefused(DaemonError):
    """What is asked for cannot be done.

    Attributes:
        field: the field of the request that is to blame, in words of the request; empty if none is.
    """

    code = "refused"
    exit_code = 65
    status: ClassVar[int] = 422

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        """Say what cannot be, what to do, and which field is to blame."""
        super().__init__(message, hint=hint)
        self.field = field


class BadRequest(DeskRefused):
    """The request cannot be read."""

    code = "bad-request"
    exit_code = 64
    status = 400


class NotSignedIn(DeskRefused):
    """Nobody knows who asks."""

    code = "not-signed-in"
    exit_code = 77
    status = 401


class NotPermitted(DeskRefused):
    """Who asks may not."""

    code = "not-permitted"
    exit_code = 77
    status = 403


class NotThere(DeskRefused):
    """There is nothing of that name."""

    code = "not-there"
    status = 404


class NotNow(DeskRefused):
    """It cannot be done as things stand."""

    code = "not-now"
    exit_code = 75
    status = 409


class Changed(DeskRefused):
    """Somebody else has changed it since it was read."""

    code = "changed-since"
    exit_code = 75
    status = 412


class TooMuch(DeskRefused):
    """More is asked than is answered at once.

    Attributes:
        retry_after_s: when to ask again.
    """

    code = "too-many-requests"
    exit_code = 75
    status = 429

    def __init__(self, message: str, *, hint: str = "", retry_after_s: int = 1) -> None:
        """Say what is too much, and when to ask again."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class NotHere(DeskRefused):
    """This site cannot do it, for instance because its broker cannot."""

    code = "not-here"
    exit_code = 69
    status = 501


class Unavailable(DeskRefused):
    """What it needs is away at present."""

    code = "unavailable"
    exit_code = 69
    status = 503
