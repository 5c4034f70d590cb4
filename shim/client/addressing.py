"""Calls to parcels: class options, routes and the application's own functions decide where a task goes and what goes with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from shim.app import AppRouter
from shim.call_options import check_accepted
from shim.client.call import Call, make_request
from shim.client.carrier import Parcel
from shim.errors import RequestInvalid
from shim.routing import Answer, Routed, Router

TaskOptions = Callable[[str], Mapping[str, Any]]
"""Gives the options a task's class has in the application, by the task's name."""


def no_options(task: str) -> Mapping[str, Any]:
    """Know nothing of a task's class."""
    del task
    return {}


class Addressing:
    """Finds out where calls go."""

    def __init__(
        self,
        router: Router,
        app: AppRouter | None,
        task_options: TaskOptions,
        new_id: Callable[[], str],
        *,
        accept_content: Collection[str] | None = None,
    ) -> None:
        """Keep the collaborators.

        Args:
            router: of the application's settings.
            app: asks the application, where a function of it decides.
            task_options: options of the tasks' classes.
            new_id: gives an id nobody else has.
            accept_content: the workers' setting of that name, if it is known.
        """
        self._router = router
        self._app = app
        self._task_options = task_options
        self._new_id = new_id
        self._accept_content = accept_content

    async def parcel(self, call: Call, at: datetime) -> Parcel:
        """Make the request of ``call`` and route it; ``at`` is now, aware.

        Raises:
            RequestInvalid: no worker could take it, or it cannot be routed.
            AppError: the application was to say where it goes and did not.
        """
        known = self._task_options(call.task)
        given = {name: value for name, value in call.options.items() if value is not None}
        _check_place(given)
        routed = await self._routed(call, {**known, **given})
        task_id = self._new_id() if call.task_id is None else call.task_id
        request = make_request(call, {**known, **routed.options, **given}, task_id=task_id, at=at)
        check_accepted(request, self._accept_content)
        return Parcel(request._replace(delivery_mode=routed.delivery_mode), routed)

    def queues_of(self, task: str, queue: str | None) -> tuple[str, ...]:
        """Name the queues a task goes to; none if it is published to whoever listens.

        Raises:
            RequestInvalid: it cannot be routed, or a function of the application decides.
        """
        named = {} if queue is None else {"queue": queue}
        options = {**self._task_options(task), **named}
        # A queue that is given goes before whatever a function says.
        is_settled = "queue" in options and self._router.asks_app(task)
        routed = self._router.route(task, options, answer=Answer(None) if is_settled else None)
        return tuple(target.queue for target in routed.targets if not target.exchange)

    async def _routed(self, call: Call, options: Mapping[str, Any]) -> Routed:
        if self._app is None or not self._router.asks_app(call.task):
            return self._router.route(call.task, options)
        asked = {name: value for name, value in options.items() if isinstance(value, (str, int, float, bool))}
        answer = await self._app.ask(call.task, asked, args=list(call.args), kwargs=dict(call.kwargs))  # type: ignore[arg-type]
        return self._router.route(call.task, options, answer=answer)


def _check_place(options: Mapping[str, Any]) -> None:
    """Refuse a queue that is an object, as Celery takes them.

    Raises:
        RequestInvalid: it is no text.
    """
    for name in ("queue", "exchange", "exchange_type", "routing_key"):
        if not isinstance(options.get(name, ""), str):
            message = f"options.{name}: text is needed"
            raise RequestInvalid(message, hint="declare queues in task_queues and name them")
