"""What workers and the result back-end tell of tasks: events as they come, results when looked up, workers when asked.

Of a result only its state, its instants and the name of an exception's class are read; of an event not even that name.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

import anyio

from daemon.clock import Clock, instant
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.kept_results import REPLIES, KeptResults
from daemon.dispatch.sightings import sighting_of_meta, sighting_of_task
from daemon.errors import BrokerDown
from daemon.scheduler.ports import Holders, Sighting, Wanted, WorkerSign
from shim.client import Client, open_client
from shim.client.conf import BrokerKind, foreign_results, redis_results
from shim.control import found_tasks, methods, worker_stats
from shim.errors import RequestInvalid, ShimError
from shim.events import EventState, read_message
from shim.results import Results

ASK_LIMIT_S = 1.5
POOLS_EVERY_S = 10.0
GATHER_S = 0.05
LISTENED_LIMIT = 1000
LISTEN_S = 86_400.0
HEARD_LIMIT = 10_000


class RunWatch:
    """Looks at the tasks of one site."""

    def __init__(self, side: CelerySide, clock: Clock) -> None:
        """Read the addresses; nothing is opened.

        Raises:
            BrokerUrlInvalid: an address that cannot be spoken to.
        """
        self._side = side
        self._clock = clock
        self._results = KeptResults(side.conf)
        foreign = foreign_results(side.conf)
        is_foreign = foreign is not None and foreign.partition("://")[0] not in REPLIES
        self.keeps_results = redis_results(side.conf) is not None or is_foreign
        self._client: Client | None = None
        self._state = EventState(tasks_limit=HEARD_LIMIT)
        self._cursor = 0
        self._hears_tasks = False
        self._results_heard: deque[Sighting] = deque(maxlen=HEARD_LIMIT)
        self._listened: set[str] = set()
        self._to_listen: deque[str] = deque(maxlen=LISTENED_LIMIT)
        self._pools: dict[str, bool] = {}
        self._news, self._listening = anyio.Event(), anyio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            async with open_client(
                self._side.conf, client_name="carillon-runs", now=lambda: instant(self._clock.now_us())
            ) as client:
                self._client = client
                async with anyio.create_task_group() as tasks:
                    if client.kind is BrokerKind.REDIS:
                        tasks.start_soon(self._follow_events, client)
                    elif client.kind is BrokerKind.AMQP:
                        tasks.start_soon(self._follow_amqp_events)
                    if client.has_control:
                        tasks.start_soon(self._learn_pools, client)
                    if isinstance(client.results, Results):
                        tasks.start_soon(self._follow_results, client)
                    await anyio.sleep_forever()
        finally:
            self._client = None
            self._listened.clear()
            with anyio.CancelScope(shield=True):
                await self._results.close()

    # -- hearing -------------------------------------------------------------------------------------------------------

    async def news(self) -> None:
        """Wait until something was heard."""
        await self._news.wait()

    def heard(self) -> list[Sighting]:
        """Give what was heard since the last call; it may be of any task."""
        self._news = anyio.Event()
        found = list(self._results_heard)
        self._results_heard.clear()
        changes = self._state.changes(self._cursor, self._now(), limit=HEARD_LIMIT)
        self._cursor = changes.cursor
        told = [seen for task in reversed(changes.tasks) if (seen := sighting_of_task(task)) is not None]
        self._hears_tasks = self._hears_tasks or bool(told)
        return found + told

    def heard_of(self, task_id: str) -> Sighting | None:
        """Give what is remembered of one task."""
        task = self._state.task(task_id)
        return None if task is None else sighting_of_task(task)

    def hears_tasks(self) -> bool:
        """Say whether workers tell of their tasks as they run them."""
        return self._hears_tasks

    def will_tell(self, task: str) -> bool:
        """Say whether the end of a task is told: by its stored result, or by its worker."""
        if self._hears_tasks or not self.keeps_results:
            return self._hears_tasks
        ignores = self._side.options_of(task).get("ignore_result")
        return not (self._side.conf.get("task_ignore_result") if ignores is None else ignores)

    def sign_of(self, worker: str) -> WorkerSign:
        """Say when a worker was last heard; of an empty name nothing."""
        if not worker:
            return WorkerSign()
        now = self._now()
        found = self._state.worker(worker, now)
        if found is None or found.heard_at is None:
            return WorkerSign(beats_at_work=self._pools.get(worker))
        has_left = found.offline_at is not None and (found.online_at is None or found.offline_at >= found.online_at)
        silent_s = max((now - found.heard_at).total_seconds(), 0.0)
        return WorkerSign(silent_s, has_left and not found.is_alive, self._pools.get(worker), found.pid)

    def listen_for(self, task_id: str) -> None:
        """Have the result of a task heard as soon as it is stored; forgotten after a day."""
        if task_id not in self._listened:
            self._to_listen.append(task_id)
            self._listening.set()

    async def _follow_events(self, client: Client) -> None:
        receiver = client.events(self._state)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            while True:
                await receiver.changed(self._cursor)
                self._news.set()
                await anyio.sleep(GATHER_S)

    async def _follow_amqp_events(self) -> None:
        # Here, because they need an extra that Redis does not.
        from shim.amqp import AmqpEventWire  # noqa: PLC0415
        from shim.client.amqp_carrier import amqp_connector  # noqa: PLC0415

        def receive(payload: bytes) -> None:
            self._state.take(read_message(payload), self._now())
            self._news.set()

        connector = amqp_connector(self._side.conf, client_name="carillon-runs")
        await AmqpEventWire(connector, receive, node_id=str(uuid.uuid4())).run()

    async def _follow_results(self, client: Client) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                while self._to_listen:
                    task_id = self._to_listen.popleft()
                    if task_id not in self._listened and len(self._listened) < LISTENED_LIMIT:
                        self._listened.add(task_id)
                        tasks.start_soon(self._await_result, client, task_id)
                self._listening = anyio.Event()
                await self._listening.wait()

    async def _await_result(self, client: Client, task_id: str) -> None:
        try:
            meta = await client.waiter.ready(task_id, LISTEN_S)
        except ShimError:
            return  # looked up now and then all the same
        finally:
            self._listened.discard(task_id)
        seen = None if meta is None else sighting_of_meta(meta)
        if seen is not None:
            self._results_heard.append(seen)
            self._news.set()

    async def _learn_pools(self, client: Client) -> None:
        """Find out whose heart beats while it works: of all pools but ``solo``."""
        while True:
            known = {worker.hostname for worker in self._state.workers(self._now()) if worker.is_alive}
            if known - self._pools.keys():
                try:
                    answers = await client.control.call(methods.stats(), timeout_s=ASK_LIMIT_S)
                except ShimError:
                    pass  # asked again
                else:
                    for name, stats in worker_stats(answers).items():
                        if stats.pool is not None:
                            self._pools[name] = "solo" not in stats.pool
                self._pools = {name: self._pools[name] for name in self._pools if name in known}
            await anyio.sleep(POOLS_EVERY_S)

    # -- looking up and asking -----------------------------------------------------------------------------------------

    async def stored(self, task_ids: Sequence[str]) -> dict[str, Sighting]:
        """Look up results.

        Raises:
            BrokerDown: the back-end does not answer.
        """
        try:
            metas = await self._results.fetch(task_ids)
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None
        return {task_id: seen for task_id, meta in metas.items() if (seen := sighting_of_meta(meta)) is not None}

    async def held(self, wanted: Sequence[Wanted]) -> Holders:
        """Ask all workers which of the tasks they hold.

        Raises:
            BrokerDown: the broker does not answer.
        """
        client = self._client
        if client is None or not client.has_control:
            return Holders()
        try:
            answers = await client.control.call(
                methods.query_task(*(one.task_id for one in wanted)), timeout_s=ASK_LIMIT_S
            )
            by_task, running = {}, set()
            for worker, rows in found_tasks(answers).items():
                for task_id, (state, _) in rows.items():
                    if state != "ready":
                        by_task[task_id] = worker
                    if state == "active":
                        running.add(task_id)
            unqueued = await self._unqueued(client, [one for one in wanted if one.task_id not in by_task])
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None
        return Holders(by_task, frozenset(running), frozenset(answers.by_node), answers.is_complete, unqueued)

    async def _unqueued(self, client: Client, wanted: Sequence[Wanted]) -> frozenset[str]:
        queues: dict[str, tuple[str, ...]] = {}
        for one in wanted:
            try:
                queues[one.task_id] = client.queues_of(one.task, one.queue or None) if one.task else ()
            except RequestInvalid:
                queues[one.task_id] = ()  # a function of the application decides
        names = sorted({name for found in queues.values() for name in found})
        if not names:
            return frozenset()
        backlogs = await client.queues.backlogs(names)
        waiting = {name for name, one in backlogs.by_queue.items() if one.waiting or one.blocked_keys}
        return frozenset(one for one, found in queues.items() if found and waiting.isdisjoint(found))

    def _now(self) -> datetime:
        return instant(self._clock.now_us()).astimezone(UTC)
