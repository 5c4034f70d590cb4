"""Sends tasks to Redis and Valkey, together with the events that tell of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import anyio

from shim.broker_url import BrokerUrl
from shim.canvas import CanvasPlan, CanvasSender
from shim.claim import Claim, Outcome, Write, WriteResult
from shim.client.carrier import Parcel
from shim.envelope_maker import EnvelopeMaker
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain, ShimError
from shim.foreign import SentCanvas
from shim.link import Link
from shim.publisher import Publisher
from shim.sent_event import EVENT_EXCHANGE
from shim.transport import RedisTransport

ONCE = "carillon:1:once"
"""Prefix of the hashes that remember what was sent."""

ONCE_FIELD = "sent"
ONCE_TTL_S = 600
"""How long a repeated attempt finds out about an earlier one. A request that was lost on its way is long gone by then."""

MESSAGES_PER_WRITE = 100
_OPEN = (Outcome.NOT_WRITTEN, Outcome.UNCERTAIN)
PAUSE_FIRST_S, PAUSE_LAST_S = 0.05, 1.0


Push = Callable[[list[Write]], Awaitable[list[WriteResult]]]


class RedisCarrier:
    """The way to a Redis server."""

    def __init__(
        self,
        url: BrokerUrl,
        transport: RedisTransport,
        *,
        client_name: str,
        origin: str,
        pid: int,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
        sent_events: bool = False,
        event_exchange: str = EVENT_EXCHANGE,
    ) -> None:
        """Keep addresses and names; no I/O happens here.

        Args:
            url: the broker.
            transport: options that workers share.
            client_name: name of the connection on the server.
            origin: who sends, such as ``gen12@host``; in messages and events.
            pid: process id, in events.
            new_id: gives an id nobody else has.
            now: the clock, aware.
            sent_events: whether a ``task-sent`` event goes with each task, as ``task_send_sent_event`` asks.
            event_exchange: the workers' setting of that name.
        """
        self.link = Link(url, client_name=client_name)
        self._publisher = Publisher(self.link, transport)
        self._prefix = transport.key_prefix
        self._origin = origin
        self._new_id = new_id
        self._now = now
        self._envelopes = EnvelopeMaker(
            origin=origin, pid=pid, new_tag=new_id, tells=sent_events, event_exchange=event_exchange
        )

    async def send(self, parcels: Sequence[Parcel], *, once: str | None, timeout_s: float) -> bool:
        """Send ``parcels``; see ``Carrier``. The event of a task is in the broker with it, in one step."""
        at = self._now()
        envelopes = [envelope for request, routed in parcels for envelope in self._envelopes.make(request, routed, at)]
        writes = []
        for number, first in enumerate(range(0, len(envelopes), MESSAGES_PER_WRITE)):
            claim = None
            if once is not None:
                key = f"{self._prefix}{ONCE}:{once}:{number}" if number else f"{self._prefix}{ONCE}:{once}"
                claim = Claim(key, ONCE_FIELD, None, "1", ttl_s=ONCE_TTL_S)
            writes.append(Write(claim, tuple(envelopes[first : first + MESSAGES_PER_WRITE])))
        return await self._settle(writes, self._publisher.write, timeout_s, may_repeat=once is not None)

    async def send_canvas(
        self, plan: CanvasPlan, results: Link | None, *, at: datetime, timeout_s: float
    ) -> SentCanvas:
        """Send a planned canvas once; ``results`` leads to the result database, which chords need.

        Raises:
            ShimError: as ``send``, or the result database does not answer; nothing was sent then.
        """
        sender = CanvasSender(self._publisher, results, origin=self._origin, new_tag=self._new_id)
        claim = Claim(f"{self._prefix}{ONCE}:{self._new_id()}", ONCE_FIELD, None, "1", ttl_s=ONCE_TTL_S)

        async def push(_: list[Write]) -> list[WriteResult]:
            return [await sender.send(plan, at=at, claim=claim)]

        if plan.messages:
            await self._settle([Write(claim, ())], push, timeout_s, may_repeat=True)
        members = plan.task_ids if plan.result_id is None else ()
        return SentCanvas(plan.result_id or plan.group_id, members, plan.task_ids)

    async def run(self) -> None:
        """Send until cancelled, then close the connection."""
        try:
            await self._publisher.run()
        finally:
            with anyio.CancelScope(shield=True):
                await self.link.close()

    async def _settle(self, writes: list[Write], push: Push, timeout_s: float, *, may_repeat: bool) -> bool:
        was_sent, were_before, is_under_way = False, True, False
        why: ShimError | None = None
        pause_s = PAUSE_FIRST_S
        with anyio.move_on_after(timeout_s):
            while True:
                is_under_way = True
                try:
                    results = await push(writes)
                except ShimError:
                    if was_sent:
                        break  # what is refused now may have been done before
                    raise
                is_under_way = False
                outcomes = [self._judged(result) for result in results]
                were_before = were_before and Outcome.WRITTEN not in outcomes
                was_sent = was_sent or any(outcome is not Outcome.NOT_WRITTEN for outcome in outcomes)
                writes = [write for write, outcome in zip(writes, outcomes, strict=True) if outcome in _OPEN]
                if not writes:
                    return were_before
                if was_sent and not may_repeat:
                    break
                why = await self._why()
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_LAST_S)
        if was_sent or is_under_way:
            message = f"{self.link.url}: no answer; what was to be sent may be there or not"
            raise PublishUncertain(
                message, hint="send it again under the same id: it happens once" if may_repeat else ""
            )
        if why is not None:
            message = f"{why}; nothing was sent"
            raise BrokerUnavailable(message, hint=why.hint)
        message = f"{self.link.url}: no connection; nothing was sent"
        raise BrokerUnavailable(message, hint="is the server running, and is the address right?")

    async def _why(self) -> ShimError | None:
        """Ask the server anything, to hear why it cannot be reached; ``None`` if it can again."""
        try:
            await self.link.call("PING")
        except ShimError as error:
            return error
        return None

    def _judged(self, result: WriteResult) -> Outcome:
        if result.outcome is Outcome.WRONG_TYPE:
            message = f"{self.link.url}: {result.found} holds something that is no queue"
            raise BrokerRefused(message, server_code="WRONGTYPE", hint="look at the key, and remove or rename it")
        return result.outcome
