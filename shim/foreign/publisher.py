"""Tasks sent through celery itself, to any broker kombu has a transport for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shim.claim import Outcome, WriteResult
from shim.foreign.app import connect, drop_connections
from shim.foreign.call import ForeignCall, check_call, send_options
from shim.foreign.errors import foreign_error
from shim.foreign.thread import DEADLINE_S, ForeignThread


class ForeignPublisher:
    """Sends tasks from the thread, one message after the other; nothing is ever repeated by itself.

    There are no claims here: a message whose outcome is ``UNCERTAIN`` and that is sent again, with the same task id, may run
    twice.
    """

    def __init__(self, thread: ForeignThread[Any], *, deadline_s: float = DEADLINE_S) -> None:
        """Keep the thread; nothing is opened here."""
        self._thread = thread
        self._deadline_s = deadline_s

    async def send(self, calls: Sequence[ForeignCall], *, deadline_s: float | None = None) -> list[WriteResult]:
        """Send ``calls`` in order and return their outcomes, one for each.

        ``deadline_s`` is for all of them together; without it that of the publisher counts.

        ``WRITTEN``: the broker's library took it. ``NOT_WRITTEN``: there was no connection, or an earlier one failed; surely not
        sent. ``UNCERTAIN``: it failed on the way. ``found`` says why, in a text without arguments.

        Raises:
            RequestInvalid: a request no worker could take; none of them was sent.
            ForeignUncertain: no answer within the deadline; each may have been sent, or be sent later.
            ForeignBusy, ForeignClosed, ForeignMissing: none of them was sent.
        """
        if not calls:
            return []
        for call in calls:
            check_call(call)
        options = [send_options(call) for call in calls]
        return await self._thread.call(
            "send", lambda app: _send(app, options), deadline_s=deadline_s or self._deadline_s
        )


def _send(app: Any, calls: Sequence[dict[str, Any]]) -> list[WriteResult]:
    """Run in the thread."""
    results: list[WriteResult] = []
    failed = Outcome.NOT_WRITTEN
    try:
        with app.producer_or_acquire() as producer:
            connect(app, producer.connection)
            failed = Outcome.UNCERTAIN
            for options in calls:
                app.send_task(**options, producer=producer)
                results.append(WriteResult(Outcome.WRITTEN))
    except Exception as error:  # noqa: BLE001 - of celery, kombu and the broker's library, and they have no common root
        drop_connections(app)
        reason = str(foreign_error("send", error))
        if len(results) < len(calls):
            results.append(WriteResult(failed, reason))
        results += [WriteResult(Outcome.NOT_WRITTEN, reason)] * (len(calls) - len(results))
    return results
