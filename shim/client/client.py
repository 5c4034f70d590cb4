"""A whole Celery client: sends, waits, asks and looks, with nothing but an application's settings."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from anyio.abc import TaskGroup

from shim.app import AppAddress, AppRouter
from shim.canvas import CanvasRules, NestedCanvas, Part, as_signature, plan_canvas
from shim.client.addressing import Addressing, TaskOptions
from shim.client.amqp_extra import amqp_control, amqp_desk
from shim.client.call import Call, Sent
from shim.client.carrier import Carrier, once_key
from shim.client.carriers import amqp_carrier, redis_carrier, redis_transport
from shim.client.conf import (
    BrokerKind,
    broker_address,
    broker_kind,
    foreign_conf,
    foreign_results,
    redis_broker,
    redis_results,
)
from shim.client.foreign_carrier import ForeignCarrier
from shim.client.redis_carrier import RedisCarrier
from shim.client.ways import ControlWay, QueueDesk
from shim.connector import Connector
from shim.control import Control
from shim.errors import RequestInvalid
from shim.events import EventReceiver, EventState, events_pattern
from shim.foreign import ForeignCanvas, ForeignResults, ForeignSettings, ForeignThread, SentCanvas, foreign_thread
from shim.link import Link
from shim.queues import Queues
from shim.results import ResultFormat, Results, ResultWaiter, TaskMeta
from shim.routing import routing_from_conf
from shim.transport import RedisTransport
from shim.value import Value

TIMEOUT_S = 10.0
CALLS_LIMIT = 10_000
"""Calls in one ``send_many``."""


class _Closing(Protocol):
    async def close(self) -> None: ...


class Client:
    """What ``open_client`` gives. Connections are opened when first needed."""

    def __init__(
        self,
        conf: Mapping[str, Any],
        *,
        client_name: str,
        task_options: TaskOptions,
        app: AppAddress | None,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        """Read the settings; use ``open_client``.

        Raises:
            BrokerUrlInvalid, RequestInvalid: a setting nobody could work with.
        """
        self.conf = conf
        self.router = routing_from_conf(conf, default_priority=conf.get("task_default_priority") or 0)
        self.kind = broker_kind(broker_address(conf))
        self._tasks: TaskGroup | None = None
        self._name = client_name
        self._app = AppRouter(app) if app is not None else None
        accepted = conf.get("accept_content")
        self._addressing = Addressing(self.router, self._app, task_options, new_id, accept_content=accepted)
        self._new_id = new_id
        self._now = now
        self._carrier: Carrier | None = None
        self._control: ControlWay | None = None
        self._waiter: ResultWaiter | None = None
        self._results: Results | ForeignResults | None = None
        self._thread: ForeignThread[Any] | None = None
        self._links: list[_Closing] = []
        self._queues: QueueDesk | None = None
        redis_results(conf)

    # -- sending -------------------------------------------------------------------------------------------------------

    async def send(
        self,
        task: str,
        args: Sequence[Value] = (),
        kwargs: Mapping[str, Value] | None = None,
        *,
        task_id: str | None = None,
        timeout_s: float = TIMEOUT_S,
        **options: Any,
    ) -> Sent:
        """Send one task, with the options of Celery's ``apply_async``.

        On Redis it is sent once, however often the broker has to be asked within ``timeout_s``; the same ``task_id`` within
        ten minutes is one task.

        Raises:
            RequestInvalid: no worker could take it.
            BrokerUnavailable: surely not sent.
            PublishUncertain: it may have been sent.
            BrokerRefused: the broker does not take it.
        """
        [sent] = await self.send_many([Call(task, args, kwargs or {}, options, task_id)], timeout_s=timeout_s)
        return sent

    async def send_many(self, calls: Sequence[Call], *, timeout_s: float = TIMEOUT_S) -> list[Sent]:
        """Send ``calls`` in order, in as few steps as the broker allows.

        On Redis all of them are sent once, as with ``send``: the same ids asked for again within ten minutes are not sent again.

        Raises:
            RequestInvalid: one that no worker could take, or too many; nothing was sent.
            ShimError: as ``send``.
        """
        if len(calls) > CALLS_LIMIT:
            message = f"{len(calls)} calls: {CALLS_LIMIT} can be sent at once"
            raise RequestInvalid(message, hint="send them in several parts")
        parcels = [await self._addressing.parcel(call, self._now()) for call in calls]
        if not parcels:
            return []
        once = once_key([parcel.request.task_id for parcel in parcels])
        were_before = await self._carry().send(parcels, once=once, timeout_s=timeout_s)
        return [
            Sent(request.task_id, tuple(target.queue for target in routed.targets if not target.exchange), were_before)
            for request, routed in parcels
        ]

    async def send_canvas(self, canvas: Part, *, timeout_s: float = TIMEOUT_S) -> SentCanvas:
        """Send a chain, group or chord; on Redis in one push. What is nested deeper, or on another broker, celery sends in a thread.

        What is pushed is sent once, as with ``send``. Celery sends message by message and is never asked twice: a part may run
        when it fails.

        Raises:
            RequestInvalid: no worker could take a part of it, or nobody here can send it.
            ShimError: as ``send``.
        """
        results = self.results
        keys = results.keys if isinstance(results, Results) else None
        rules = CanvasRules(keys, signed=self.conf.get("task_serializer") == "auth")
        at = self._now()
        plan = plan_canvas(canvas, route=self.router.route, new_id=self._new_id, at=at, rules=rules)
        carrier = self._carry()
        if isinstance(plan, NestedCanvas) or not isinstance(carrier, RedisCarrier):
            return await ForeignCanvas(self._foreign(), deadline_s=timeout_s).send(as_signature(canvas))
        link = results.link if isinstance(results, Results) else None
        return await carrier.send_canvas(plan, link, at=at, timeout_s=timeout_s)

    def queues_of(self, task: str, queue: str | None = None) -> tuple[str, ...]:
        """Name the queues a task goes to; none if it is published to whoever listens.

        Raises:
            RequestInvalid: it cannot be sent, or a function of the application decides.
        """
        return self._addressing.queues_of(task, queue)

    def _carry(self) -> Carrier:
        if self._carrier is None:
            self._carrier = self._make_carrier()
            self._start(self._carrier.run)
        return self._carrier

    def _make_carrier(self) -> Carrier:
        if self.kind is BrokerKind.FOREIGN:
            return ForeignCarrier(self._foreign(), name=broker_address(self.conf).partition("://")[0])
        if self.kind is BrokerKind.AMQP:
            return amqp_carrier(self.conf, self.router, client_name=self._name, new_id=self._new_id, now=self._now)
        return redis_carrier(self.conf, client_name=self._name, new_id=self._new_id, now=self._now)

    @property
    def transport(self) -> RedisTransport:
        """Names of keys and channels on Redis, as the workers have them."""
        return redis_transport(self.conf)

    # -- results -------------------------------------------------------------------------------------------------------

    @property
    def results(self) -> Results | ForeignResults | None:
        """The result back-end; ``None`` if the application keeps no results."""
        if self._results is None:
            found = redis_results(self.conf)
            if found is not None:
                url, place = found
                self._results = Results(
                    self._link(Link(url, client_name=self._name)),
                    key_prefix=place.key_prefix,
                    form=ResultFormat(place.serializer),
                )
            elif foreign_results(self.conf) is not None:
                self._results = ForeignResults(self._foreign())
        return self._results

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
        """Read what is stored for ``task_ids``; an id without a stored result is absent.

        Raises:
            RequestInvalid: the application keeps no results.
            ShimError: the back-end could not be asked.
        """
        return await self._kept().fetch(task_ids)

    async def forget(self, task_ids: Sequence[str]) -> None:
        """Remove the results of ``task_ids``.

        Raises:
            ShimError: as ``fetch``.
        """
        await self._kept().forget(task_ids)

    async def wait(self, task_id: str, *, timeout_s: float) -> TaskMeta | None:
        """Wait for the final result of a task; ``None`` if it does not come in time.

        Raises:
            ShimError: as ``fetch``.
        """
        results = self._kept()
        if isinstance(results, ForeignResults):
            return (await results.wait([task_id], deadline_s=timeout_s)).get(task_id)
        return await self._wait_on(results).ready(task_id, timeout_s)

    @property
    def waiter(self) -> ResultWaiter:
        """Waits for many results at once.

        Raises:
            RequestInvalid: results are not kept in Redis.
        """
        results = self._kept()
        if isinstance(results, ForeignResults):
            message = "result_backend: only Redis tells when a result comes"
            raise RequestInvalid(message, hint="use wait, which looks again and again")
        return self._wait_on(results)

    def _wait_on(self, results: Results) -> ResultWaiter:
        if self._waiter is None:
            self._waiter = ResultWaiter(results, Connector(results.link.url, client_name=self._name))
            self._start(self._waiter.run)
        return self._waiter

    def _kept(self) -> Results | ForeignResults:
        results = self.results
        if results is None:
            message = "result_backend is not set: nobody keeps results"
            raise RequestInvalid(message, hint="set result_backend as on the workers")
        return results

    # -- workers and queues --------------------------------------------------------------------------------------------

    @property
    def has_control(self) -> bool:
        """Say whether workers can be asked and queues looked into."""
        return self.kind is not BrokerKind.FOREIGN

    @property
    def sends_once(self) -> bool:
        """Say whether the same task id sent again within ten minutes is one task; only Redis remembers."""
        return self.kind is BrokerKind.REDIS

    @property
    def control(self) -> ControlWay:
        """Remote control of the workers.

        Raises:
            RequestInvalid: the broker is neither Redis nor RabbitMQ.
        """
        if self._control is None:
            self._own_broker_only("control")
            self._control = self._make_control()
            self._start(self._control.run)
        return self._control

    def _make_control(self) -> ControlWay:
        if self.kind is BrokerKind.AMQP:
            return amqp_control(self.conf, client_name=self._name, new_id=self._new_id)
        return Control(
            redis_broker(self.conf),
            client_name=self._name,
            new_id=self._new_id,
            transport=self.transport,
            namespace=self.conf.get("control_exchange") or "celery",
            fanout_prefix=self.transport.fanout_prefix,
        )

    @property
    def queues(self) -> QueueDesk:
        """The queues of the broker.

        Raises:
            RequestInvalid: the broker is neither Redis nor RabbitMQ.
        """
        if self._queues is None:
            self._own_broker_only("queues")
            self._queues = self._make_desk()
        return self._queues

    def _make_desk(self) -> QueueDesk:
        if self.kind is BrokerKind.AMQP:
            desk = amqp_desk(self.conf, client_name=self._name)
            self._links.append(desk)
            return desk
        options = self.conf.get("broker_transport_options") or {}
        link = self._link(Link(redis_broker(self.conf), client_name=self._name))
        return Queues(link, self.transport, unacked_key=options.get("unacked_key") or "unacked")

    def events(self, state: EventState) -> EventReceiver:
        """Make a receiver that follows the event stream into ``state``; the caller runs it.

        Raises:
            RequestInvalid: the broker is not Redis.
        """
        if self.kind is not BrokerKind.REDIS:
            message = "events: this client follows those of Redis and Valkey"
            raise RequestInvalid(message, hint="on RabbitMQ shim.amqp.AmqpEventWire does")
        url, exchange = redis_broker(self.conf), self.conf.get("event_exchange") or "celeryev"
        pattern = events_pattern(url.database, exchange=exchange, key_prefix=self.transport.key_prefix)
        return EventReceiver(Connector(url, client_name=self._name), state, now=self._now, pattern=pattern)

    def _own_broker_only(self, what: str) -> None:
        if self.kind is BrokerKind.FOREIGN:
            message = f"{what}: this broker is spoken to for sending only"
            raise RequestInvalid(message, hint="Redis, Valkey and RabbitMQ are spoken to for everything")

    # -- life ----------------------------------------------------------------------------------------------------------

    def attach(self, tasks: TaskGroup) -> None:
        """Have connections served in ``tasks`` from now on."""
        self._tasks = tasks
        if self._app is not None:
            self._start(self._app.run)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        assert self._tasks is not None  # open_client attaches before it hands the client out
        self._tasks.start_soon(work)

    def _link(self, link: Link) -> Link:
        self._links.append(link)
        return link

    def _foreign(self) -> ForeignThread[Any]:
        if self._thread is None:
            settings = ForeignSettings(
                broker_address(self.conf), self.conf.get("result_backend"), foreign_conf(self.conf)
            )
            self._thread = foreign_thread(settings)
        return self._thread

    async def close(self) -> None:
        """Close what was opened beside the running tasks."""
        for link in self._links:
            await link.close()
        if self._thread is not None:
            await self._thread.close()
