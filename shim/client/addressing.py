"""Calls to parcels: class options, routes and the application's own functions decide where a task goes and what goes with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shim.app import AppRouter
from shim.client.call import Call, make_request
from shim.client.carrier import Parcel
from shim.routing import Routed, Router

TaskOptions = Callable[[str], Mapping[str, Any]]
"""Gives the options a task's class has in the application, by the task's name."""


def no_options(task: str) -> Mapping[str, Any]:
    """Know nothing of a task's class."""
    del task
    return {}


class Addressing:
    """Finds out where calls go."""

    def __init__(
        self, router: Router, app: AppRouter | None, task_options: TaskOptions, new_id: Callable[[], str]
    ) -> None:
        """Keep the collaborators.

        Args:
            router: of the application's settings.
            app: asks the application, where a function of it decides.
            task_options: options of the tasks' classes.
            new_id: gives an id nobody else has.
        """
        self._router = router
        self._app = app
        self._task_options = task_options
        self._new_id = new_id

    async def parcel(self, call: Call, at: datetime) -> Parcel:
        """Make the request of ``call`` and route it; ``at`` is now, aware.

        Raises:
            RequestInvalid: no worker could take it, or it cannot be routed.
            AppError: the application was to say where it goes and did not.
        """
        known = self._task_options(call.task)
        given = {name: value for name, value in call.options.items() if value is not None}
        routed = await self._routed(call, {**known, **given})
        task_id = self._new_id() if call.task_id is None else call.task_id
        request = make_request(call, {**known, **routed.options, **given}, task_id=task_id, at=at)
        return Parcel(request._replace(delivery_mode=routed.delivery_mode), routed)

    def queues_of(self, task: str, queue: str | None) -> tuple[str, ...]:
        """Name the queues a task goes to; none if it is published to whoever listens.

        Raises:
            RequestInvalid: it cannot be routed, or a function of the application decides.
        """
        named = {} if queue is None else {"queue": queue}
        routed = self._router.route(task, {**self._task_options(task), **named})
        return tuple(target.queue for target in routed.targets if not target.exchange)

    async def _routed(self, call: Call, options: Mapping[str, Any]) -> Routed:
        if self._app is None or "queue" in options:
            return self._router.route(call.task, options)
        asked = {name: value for name, value in options.items() if isinstance(value, (str, int, float, bool))}
        if not self._router.asks_app(call.task):
            return self._router.route(call.task, options)
        answer = await self._app.ask(call.task, asked, args=list(call.args), kwargs=dict(call.kwargs))  # type: ignore[arg-type]
        return self._router.route(call.task, options, answer=answer)
