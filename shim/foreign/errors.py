"""What can go wrong in the thread that runs celery and kombu.

    ShimError
      ForeignMissing      operator      celery, or a library it needs for an address, is not installed
      ForeignBusy         environment   retryable; the call did not get its turn in time, so it surely never ran
      ForeignClosed       caller        the thread was closed; the call surely never ran
      ForeignUncertain    environment   retryable; the call began and did not end in time: done, or done later, or not
      ForeignFailed       environment   celery or a library under it raised

Texts of foreign exceptions are left out: a database's error quotes the row, an encoder's the argument.
"""

from __future__ import annotations

from collections.abc import Iterator

from shim.errors import ShimError

CAUSES_SHOWN = 4
"""Exceptions of a chain that are named; celery wraps kombu's, which wraps the library's, which wraps the system's."""

_PASSING = frozenset(("ConnectionError", "InterfaceError", "OSError", "OperationalError", "TimeoutError"))
"""Names that libraries give to what may be over at the next try."""

_MISCONFIGURED = "ImproperlyConfigured"
"""Celery's exception for a back-end it cannot make; its text may quote an address."""


class ForeignMissing(ShimError):
    """Something that is needed is not installed."""

    code = "foreign-missing"


class ForeignBusy(ShimError):
    """The thread had no time for a call within its deadline; it surely never ran."""

    code = "foreign-busy"
    retryable = True


class ForeignClosed(ShimError):
    """The thread was closed before the call got its turn; it surely never ran."""

    code = "foreign-closed"


class ForeignUncertain(ShimError):
    """The call began and did not end within its deadline. It goes on in the thread: it may be done, or be done later."""

    code = "foreign-uncertain"
    retryable = True


class ForeignFailed(ShimError):
    """Celery, kombu or a library under them raised.

    Attributes:
        retryable: whether what was raised is of the kind that passes: a connection, a time-out, a lock.
    """

    code = "foreign-failed"

    def __init__(self, message: str, *, retryable: bool = False, hint: str = "") -> None:
        """Keep whether it is worth another try beside the message."""
        super().__init__(message, hint=hint)
        self.retryable = retryable


def foreign_error(name: str, error: BaseException) -> ShimError:
    """Say what the call ``name`` raised; errors of the shim itself are given back as they are."""
    if isinstance(error, ShimError):
        return error
    chain = list(_chain(error))
    shown = ", because of ".join(_kind(one) for one in chain)
    for one in chain:
        if isinstance(one, ImportError):
            module = f" ({one.name})" if one.name else ""
            message = f"{name}: a library that celery needs for this is not installed{module}"
            return ForeignMissing(message, hint="install what celery or kombu name for this transport or back-end")
    passing = any(kind.__name__ in _PASSING for one in chain for kind in type(one).__mro__)
    message = f"{name}: {shown}"
    return ForeignFailed(
        message, retryable=passing, hint="is the server up, and is its address right?" if passing else ""
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    for _ in range(CAUSES_SHOWN):
        if following is None:
            return
        yield following
        if isinstance(following, OSError):
            return  # the system's word is the last; what was caught before it is the library's own affair
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _kind(error: BaseException) -> str:
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    reason = getattr(error, "strerror", None)  # of the system; holds no data
    return f"{name} ({reason})" if isinstance(error, OSError) and isinstance(reason, str) else name
