"""What the client needs of the way to a broker, whichever kind of broker it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from shim.request import TaskRequest
from shim.routing import Routed


class Parcel(NamedTuple):
    """A task to be sent and where it goes. Its representation shows nothing it is given."""

    request: TaskRequest
    routed: Routed


class Carrier(Protocol):
    """The way to one broker. ``run`` must be running for ``send`` to come back."""

    async def send(self, parcels: Sequence[Parcel], *, once: str | None, timeout_s: float) -> bool:
        """Send ``parcels`` in order.

        Args:
            parcels: what to send.
            once: unique text under which these parcels are sent at most once, however often they are asked for; ``None``
                if the broker is not to remember them. Only Redis can.
            timeout_s: how long to try while no definite answer comes.

        Returns:
            Whether an earlier attempt under ``once`` had sent them already.

        Raises:
            BrokerUnavailable: surely nothing was sent.
            PublishUncertain: some or all may have been sent.
            BrokerRefused: the broker does not take them.
            RequestInvalid: no worker could take one of them; nothing was sent.
        """
        ...

    async def run(self) -> None:
        """Work until cancelled, then close the connections."""
        ...


def once_key(task_ids: Sequence[str]) -> str:
    """Name what is sent together by all of it: the id of a single task, a digest of several."""
    if len(task_ids) == 1:
        return task_ids[0]
    return hashlib.sha256("\0".join(task_ids).encode()).hexdigest()
