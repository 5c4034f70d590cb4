"""Sends tasks to RabbitMQ, each confirmed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import anyio

from shim.amqp.connector import AmqpConnector
from shim.amqp.outcome import AmqpOutcome, AmqpResult
from shim.amqp.publisher import AmqpPublisher
from shim.amqp.url import parse_amqp_urls
from shim.client.amqp_maker import AmqpMaker
from shim.client.amqp_queues import ladder_type, missing_declaration, queue_declarations
from shim.client.carrier import Parcel
from shim.client.conf import broker_address
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain
from shim.routing import QueueTable
from shim.sent_event import EVENT_EXCHANGE


class AmqpCarrier:
    """The way to RabbitMQ. It remembers nothing: ``once`` cannot be promised, which is what an ``Outbox`` is for."""

    def __init__(self, publisher: AmqpPublisher, maker: AmqpMaker, *, now: Callable[[], datetime]) -> None:
        """Keep the collaborators; no I/O happens here."""
        self._publisher = publisher
        self._maker = maker
        self._now = now

    async def send(self, parcels: Sequence[Parcel], *, once: str | None, timeout_s: float) -> bool:
        """Send ``parcels``; see ``Carrier``. Nothing is tried twice.

        Events follow the messages that were surely sent; nobody hears whether they arrived, and no task depends on it.
        """
        del once
        at = self._now()
        made = [self._maker.make(request, routed, at) for request, routed in parcels]
        results: list[AmqpResult] = []
        with anyio.move_on_after(timeout_s):
            results = await self._publisher.publish([one.message for one in made])
            events = [
                one.event
                for one, result in zip(made, results, strict=True)
                if one.event is not None and result.outcome is AmqpOutcome.WRITTEN
            ]
            await self._publisher.publish(events)
        _judge(results, len(made), timeout_s)
        return False

    async def run(self) -> None:
        """Wait until cancelled, then close the connection."""
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self._publisher.close()


def _judge(results: Sequence[AmqpResult], count: int, timeout_s: float) -> None:
    written = sum(result.outcome is AmqpOutcome.WRITTEN for result in results)
    if results and written == len(results):
        return
    worst = next((result for result in results if result.outcome is not AmqpOutcome.WRITTEN), None)
    why = worst.reason if worst is not None else f"no answer within {timeout_s:g} s"
    outcomes = {result.outcome for result in results}
    if outcomes == {AmqpOutcome.NOT_WRITTEN}:
        raise BrokerUnavailable(why)
    if written == 0 and AmqpOutcome.UNCERTAIN not in outcomes and outcomes:
        code = worst.refusal.value if worst is not None and worst.refusal is not None else "refused"
        raise BrokerRefused(why, server_code=code)
    message = f"{written} of {count} messages were surely sent ({why})"
    raise PublishUncertain(message, hint="a task that is sent again may run twice")


def amqp_connector(conf: Mapping[str, Any], *, client_name: str) -> AmqpConnector:
    """Read the addresses of an application's settings; nothing is opened.

    Raises:
        BrokerUrlInvalid: an address that cannot be spoken to.
    """
    urls = parse_amqp_urls(broker_address(conf), use_ssl=conf.get("broker_use_ssl"))
    return AmqpConnector(urls, client_name=client_name)


def amqp_maker(
    conf: Mapping[str, Any], queues: QueueTable, *, origin: str, pid: int, new_id: Callable[[], str]
) -> AmqpMaker:
    """Make the maker of messages for an application's settings.

    Raises:
        RequestInvalid: a type of queue that RabbitMQ does not have.
    """
    return AmqpMaker(
        queue_declarations(conf, queues),
        origin=origin,
        pid=pid,
        new_id=new_id,
        missing=missing_declaration(conf, queues),
        tells=bool(conf.get("task_send_sent_event")),
        event_exchange=conf.get("event_exchange") or EVENT_EXCHANGE,
    )


def make_amqp_carrier(
    conf: Mapping[str, Any],
    queues: QueueTable,
    *,
    client_name: str,
    origin: str,
    new_id: Callable[[], str],
    now: Callable[[], datetime],
) -> AmqpCarrier:
    """Make the carrier for an application's settings.

    Raises:
        BrokerUrlInvalid, RequestInvalid: a setting nobody could work with.
    """
    publisher = AmqpPublisher(
        amqp_connector(conf, client_name=client_name),
        queues=queue_declarations(conf, queues),
        missing=missing_declaration(conf, queues),
        ladder_type=ladder_type(conf),
    )
    return AmqpCarrier(publisher, amqp_maker(conf, queues, origin=origin, pid=os.getpid(), new_id=new_id), now=now)
