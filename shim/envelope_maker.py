"""What is pushed for one task: its message for each queue and, where an application wants it, the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shim.envelope import Envelope, build_envelope
from shim.message import build_message
from shim.mould import Moulds
from shim.request import TaskRequest
from shim.routing import Routed, Target
from shim.sent_event import EVENT_EXCHANGE, build_event_message, build_sent_event, event_payload


class EnvelopeMaker:
    """Makes envelopes in the name of one sender. Pure but for its logical clock and the tags it is given."""

    def __init__(
        self,
        *,
        origin: str,
        pid: int,
        new_tag: Callable[[], str],
        tells: bool = False,
        event_exchange: str = EVENT_EXCHANGE,
    ) -> None:
        """Keep the names.

        Args:
            origin: who sends, such as ``gen12@host``.
            pid: process id, in events.
            new_tag: gives a text that no other message has.
            tells: whether a ``task-sent`` event goes with each task (``task_send_sent_event``).
            event_exchange: the workers' setting of that name.
        """
        self._origin = origin
        self._pid = pid
        self._new_tag = new_tag
        self._tells = tells
        self._event_exchange = event_exchange
        self._moulds = Moulds(origin)
        self._clock = 0

    def make(self, request: TaskRequest, routed: Routed, at: datetime) -> tuple[Envelope, ...]:
        """Make what is pushed, in this order and in one step; ``at`` is now, aware.

        Raises:
            RequestInvalid: no worker could take it.
        """
        if self._tells:
            return self._with_event(request, routed, at)
        return tuple([self._envelope(request, target, at) for target in routed.targets])

    def _envelope(self, request: TaskRequest, target: Target, at: datetime) -> Envelope:
        tag = self._new_tag()
        known = self._moulds.envelope(request, target, tag, at)
        return known or build_envelope(request, target, delivery_tag=tag, at=at, origin=self._origin)

    def _with_event(self, request: TaskRequest, routed: Routed, at: datetime) -> tuple[Envelope, ...]:
        envelopes = [self._envelope(request, target, at) for target in routed.targets]
        # An event tells nothing of the arguments but how they are shown.
        message = build_message(request._replace(args=(), kwargs={}), routed.targets[0], at=at, origin=self._origin)
        self._clock += 1
        event = build_sent_event(
            message,
            at=at,
            hostname=self._origin,
            pid=self._pid,
            clock=self._clock,
            exchange=routed.exchange,
            routing_key=routed.routing_key,
        )
        told = build_event_message([event], hostname=self._origin, exchange=self._event_exchange)
        # In front, so that nobody hears of its receipt before.
        place = Target("", 0, told.exchange, told.routing_key)
        first = Envelope(request.task_id, place, event_payload(told, delivery_tag=self._new_tag()))
        return (first, *envelopes)
