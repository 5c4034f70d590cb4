"""Looks at the queues now and then, whether or not anybody has the page open: nobody tells of a queue that nobody takes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anyio

from daemon.desks import NotHere, QueueDesk, QueueLine, QueueState
from daemon.errors import DaemonError
from daemon.public import Public

EVERY_S = 30.0
LOOK_LIMIT_S = 15.0
CODES: Mapping[str, QueueState] = {
    "queue-without-consumer": QueueState.NO_CONSUMER,
    "queue-stuck": QueueState.STUCK,
    "queue-growing": QueueState.GROWING,
}


class QueueLook:
    """Looks at the queues of a site."""

    name = Public("queue-look")

    def __init__(
        self, queues: QueueDesk, observe: Callable[[str, Mapping[str, str]], None], *, every_s: float = EVERY_S
    ) -> None:
        """Keep whom to ask, and whom to tell what is wrong where."""
        self._queues = queues
        self._observe = observe
        self._every_s = every_s
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Begin anew after a drain."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Look until drained."""
        while not self._stop.is_set():
            with anyio.move_on_after(self._every_s):
                await self._stop.wait()
                return
            if not await self._look():
                await self._stop.wait()

    async def drain(self) -> None:
        """Look no more."""
        self._stop.set()

    async def _look(self) -> bool:
        """Look once; say whether it is worth looking again. With the broker away nothing is known, and nothing changes."""
        try:
            with anyio.fail_after(LOOK_LIMIT_S):
                lines = await self._queues.lines()
        except NotHere:
            return False
        except (DaemonError, TimeoutError):
            return True
        if lines.is_complete:  # else a worker that was slow to answer would be taken for none
            for code, state in CODES.items():
                self._observe(
                    code, {row.name: _figures(row) for row in lines.rows if row.state is state and row.waiting}
                )
        return True


def _figures(row: QueueLine) -> str:
    oldest = "" if row.oldest_age_s is None else f", the oldest for {row.oldest_age_s / 60:.0f} min"
    return f"{row.waiting} wait{oldest}"
