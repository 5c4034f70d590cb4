"""What can go wrong between us and the user's app.

ShimError
  AppError
    AppNotAnswered    environment   could not be started, took too long, said too much, or ended without an answer
    AppBroken         app           an exception of the app's own code while it was loaded
    FactsInvalid      app           an answer that cannot be
    RouteUndecided    app           a router function raised, or gave what is no route
"""

from __future__ import annotations

from typing import Self

from shim.errors import ShimError


class AppError(ShimError):
    """Root of these errors.

    Attributes:
        stderr: the last of what the app wrote to its standard error, at most 4 KiB.
    """

    code = "app"

    def __init__(self, message: str, *, hint: str = "", stderr: str = "") -> None:
        """Keep ``message``, and what the app wrote behind it."""
        super().__init__(f"{message}\n{stderr}" if stderr else message, hint=hint)
        self.message = message
        self.stderr = stderr

    def discreet(self) -> Self:
        """Give the same without what the app wrote: once it has been given arguments, they may be in it."""
        return type(self)(self.message, hint=self.hint)


class AppNotAnswered(AppError):
    """The app's interpreter gave no answer."""

    code = "app-not-answered"
    retryable = True


class AppEnded(AppNotAnswered):
    """The app's process ended without an answer."""

    code = "app-ended"


class AppBroken(AppError):
    """The app could not be loaded: its own code raised."""

    code = "app-broken"


class FactsInvalid(AppError, ValueError):
    """What the app told, or what was kept of it, is not what a probe says."""

    code = "app-facts-invalid"


class RouteUndecided(AppError):
    """The app's routers could not tell where a task goes."""

    code = "app-route-undecided"
