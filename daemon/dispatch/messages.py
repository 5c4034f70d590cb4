"""Work items of the daemon to messages for workers: routed, checked, built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from daemon.clock import instant
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.targets import canvas_rules, plan_target, starters, store_of
from daemon.ports import WorkItem
from daemon.settings.problems import KeyPath
from shim.app import AppRouter
from shim.call_options import check_accepted, request_of
from shim.canvas import StoreWrite
from shim.client.amqp_extra import amqp_trial
from shim.envelope import Envelope
from shim.envelope_maker import EnvelopeMaker
from shim.errors import RequestInvalid
from shim.request import NOT_SHOWN, TaskRequest
from shim.routing import Routed
from shim.sent_event import EVENT_EXCHANGE
from shim.signature import Signature

Routes: TypeAlias = tuple[Routed, ...]
"""Where the messages of an item go, one each."""

_SOMEWHERE = "redis://127.0.0.1/0"
"""Stands for the embedded broker where nothing is sent."""


class MessageMaker:
    """Makes the messages of work items: those of their queues and, where the site wants it, the event that tells of them."""

    def __init__(self, side: CelerySide, *, origin: str, pid: int, tags: Iterator[str]) -> None:
        """Prepare the router.

        Args:
            side: what is known of the Celery side.
            origin: who sends.
            pid: process id, for events.
            tags: texts of which no two are equal, here or elsewhere.

        Raises:
            RequestInvalid: a setting Celery could not work with.
        """
        self.router = side.router()
        self._side = side
        self._rules = canvas_rules(side.conf)
        self._envelopes = EnvelopeMaker(
            origin=origin,
            pid=pid,
            new_tag=lambda: next(tags),
            tells=bool(side.conf.get("task_send_sent_event")),
            event_exchange=side.conf.get("event_exchange") or EVENT_EXCHANGE,
        )

    def asks_app(self, item: WorkItem) -> bool:
        """Say whether a function of the application has a say in where and how it goes; one may beside a queue of its own."""
        return any(self.router.asks_app(starter.task) for starter in starters(item))

    async def routed(self, item: WorkItem, app: AppRouter) -> Routes:
        """Have the application say where the messages of ``item`` go.

        Raises:
            AppError, RequestInvalid: it could not, or no worker could take it.
        """
        return tuple(
            [
                await app.route(self.router, one.task, self._options(one), args=one.args, kwargs=one.kwargs)
                for one in starters(item)
            ]
        )

    def store_of(self, item: WorkItem) -> tuple[StoreWrite, ...]:
        """Say what must stand in the result back-end before the messages of ``item`` are pushed."""
        return store_of(item, self._rules)

    def make(self, item: WorkItem, now: datetime, routed: Routes | None = None) -> tuple[Envelope, ...]:
        """Make what is to be pushed for ``item``.

        Args:
            item: what to run.
            now: aware.
            routed: where it goes, if the application was asked.

        Raises:
            RequestInvalid: no worker could take it.
        """
        if item.canvas is None:
            return self._envelopes.make(*self.asked(item, now, routed), now)
        return tuple(
            [
                envelope
                for request, place in self._asked_all(item, now, routed)
                for envelope in self._envelopes.make(request, place, now)
            ]
        )

    def asked(self, item: WorkItem, now: datetime, routed: Routes | None = None) -> tuple[TaskRequest, Routed]:
        """Say what is asked of workers by one message, and where it goes; arguments as ``make``.

        Raises:
            RequestInvalid: it can go nowhere, or workers would drop it unread, or it takes more than one message.
        """
        if item.canvas is not None:
            if item.canvas["kind"] != "chain":
                message = f"a {item.canvas['kind']} needs a broker that takes all of its messages in one step"
                raise RequestInvalid(message, hint="use Redis or Valkey, or a task that sends it")
            [asked] = self._asked_all(item, now, routed)
            return asked
        place = self.router.route(item.task, self._options(item)) if routed is None else routed[0]
        request = _request_with(item, place.options, now) if place.options else _request(item)
        check_accepted(request, self._side.conf.get("accept_content"))
        return request, place

    def _asked_all(self, item: WorkItem, now: datetime, routed: Routes | None) -> list[tuple[TaskRequest, Routed]]:
        plan, places = plan_target(item, route=self._route, rules=self._rules, at=now, routed=routed)
        accepted = self._side.conf.get("accept_content")
        for message in plan.messages:
            check_accepted(message.request, accepted)
        return [(message.request, place) for message, place in zip(plan.messages, places, strict=True)]

    def _route(self, item: WorkItem, options: Mapping[str, Any]) -> Routed:
        return self.router.route(item.task, {**self._options(item), **options})

    def _options(self, item: WorkItem) -> dict[str, Any]:
        options = self._side.options_of(item.task)
        if item.queue is not None:
            options["queue"] = item.queue
        if item.priority is not None:
            options["priority"] = item.priority
        return options


def check_items(side: CelerySide, items: Sequence[tuple[KeyPath, WorkItem]]) -> list[tuple[KeyPath, str]]:
    """Find the items no worker, or not RabbitMQ, could take, and say why."""
    try:
        side = side.beside(_SOMEWHERE) if side.is_embedded else side
        maker = MessageMaker(side, origin="check", pid=0, tags=iter(lambda: "check", ""))
        try_amqp = amqp_trial(side.conf, maker.router.queues)
    except RequestInvalid as error:
        return [(("celery",), _text(error))]
    found = []
    for path, item in items:
        if maker.asks_app(item):
            continue
        try:
            maker.make(item, instant(0))
            if try_amqp is not None:
                try_amqp(*maker.asked(item, instant(0)), instant(0))
        except RequestInvalid as error:
            found.append((path, _text(error)))
    return found


def _text(error: RequestInvalid) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)


def _request(item: WorkItem) -> TaskRequest:
    return TaskRequest(
        task=item.task,
        task_id=item.task_id,
        args=item.args,
        kwargs=item.kwargs,
        eta_at=None if item.eta_us is None else instant(item.eta_us),
        expires_at=None if item.expires_at_us is None else instant(item.expires_at_us),
        time_limit_s=item.time_limit_s,
        soft_time_limit_s=item.soft_time_limit_s,
        headers=item.headers,
        argsrepr=item.args_shown if item.args_shown is not None else NOT_SHOWN,
        kwargsrepr=item.kwargs_shown if item.kwargs_shown is not None else NOT_SHOWN,
    )


def _request_with(item: WorkItem, options: Mapping[str, Any], now: datetime) -> TaskRequest:
    """Add what route and class say and the item leaves open."""
    plain = _request(item)
    usual = request_of(Signature(item.task), {**options, "task_id": item.task_id}, at=now)
    changes: dict[str, Any] = {
        name: value
        for name, value in plain._asdict().items()
        if value is not None and value != TaskRequest._field_defaults.get(name)
    }
    return usual._replace(**changes)
