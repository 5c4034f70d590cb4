"""The workers of a site: looked at, and told what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.clock import Clock, instant
from daemon.desks import (
    Commanded,
    NodeDetail,
    NodeRow,
    Nodes,
    NodeState,
    NotNow,
    NotThere,
    Unserved,
    WorkerAction,
)
from daemon.dispatch.broker_words import asking_broker, needs_control
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.commands import command_of, in_words
from daemon.dispatch.node_rows import Known, consumers_of, node_detail, node_rows, versions_of
from daemon.dispatch.site_queues import SiteQueues
from daemon.dispatch.worker_looks import Look, WorkerLooks
from shim.control import only
from shim.events import Worker

PATIENCE_S = 4.0


class WorkerRefused(NotNow):
    """A worker says that it cannot."""

    code = "worker-refused"


class WorkerSilent(NotNow):
    """A worker does not answer."""

    code = "worker-silent"


class SiteWorkerDesk:
    """What can be asked and told; see ``daemon.desks.WorkerDesk``."""

    def __init__(
        self, line: CeleryLine, looks: WorkerLooks, queues: SiteQueues, clock: Clock, *, app: str = "APP"
    ) -> None:
        """Keep the collaborators; ``app`` is what stands behind ``celery -A`` on this site."""
        self._line = line
        self._looks = looks
        self._queues = queues
        self._clock = clock
        self._app = app

    async def nodes(self) -> Nodes:
        """Describe every worker in a line."""
        look = await self._looks.everyone()
        needed = frozenset(name for name, fed in (await self._queues.fed()).items() if fed.entries or fed.feeds)
        consumers = consumers_of(look.answers["active_queues"])
        rows = node_rows(look.answers, await self._known(needed, look), self._now())
        idle = sorted(needed - consumers.keys())
        unserved = tuple(Unserved(queue, f"celery -A {self._app} worker -Q {queue}") for queue in idle)
        return Nodes(rows, unserved, instant(look.at_us), look.is_complete, self._line.state.listening_since_at)

    async def detail(self, name: str) -> NodeDetail:
        """Describe one worker."""
        row = await self._row(name)
        look = await self._looks.one(name)
        needed = frozenset(row.required_for)
        [own, *_] = [
            one for one in node_rows(look.answers, await self._known(needed, look), self._now()) if one.name == name
        ] or [row]
        return node_detail(name, own, look.answers, instant(look.at_us))

    async def plan(self, name: str, action: WorkerAction, arguments: Mapping[str, Any]) -> Commanded:
        """Say what a command would do."""
        row = await self._row(name)
        async with asking_broker():
            command_of(action, arguments)
        return Commanded(name, action, is_done=False, what=in_words(name, action, arguments),
                         warnings=await self._warnings(row, action, arguments))  # fmt: skip

    async def command(self, name: str, action: WorkerAction, arguments: Mapping[str, Any]) -> Commanded:
        """Tell a worker."""
        planned = await self.plan(name, action, arguments)
        async with asking_broker():
            command = command_of(action, arguments)
            if action is WorkerAction.SHUTDOWN:
                await self._line.client.control.cast(command, only(name), timeout_s=PATIENCE_S)
                answer: str | None = None
            else:
                answers = await self._line.client.control.call(command, only(name), timeout_s=PATIENCE_S)
                answer = self._said(name, answers.by_node, answers.errors)
        self._looks.forget()
        return Commanded(name, action, is_done=True, what=planned.what, answer=answer, warnings=planned.warnings)

    async def consumers(self) -> Mapping[str, Sequence[str]]:
        """Name the workers that take from each queue."""
        return consumers_of((await self._looks.everyone()).answers["active_queues"])

    def _said(self, name: str, said: Mapping[str, Any], errors: Mapping[str, str]) -> str | None:
        if name in errors:
            message = f"{name} refused: {errors[name][:500]}"
            raise WorkerRefused(message)
        if name not in said:
            message = f"{name} did not answer within {PATIENCE_S:g} s"
            raise WorkerSilent(message, hint="look at it again before telling it once more: it may have heard")
        value = said[name]
        text = value.get("ok") if isinstance(value, dict) else None
        return text if isinstance(text, str) else None

    async def _row(self, name: str) -> NodeRow:
        for row in (await self.nodes()).rows:
            if row.name == name:
                return row
        message = f"there is no worker {name}"
        raise NotThere(message, hint="GET /api/nodes lists those that answered or were heard of")

    async def _known(self, needed: frozenset[str], look: Look) -> Known:
        needs_control(self._line.client)
        state = self._line.state
        workers: tuple[Worker, ...] = state.workers(self._now())
        told = {one.hostname for one in workers if one.sw_ver}
        # Events tell the version; where they are not followed, each worker is asked for a report now and then.
        versions = {} if told.issuperset(look.names) else versions_of((await self._looks.slow()).answers["report"])
        return Known(workers, state.failures_by_worker(), versions, needed, look.is_complete)

    async def _warnings(self, row: NodeRow, action: WorkerAction, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        found = []
        if row.state is not NodeState.ONLINE:
            found.append(f"{row.name} does not answer at present")
        if row.is_doubled:
            found.append("two workers bear this name, and both will do it")
        takes = row.queues if action is WorkerAction.SHUTDOWN else ()
        if action is WorkerAction.CANCEL_CONSUMER:
            takes = (str(arguments.get("queue")),)
        consumers = await self.consumers()
        alone = [queue for queue in takes if list(consumers.get(queue, ())) == [row.name]]
        if alone:
            found.append(f"nobody else takes from {', '.join(alone)}")
        if action is WorkerAction.POOL_RESTART and (row.active or row.reserved):
            found.append("it holds tasks: a stock worker may lose one over this")
        if action is WorkerAction.TIME_LIMIT:
            found.append("a stock worker heeds it only after a pool restart, or a new connection to the broker")
        return tuple(found)

    def _now(self) -> Any:
        return instant(self._clock.now_us())
