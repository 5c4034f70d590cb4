"""Work items of the daemon to messages for workers: routed, checked, built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from daemon.clock import instant
from daemon.dispatch.celery_side import CelerySide
from daemon.ports import WorkItem
from daemon.settings.problems import KeyPath
from shim.app import AppRouter
from shim.call_options import check_accepted, request_of
from shim.client.amqp_extra import amqp_trial
from shim.envelope import Envelope
from shim.envelope_maker import EnvelopeMaker
from shim.errors import RequestInvalid
from shim.request import NOT_SHOWN, TaskRequest
from shim.routing import Routed
from shim.sent_event import EVENT_EXCHANGE
from shim.signature import Signature


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
        self._envelopes = EnvelopeMaker(
            origin=origin,
            pid=pid,
            new_tag=lambda: next(tags),
            tells=bool(side.conf.get("task_send_sent_event")),
            event_exchange=side.conf.get("event_exchange") or EVENT_EXCHANGE,
        )

    def asks_app(self, item: WorkItem) -> bool:
        """Say whether a function of the application has a say in where and how it goes; one may beside a queue of its own."""
        return self.router.asks_app(item.task)

    async def routed(self, item: WorkItem, app: AppRouter) -> Routed:
        """Have the application say where ``item`` goes.

        Raises:
            AppError, RequestInvalid: it could not, or no worker could take it.
        """
        return await app.route(self.router, item.task, self._options(item), args=item.args, kwargs=item.kwargs)

    def make(self, item: WorkItem, now: datetime, routed: Routed | None = None) -> tuple[Envelope, ...]:
        """Make what is to be pushed for ``item``.

        Args:
            item: what to run.
            now: aware.
            routed: where it goes, if the application was asked.

        Raises:
            RequestInvalid: no worker could take it.
        """
        return self._envelopes.make(*self.asked(item, now, routed), now)

    def asked(self, item: WorkItem, now: datetime, routed: Routed | None = None) -> tuple[TaskRequest, Routed]:
        """Say what is asked of workers, and where it goes; arguments as ``make``.

        Raises:
            RequestInvalid: it can go nowhere, or workers would drop it unread.
        """
        if routed is None:
            routed = self.router.route(item.task, self._options(item))
        request = _request_with(item, routed.options, now) if routed.options else _request(item)
        check_accepted(request, self._side.conf.get("accept_content"))
        return request, routed

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
