"""Tasks of a site, as the API asks for them: over the one Celery client of the daemon."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import anyio
import anyio.lowlevel

from daemon.clock import Clock, instant
from daemon.desks import NotHere, Unavailable
from daemon.desks.tasks import (
    Listing,
    NamedTask,
    Origin,
    Outcome,
    Seen,
    SentRecord,
    Standing,
    TaskFilter,
    TaskOrder,
)
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.task_listing import listing
from daemon.dispatch.task_names import TaskInvalid, TaskNames
from daemon.dispatch.task_origins import API, TaskOrigins
from daemon.dispatch.task_store import TaskStore, new_task_id
from daemon.dispatch.task_values import outcome_of, seen_of
from daemon.errors import BrokerDown, DaemonError
from daemon.keys import requested_id
from daemon.public import Public
from shim.client.conf import foreign_results
from shim.control import methods
from shim.errors import BrokerUnavailable, RequestInvalid, ShimError

SEND_LIMIT_S = 4.0
ASK_LIMIT_S = 4.5
LOOK_EVERY_S = 1.0
"""How often results are looked at that no one tells of."""

ROUTES_KEPT = SENT_KEPT = 10_000


class SiteTaskDesk:
    """A service: looks up results while it runs. Implements ``TaskDesk``."""

    name = Public("task-desk")

    def __init__(self, line: CeleryLine, side: CelerySide, site: str, origins: TaskOrigins, clock: Clock) -> None:
        """Keep the collaborators; nothing is opened."""
        self._line = line
        self._side = side
        self._clock = clock
        self._site = site
        self._origins = origins
        self._names = TaskNames(side, clock)
        self._store = TaskStore(side.conf, site)
        self._sent: OrderedDict[str, Origin] = OrderedDict()
        self._route_of = lru_cache(ROUTES_KEPT)(self._routed)
        self._stop = anyio.Event()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take nothing: the broker may be away."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Look up until drained."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._store.run)
            await self._stop.wait()
            tasks.cancel_scope.cancel()

    async def drain(self) -> None:
        """Look up no more."""
        self._stop.set()

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def remembered_s(self) -> float:
        """Say how long a result is kept; see ``TaskDesk``."""
        return self._store.remembered_s

    @property
    def keeps_results(self) -> bool:
        """Say whether this site keeps results; see ``TaskDesk``."""
        return self._store.reads_results or foreign_results(self._side.conf) is not None

    async def standing(self, task_id: str) -> Standing:
        """Say what is known of a task; see ``TaskDesk``."""
        outcome, sent = await self._store.find(task_id)
        if outcome is None and not self._store.reads_results:
            outcome = await self._foreign(task_id)
        seen = self.heard(task_id)
        origin = None if sent is None else Origin(API, sent.by)
        found = Standing(task_id, outcome, seen, sent, origin)
        if origin is None and found.name is not None:
            return replace(found, origin=self._origins.likely(task_id, found.name))
        return found

    def heard(self, task_id: str) -> Seen | None:
        """Say what the event stream has told; see ``TaskDesk``."""
        record = self._line.state.record(task_id)
        return None if record is None else seen_of(record, self._queue_of)

    def requested_id(self, who: str, key: str) -> str:
        """Give the id of a task under an idempotency key; see ``TaskDesk``."""
        return requested_id(self._site, who, key)

    async def origin(self, task_id: str, near: datetime | None) -> Origin | None:
        """Look in the history where a task came from; see ``TaskDesk``."""
        return await self._origins.exact(task_id, near or instant(self._clock.now_us()))

    async def listing(self, wanted: TaskFilter, *, before: int | None, limit: int) -> Listing:
        """List what the event stream told; see ``TaskDesk``."""
        steps = listing(
            self._line.state,
            wanted,
            before=before,
            limit=limit,
            origin_of=self._origin_of,
            queue_of=self._queue_of,
        )
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: Listing = done.value
                return found
            await anyio.lowlevel.checkpoint()

    async def names(self) -> tuple[Sequence[NamedTask], bool]:
        """List the tasks that are known; see ``TaskDesk``."""
        return await self._names.listed(self._line.client)

    # -- sending -------------------------------------------------------------------------------------------------------

    async def check(self, order: TaskOrder) -> tuple[str, ...]:
        """Say to which queues a task would go; see ``TaskDesk``."""
        return await self._names.check(self._line.client, order)

    async def send(self, order: TaskOrder) -> tuple[str, tuple[str, ...]]:
        """Send a task; see ``TaskDesk``. That it was sent is kept first: nobody shall wait for an id that nobody knows."""
        client = self._line.client
        task_id = order.task_id or new_task_id()
        queues = await self.check(order)
        record = SentRecord(order.who, order.by, order.task, queues, instant(self._clock.now_us()), order.print)
        await self._store.keep(task_id, record)
        try:
            sent = await client.send(
                order.task, order.args, order.kwargs, task_id=task_id, timeout_s=SEND_LIMIT_S, **order.options
            )
        except RequestInvalid as error:
            await self._store.drop(task_id)
            raise TaskInvalid(str(error), hint=error.hint) from None
        except BrokerUnavailable as error:
            await self._dropped(task_id)
            raise Unavailable(str(error), hint=error.hint) from None
        except ShimError as error:
            raise Unavailable(str(error), hint=error.hint) from None
        self._sent[task_id] = Origin(API, order.by)
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)
        await self._store.keep(task_id, replace(record, queues=sent.queues or queues, is_sent=True))
        return task_id, sent.queues or queues

    async def _dropped(self, task_id: str) -> None:
        try:
            await self._store.drop(task_id)
        except DaemonError:
            return  # it is forgotten with its result, which never comes

    async def wait(self, task_id: str, within_s: float) -> Outcome | None:
        """Wait for the end of a task; see ``TaskDesk``."""
        client = self._line.client
        if client.results is None:
            raise NotHere(_NO_RESULTS, hint=_RESULTS_HINT)
        try:
            meta = await client.wait(task_id, timeout_s=within_s)
        except ShimError as error:
            raise Unavailable(str(error), hint=error.hint) from None
        return None if meta is None else outcome_of(meta)

    async def updates(self, task_id: str) -> AsyncGenerator[Outcome, None]:
        """Give each change of what is stored; see ``TaskDesk``."""
        client = self._line.client
        if client.results is None:
            raise NotHere(_NO_RESULTS, hint=_RESULTS_HINT)
        if not self._store.reads_results:
            async for outcome in self._looks(task_id):
                yield outcome
            return
        try:
            async with aclosing(client.waiter.updates(task_id)) as metas:
                async for meta in metas:
                    yield outcome_of(meta)
        except ShimError as error:
            raise Unavailable(str(error), hint=error.hint) from None

    async def revoke(self, task_id: str, *, terminate: bool, signal: str) -> None:
        """Have workers not run a task; see ``TaskDesk``."""
        client = self._line.client
        if not client.has_control:
            message = "workers cannot be told anything over this broker"
            raise NotHere(message, hint="Redis, Valkey and RabbitMQ carry commands")
        try:
            command = methods.revoke([task_id], terminate=terminate, signal=signal)
        except RequestInvalid as error:
            raise TaskInvalid(str(error), hint=error.hint) from None
        try:
            with anyio.fail_after(ASK_LIMIT_S):
                await client.control.cast(command)
        except ShimError as error:
            raise Unavailable(str(error), hint=error.hint) from None
        except TimeoutError:
            message = "the broker does not answer"
            raise BrokerDown(message) from None

    # -- parts ---------------------------------------------------------------------------------------------------------

    async def _foreign(self, task_id: str) -> Outcome | None:
        client = self._line.client
        if client.results is None:
            return None
        try:
            with anyio.fail_after(ASK_LIMIT_S):
                meta: Any = (await client.fetch([task_id])).get(task_id)
        except ShimError as error:
            raise Unavailable(str(error), hint=error.hint) from None
        except TimeoutError:
            message = "the result back-end does not answer"
            raise Unavailable(message) from None
        return None if meta is None else outcome_of(meta)

    async def _looks(self, task_id: str) -> AsyncGenerator[Outcome, None]:
        last: Outcome | None = None
        while last is None or not last.is_over:
            outcome = await self._foreign(task_id)
            if outcome is not None and outcome != last:
                last = outcome
                yield outcome
            else:
                await anyio.sleep(LOOK_EVERY_S)

    def _origin_of(self, task_id: str, name: str | None) -> Origin | None:
        return self._sent.get(task_id) or self._origins.likely(task_id, name)

    def _queue_of(self, name: str) -> str | None:
        return self._route_of(name) if self._line.is_open else None

    def _routed(self, name: str) -> str | None:
        try:
            queues = self._line.client.queues_of(name)
        except (ShimError, DaemonError):
            return None
        return queues[0] if queues else None


_NO_RESULTS = "this site keeps no results"
_RESULTS_HINT = "set result_backend as on the workers"
