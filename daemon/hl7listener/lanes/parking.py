"""Why a message is kept back although it has a route."""

from __future__ import annotations

from daemon.public import Public

BEHIND = Public("behind-parked")
"""An older message of the same key is parked."""

RELEASED = Public("released")
"""Its copy has been handed on: it keeps nothing waiting, and is never handed on itself."""

COPY = Public("copy-of-parked")
"""It is a copy that could not be handed on either: its original stays parked, and keeps the place of both."""

VOID = frozenset((RELEASED, COPY))
"""What is done with for good."""
