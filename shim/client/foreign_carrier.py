"""Sends tasks to brokers the shim does not speak, through celery in a thread."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from shim.claim import Outcome
from shim.client.carrier import Parcel
from shim.errors import BrokerUnavailable, PublishUncertain
from shim.foreign import (
    ForeignBusy,
    ForeignCall,
    ForeignClosed,
    ForeignFailed,
    ForeignMissing,
    ForeignPublisher,
    ForeignThread,
    ForeignUncertain,
)

_TWICE = "a task that is sent again may run twice"


class ForeignCarrier:
    """The way to any broker kombu has a transport for. Nothing is remembered there: ``once`` cannot be promised."""

    def __init__(self, thread: ForeignThread[object], *, name: str) -> None:
        """Keep the thread; ``name`` is what a refusal calls the broker."""
        self._thread = thread
        self._name = name

    async def send(self, parcels: Sequence[Parcel], *, once: str | None, timeout_s: float) -> bool:
        """Send ``parcels``; see ``Carrier``. Nothing is tried twice."""
        del once
        calls = [ForeignCall(request, target) for request, routed in parcels for target in routed.targets]
        try:
            results = await ForeignPublisher(self._thread, deadline_s=timeout_s).send(calls)
        except ForeignUncertain as error:
            message = f"{self._name}: no answer in time ({error})"
            raise PublishUncertain(message, hint=_TWICE) from None
        except (ForeignBusy, ForeignClosed, ForeignFailed, ForeignMissing) as error:
            message = f"{self._name}: nothing was sent ({error})"
            raise BrokerUnavailable(message, hint=error.hint) from None
        written = sum(result.outcome is Outcome.WRITTEN for result in results)
        if written == len(results):
            return False
        why = next((result.found for result in results if result.found), "no reason was given")
        if not written and all(result.outcome is Outcome.NOT_WRITTEN for result in results):
            message = f"{self._name}: nothing was sent ({why})"
            raise BrokerUnavailable(message)
        message = f"{self._name}: {written} of {len(calls)} messages were surely sent ({why})"
        raise PublishUncertain(message, hint=_TWICE)

    async def run(self) -> None:
        """Wait until cancelled; the thread is its owner's to close."""
        await anyio.sleep_forever()
