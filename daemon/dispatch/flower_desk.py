"""What Flower knows and does, over the site's own Celery client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from anyio import to_thread

from daemon.clock import Clock, instant
from daemon.desks import BadRequest, FlowerResult, FlowerSending, FlowerTask, NotHere, TaskWanted
from daemon.dispatch.broker_words import asking_broker, needs_control
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.flower_tasks import chosen, read_record, result_text, result_value, with_children
from daemon.dispatch.node_rows import answers_by_node, consumers_of, task_names
from daemon.dispatch.worker_looks import WorkerLooks
from shim.control import Command, methods, only
from shim.errors import RequestInvalid
from shim.results import Results, TaskMeta
from shim.results.marking import mark_aborted

PENDING = "PENDING"
PATIENCE_S = 4.0
METAS_LIMIT = 500
"""Tasks of a list whose results are read too."""

EXPIRES_S = 86_400
TASKS_LIMIT = 10_000
"""Names of tasks that are remembered beyond a look."""

_LIST = ("stats", "active_queues", "registered")
_ONE = (*_LIST, "active", "reserved", "scheduled", "revoked", "conf")


class SiteFlowerDesk:
    """See ``daemon.desks.FlowerDesk``."""

    def __init__(self, line: CeleryLine, looks: WorkerLooks, clock: Clock, tasks: Iterable[str] = ()) -> None:
        """Keep the collaborators; ``tasks`` are those the application is known to have."""
        self._line = line
        self._looks = looks
        self._clock = clock
        self._tasks = set(tasks)

    # -- looking -------------------------------------------------------------------------------------------------------

    async def tasks(self, wanted: TaskWanted) -> Sequence[FlowerTask]:
        """List tasks; a hundred thousand are gone through beside the loop."""
        return await to_thread.run_sync(chosen, self._line.state.all_records(), wanted)

    async def task(self, task_id: str) -> FlowerTask | None:
        """Give one task."""
        record = self._line.state.record(task_id)
        if record is None:
            return None
        task = read_record(record)
        [found] = await to_thread.run_sync(with_children, [task], self._line.state.all_records())
        return found

    def task_types(self) -> Sequence[str]:
        """Name the tasks the event stream told of."""
        return sorted(self._line.state.counts_by_name())

    async def stored(self, task_ids: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Give results and tracebacks as texts, of the first five hundred."""
        if not self.keeps_results or not task_ids:
            return {}
        async with asking_broker():
            metas = await self._line.client.fetch(list(task_ids)[:METAS_LIMIT])
        return {task_id: (result_text(meta), meta.traceback) for task_id, meta in metas.items()}

    async def workers(self, name: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Give what workers answer."""
        if name is not None:
            look = await self._looks.one(name)
            found = answers_by_node(look.answers, _ONE)
        else:
            look = await self._looks.everyone()
            found = answers_by_node(look.answers, _LIST)
            settings = answers_by_node((await self._looks.slow()).answers, ("conf",))
            found = {node: {**told, **settings.get(node, {})} for node, told in found.items()}
        return {node: {**_plain(told), "timestamp": look.at_us / 1e6} for node, told in found.items()}

    async def alive(self) -> Mapping[str, bool]:
        """Say which workers are alive."""
        needs_control(self._line.client)
        if self._line.receiver is None:
            return dict.fromkeys((await self._looks.everyone()).names, True)
        return {one.hostname: one.is_alive for one in self._line.state.workers(instant(self._clock.now_us()))}

    async def knows_task(self, task: str) -> bool:
        """Say whether the application or a worker knows a task of this name; where not all have answered, they are asked again."""
        for _ in range(2):
            if task in self._tasks:
                return True
            look = await self._looks.everyone()
            names = task_names(look.answers["registered"])
            if len(self._tasks) < TASKS_LIMIT:
                self._tasks |= names
            if task in names or look.is_complete:
                return task in names
            self._looks.forget()
        return False

    async def queue_lengths(self) -> Sequence[tuple[str, int]]:
        """Count what waits."""
        client = self._line.client
        names = sorted(consumers_of((await self._looks.everyone()).answers["active_queues"]))
        if not names:
            names = sorted({queue.name for queue in client.router.queues})
        async with asking_broker():
            found = await client.queues.backlogs(names)
        return [(name, found.by_queue[name].waiting) for name in names]

    # -- steering ------------------------------------------------------------------------------------------------------

    async def tell(self, worker: str, method: str, arguments: Mapping[str, Any]) -> tuple[bool, str]:
        """Tell a worker something; says whether it did it, and its words."""
        needs_control(self._line.client)
        try:
            command: Command = getattr(methods, method)(**arguments)
            whom = only(worker)
        except RequestInvalid as error:
            raise BadRequest(str(error), hint=error.hint) from None
        async with asking_broker():
            if method == "shutdown":
                await self._line.client.control.cast(command, whom, timeout_s=PATIENCE_S)
                self._looks.forget()
                return True, "Shutting down!"
            answers = await self._line.client.control.call(command, whom, timeout_s=PATIENCE_S)
        self._looks.forget()
        if worker in answers.errors:
            return False, answers.errors[worker][:500]
        said = answers.by_node.get(worker)
        text = said.get("ok") if isinstance(said, dict) else None
        return (True, str(text)) if text is not None else (False, "Unknown reason")

    async def revoke(self, task_id: str, *, terminate: bool, signal: str) -> None:
        """Have a task not run."""
        needs_control(self._line.client)
        try:
            command = methods.revoke(task_id, terminate=terminate, signal=signal)
        except RequestInvalid as error:
            raise BadRequest(str(error), hint=error.hint) from None
        async with asking_broker():
            await self._line.client.control.cast(command)

    # -- sending and results -------------------------------------------------------------------------------------------

    async def send(self, sending: FlowerSending) -> str:
        """Send a task."""
        try:
            async with asking_broker():
                sent = await self._line.client.send(
                    sending.task, sending.args, sending.kwargs, timeout_s=4.0, **sending.options
                )
        except TypeError:
            message = "invalid options"
            raise BadRequest(message) from None
        return sent.task_id

    @property
    def keeps_results(self) -> bool:
        """Say whether the application keeps results."""
        return self._line.client.results is not None

    async def result(self, task_id: str, *, within_s: float = 0.0) -> FlowerResult:
        """Give what is stored of a task."""
        client = self._line.client
        meta: TaskMeta | None = None
        if within_s > 0:
            meta = await client.wait(task_id, timeout_s=within_s)
        if meta is None:
            async with asking_broker():
                meta = (await client.fetch([task_id])).get(task_id)
        if meta is None:
            return FlowerResult(task_id, PENDING, is_ready=False)
        record = self._line.state.record(task_id)
        name = meta.name or (record.name if record is not None else None) or None
        return FlowerResult(task_id, meta.state, meta.is_ready, name, result_value(meta), meta.traceback)

    async def abort(self, task_id: str) -> None:
        """Mark a task as aborted."""
        results = self._line.client.results
        if not isinstance(results, Results):
            message = "results are not kept in Redis, so a task cannot be marked as aborted"
            raise NotHere(message)
        async with asking_broker():
            await mark_aborted(results, task_id, expires_s=_seconds(self._line.client.conf.get("result_expires")))


def _seconds(expires: Any) -> int:
    if isinstance(expires, timedelta):
        return int(expires.total_seconds())
    return int(expires) if isinstance(expires, (int, float)) else EXPIRES_S


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the other addresses of the broker: a worker tells them with their passwords."""
    found = dict(told)
    stats: Any = found.get("stats")
    broker = stats.get("broker") if isinstance(stats, dict) else None
    if isinstance(broker, dict) and "alternates" in broker:
        found["stats"] = {**stats, "broker": {name: value for name, value in broker.items() if name != "alternates"}}
    return found
