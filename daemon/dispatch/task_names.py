"""Which tasks and queues there are: those of the site, and those the workers tell of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import anyio

from daemon.clock import Clock
from daemon.desks import DeskRefused, NotHere, Unavailable
from daemon.desks.tasks import KnownParameter, NamedTask, TaskOrder
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.queue_rows import site_queues
from daemon.settings.problems import did_you_mean
from shim.client import Client
from shim.control import methods, registered_names
from shim.errors import RequestInvalid, ShimError
from shim.queues import consumers_by_queue

ASK_LIMIT_S = 1.5
NAMES_KEPT_S, QUEUES_KEPT_S = 30.0, 2.0
T = TypeVar("T")
_NO_DEFAULT = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")


class TaskNotKnown(DeskRefused):
    """Nobody knows a task of that name."""

    code = "task-not-known"


class QueueNotKnown(DeskRefused):
    """Nobody knows a queue of that name."""

    code = "queue-not-known"


class TaskInvalid(DeskRefused):
    """No worker could take it."""

    code = "task-invalid"


class NoWorker(Unavailable):
    """No worker takes from the queue."""

    code = "no-worker"


class _Kept(Generic[T]):
    """An answer that is asked for anew after a while; whoever comes meanwhile waits for the same one."""

    def __init__(self, clock: Clock, kept_s: float) -> None:
        self._clock = clock
        self._kept_s = kept_s
        self._found: tuple[float, T] | None = None
        self._turn = anyio.Lock()

    async def get(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            now_s = self._clock.monotonic_s()
            if self._found is not None and now_s - self._found[0] < self._kept_s:
                return self._found[1]
            try:
                answer = await ask()
            except ShimError as error:
                raise Unavailable(str(error), hint=error.hint) from None
            self._found = (self._clock.monotonic_s(), answer)
            return answer


class TaskNames:
    """What is known of names; workers are asked no more often than every few seconds, however many callers there are."""

    def __init__(self, side: CelerySide, clock: Clock) -> None:
        """Keep the site."""
        self._side = side
        self._registered: _Kept[frozenset[str]] = _Kept(clock, NAMES_KEPT_S)
        self._consumers: _Kept[Mapping[str, tuple[str, ...]]] = _Kept(clock, QUEUES_KEPT_S)

    async def listed(self, client: Client) -> tuple[list[NamedTask], bool]:
        """List the tasks that are known, and say whether those are all.

        Raises:
            Unavailable: workers could not be asked.
        """
        registered = await self._names(client)
        found = sorted({*self._side.tasks, *registered})
        return [self._named(client, name) for name in found], bool(found)

    async def check(self, client: Client, order: TaskOrder) -> tuple[str, ...]:
        """Refuse names nobody knows; give the queues the task goes to.

        Raises:
            DeskRefused, Unavailable: see ``TaskDesk.check``.
        """
        if order.task not in self._side.tasks:
            known = {*self._side.tasks, *await self._names(client)}
            if known and order.task not in known:
                message = f'nobody knows a task "{order.task}"'
                raise TaskNotKnown(message, hint=did_you_mean(order.task, sorted(known)), field="name")
        queue = order.options.get("queue")
        if queue is not None:
            await self._check_queue(client, str(queue))
        try:
            queues = client.queues_of(order.task, None if queue is None else str(queue))
        except RequestInvalid as error:
            if not client.router.asks_app(order.task):
                raise TaskInvalid(str(error), hint=error.hint) from None
            queues = ()
        if order.is_served and queues:
            await self._check_served(client, queues)
        return queues

    async def _check_queue(self, client: Client, queue: str) -> None:
        known = {one.name for one in client.router.queues}
        if queue in known:
            return
        known |= site_queues(client, [(name, None) for name in self._side.tasks if not client.router.asks_app(name)])
        consumed = await self._taken(client) if client.has_control else {}
        if queue not in known and queue not in consumed and consumed:
            message = f'no worker takes from a queue "{queue}", and no setting names one'
            hint = did_you_mean(queue, sorted({*known, *consumed})) or "start a worker with -Q for it"
            raise QueueNotKnown(message, hint=hint, field="queue")

    async def _check_served(self, client: Client, queues: Sequence[str]) -> None:
        if not client.has_control:
            message = "on this broker nobody can tell whether a worker takes from a queue"
            raise NotHere(message)
        consumed = await self._taken(client)
        unserved = [queue for queue in queues if not consumed.get(queue)]
        if unserved:
            message = f'no worker takes from the queue "{unserved[0]}"'
            raise NoWorker(message, hint=f"celery -A … worker -Q {unserved[0]}; nothing was sent")

    async def _names(self, client: Client) -> frozenset[str]:
        async def ask() -> frozenset[str]:
            answers = await client.control.call(methods.registered(), timeout_s=ASK_LIMIT_S)
            return frozenset(name for names in registered_names(answers).values() for name in names)

        if not client.has_control:
            return frozenset()
        return await self._registered.get(ask)

    async def _taken(self, client: Client) -> Mapping[str, tuple[str, ...]]:
        async def ask() -> Mapping[str, tuple[str, ...]]:
            answers = await client.control.call(methods.active_queues(), timeout_s=ASK_LIMIT_S)
            return consumers_by_queue(answers.by_node)

        return await self._consumers.get(ask)

    def _named(self, client: Client, name: str) -> NamedTask:
        try:
            queues = client.queues_of(name)
        except RequestInvalid:
            queues = ()
        known = self._side.tasks.get(name)
        given = None if known is None else known.parameters
        parameters = (
            None
            if given is None
            else tuple(KnownParameter(one.name, not one.has_default and one.kind in _NO_DEFAULT) for one in given)
        )
        return NamedTask(name, queues, parameters)
