"""What the client needs of remote control and of queues, whichever kind of broker it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shim.control import EVERYONE, Answers, Audience, Command
from shim.queues import Backlogs, Moved, Parked, Purged, QueuedMessage

TIMEOUT_S = 1.0


class ControlWay(Protocol):
    """Remote control of the workers of one broker; ``shim.control.Control`` is the one over Redis."""

    async def call(self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = TIMEOUT_S) -> Answers:
        """Send a command and gather the answers.

        Raises:
            ShimError: the broker does not answer, or no worker could understand the command.
        """
        ...

    async def cast(self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = TIMEOUT_S) -> int:
        """Send a command that nobody shall answer, and say how many listeners got it, as far as the broker tells.

        Raises:
            ShimError: as ``call``.
        """
        ...

    async def run(self) -> None:
        """Take answers until cancelled."""
        ...


class QueueDesk(Protocol):
    """The queues of one broker; ``shim.queues.Queues`` is the one over Redis."""

    async def backlogs(self, queues: Sequence[str]) -> Backlogs:
        """Count what waits in ``queues``.

        Raises:
            ShimError: the broker does not answer.
        """
        ...

    async def peek(self, queue: str, count: int = 20) -> list[QueuedMessage]:
        """Read the next ``count`` messages in the order workers take them.

        Raises:
            RequestInvalid: too many, or less than one.
            ShimError: the broker does not answer.
        """
        ...

    async def purge(self, queue: str, *, token: str | None) -> Purged:
        """Take all waiting messages out, set aside under ``token`` or thrown away.

        Raises:
            RequestInvalid: they cannot be set aside.
            ShimError: the broker does not answer.
        """
        ...

    async def restore(self, queue: str, token: str) -> int:
        """Put the messages of a purge back.

        Raises:
            RequestInvalid: this broker sets nothing aside.
            ShimError: the broker does not answer.
        """
        ...

    async def parked(self) -> list[Parked]:
        """List what purges have set aside, of all queues, the latest first.

        Raises:
            ShimError: the broker does not answer.
        """
        ...

    async def discard(self, queue: str, token: str) -> int:
        """Throw away what a purge has set aside.

        Raises:
            RequestInvalid: this broker sets nothing aside.
            ShimError: the broker does not answer.
        """
        ...

    async def move(self, queue: str, to: str, *, count: int | None = None) -> Moved:
        """Move messages to the end of another queue.

        Raises:
            RequestInvalid: this broker cannot.
            ShimError: the broker does not answer.
        """
        ...
