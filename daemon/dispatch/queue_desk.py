"""The queues of a site: looked into, emptied, held."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
from anyio import to_thread

from daemon.clock import Clock, instant
from daemon.desks import (
    Consuming,
    NotNow,
    NotThere,
    ParkedPurge,
    QueueDetail,
    QueueHold,
    QueueLine,
    QueueLines,
    QueueMove,
    QueuePurge,
    QueueRestored,
    WaitingBody,
    WaitingMessage,
)
from daemon.dispatch.broker_words import asking_broker, needs_control, needs_redis
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.node_rows import consumers_of
from daemon.dispatch.queue_lines import Around, parked_purges, queue_line, waiting_message
from daemon.dispatch.queue_watch import QueueWatch
from daemon.dispatch.site_queues import SiteQueues
from daemon.dispatch.worker_looks import WorkerLooks
from daemon.plural import counted
from shim.client import BrokerKind
from shim.control import Command, methods, only
from shim.queues import Parked, read_body

FRESH_S = 1.0
KEPT = timedelta(hours=24)
OPEN_LIMIT = 200
"""Messages next in line among which one is looked for to be opened."""

PATIENCE_S = 4.0
HOLDS_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class _Seen:
    at_s: float
    lines: QueueLines
    parked: Sequence[Parked]


class SiteQueueDesk:
    """What can be asked of queues, and done to them; see ``daemon.desks.QueueDesk``."""

    def __init__(
        self, line: CeleryLine, looks: WorkerLooks, queues: SiteQueues, watch: QueueWatch, clock: Clock
    ) -> None:
        """Keep the collaborators."""
        self._line = line
        self._looks = looks
        self._queues = queues
        self._watch = watch
        self._clock = clock
        self._holds: dict[str, QueueHold] = {}
        self._lock = anyio.Lock()
        self._seen: _Seen | None = None

    # -- looking -------------------------------------------------------------------------------------------------------

    async def lines(self) -> QueueLines:
        """Describe every queue in a line; looked at once a second, however many ask."""
        return (await self._look()).lines

    async def detail(self, name: str) -> QueueDetail:
        """Describe one queue."""
        line = await self._line_of(name)
        seen = await self._look()
        minutes = self._watch.history.minutes(name, seen.lines.asked_at)
        held = self._holds.get(name) if line.is_held else None
        return QueueDetail(line, minutes, parked_purges(seen.parked, name), held)

    async def peek(self, name: str, limit: int) -> Sequence[WaitingMessage]:
        """Show the next messages."""
        needs_redis(self._line.client, "show messages without taking them")
        await self._line_of(name)
        async with asking_broker():
            found = await self._line.client.queues.peek(name, limit)
        return [waiting_message(one, self._now()) for one in found]

    async def open(self, name: str, task_id: str) -> WaitingBody:
        """Open one waiting message."""
        needs_redis(self._line.client, "show messages without taking them")
        async with asking_broker():
            found = await self._line.client.queues.peek(name, OPEN_LIMIT)
        for one in found:
            if one.task_id == task_id:
                body = await to_thread.run_sync(read_body, one.raw)
                return WaitingBody(name, task_id, one.task, body.args, body.kwargs, not body.why, body.why)
        message = f"no message of this id is among the next {OPEN_LIMIT} of {name}"
        raise NotThere(message, hint="a worker may have taken it; GET /api/tasks/ID tells")

    async def _look(self) -> _Seen:
        async with self._lock:
            seen = self._seen
            if seen is None or self._clock.monotonic_s() - seen.at_s >= FRESH_S:
                seen = self._seen = await self._looked()
            return seen

    async def _looked(self) -> _Seen:
        client = self._line.client
        needs_control(client)
        look = await self._looks.everyone()
        consumers = consumers_of(look.answers["active_queues"])
        fed = await self._queues.fed()
        at_s = self._clock.monotonic_s()
        async with asking_broker():
            backlogs = await client.queues.backlogs(sorted({*fed, *consumers, *self._holds}))
            parked = await client.queues.parked()
        is_redis = client.kind is BrokerKind.REDIS
        steps = client.transport.priority_steps if is_redis else (0,)
        around = Around(fed, consumers, look.is_complete, self._holds.keys(), parked, steps)
        now = self._now()
        rows = tuple(queue_line(one, around, self._watch.history, now) for one in backlogs.by_queue.values())
        total = backlogs.unacked_total if is_redis else None
        return _Seen(at_s, QueueLines(rows, now, look.is_complete, total), parked)

    async def _line_of(self, name: str) -> QueueLine:
        for row in (await self.lines()).rows:
            if row.name == name:
                return row
        message = f"this site knows no queue {name}"
        raise NotThere(message, hint="GET /api/queues lists those it sends to and those its workers take from")

    # -- emptying ------------------------------------------------------------------------------------------------------

    async def purge(self, name: str, *, is_dry: bool) -> QueuePurge:
        """Set all waiting messages aside for a day."""
        needs_redis(self._line.client, "set messages aside; carillon queues purge --destroy throws them away there")
        line = await self._line_of(name)
        warnings = _held_by_workers(line)
        what = f"set {counted(line.waiting, 'message')} of {name} aside for 24 hours"
        if is_dry:
            return QueuePurge(name, is_done=False, count=line.waiting, token=None, kept_until_at=None,
                              unacked=line.unacked, what=what, warnings=warnings)  # fmt: skip
        async with asking_broker():
            purged = await self._line.client.queues.purge(name, token=secrets.token_hex(6))
        self._seen = None
        what = f"set {counted(purged.count, 'message')} of {name} aside for 24 hours"
        until = self._now() + KEPT if purged.token else None
        return QueuePurge(name, is_done=True, count=purged.count, token=purged.token or None, kept_until_at=until,
                          unacked=line.unacked, what=what, warnings=warnings)  # fmt: skip

    async def parked(self, name: str) -> Sequence[ParkedPurge]:
        """List purges that can be undone."""
        needs_redis(self._line.client, "set messages aside")
        async with asking_broker():
            return parked_purges(await self._line.client.queues.parked(), name)

    async def restore(self, name: str, token: str) -> QueueRestored:
        """Put the messages of a purge back in front."""
        await self._kept(name, token)
        async with asking_broker():
            count = await self._line.client.queues.restore(name, token)
        self._seen = None
        return QueueRestored(name, count, token)

    async def destroy(self, name: str, token: str) -> QueueRestored:
        """Throw the messages of a purge away."""
        await self._kept(name, token)
        async with asking_broker():
            count = await self._line.client.queues.discard(name, token)
        self._seen = None
        return QueueRestored(name, count, token)

    async def _kept(self, name: str, token: str) -> None:
        if token not in {one.token for one in await self.parked(name)}:
            message = f"nothing of {name} is kept under this token"
            raise NotThere(message, hint=f"GET /api/queues/{name}/parked lists what is kept")

    async def move(self, name: str, to: str, count: int | None, *, is_dry: bool) -> QueueMove:
        """Move the next messages, or all, to the end of another queue."""
        needs_redis(self._line.client, "move messages in one step")
        line = await self._line_of(name)
        many = line.waiting if count is None else min(count, line.waiting)
        if is_dry:
            what = f"move {counted(many, 'message')} from {name} to the end of {to}"
            return QueueMove(name, to, is_done=False, count=many, left=0, what=what)
        async with asking_broker():
            moved = await self._line.client.queues.move(name, to, count=count)
        self._seen = None
        what = f"move {counted(moved.count, 'message')} from {name} to the end of {to}"
        return QueueMove(name, to, is_done=True, count=moved.count, left=moved.left, what=what)

    # -- holding -------------------------------------------------------------------------------------------------------

    async def hold(self, name: str, by: str, reason: str, *, is_dry: bool) -> Consuming:
        """Have every worker that takes from the queue stop taking."""
        line = await self._line_of(name)
        if not line.consumers:
            message = f"nobody takes from {name}"
            raise NotNow(message)
        what = f"have {counted(len(line.consumers), 'worker')} take nothing more from {name}"
        warnings = ("a worker that is started anew takes from it again", *_held_by_workers(line))
        if is_dry:
            return Consuming(name, is_done=False, workers=line.consumers, refused={}, what=what, warnings=warnings)
        done, refused = await self._tell(methods.cancel_consumer(name), line.consumers)
        if done and len(self._holds) < HOLDS_LIMIT:
            self._holds[name] = QueueHold(by, self._now(), done, reason)
        return Consuming(name, is_done=bool(done), workers=done, refused=refused, what=what, warnings=warnings)

    async def resume(self, name: str, workers: Sequence[str] | None, *, is_dry: bool) -> Consuming:
        """Have workers take from the queue again."""
        hold = self._holds.get(name)
        names = tuple(workers) if workers else hold.workers if hold is not None else ()
        if not names:
            message = f"it is not known which workers took from {name}"
            raise NotNow(message, hint='name them: {"workers": ["celery@host"]}')
        what = f"have {counted(len(names), 'worker')} take from {name} again"
        if is_dry:
            return Consuming(name, is_done=False, workers=names, refused={}, what=what)
        async with asking_broker():
            command = methods.add_consumer(name)
        done, refused = await self._tell(command, names)
        if done:
            self._holds.pop(name, None)
        return Consuming(name, is_done=bool(done), workers=done, refused=refused, what=what)

    async def _tell(self, command: Command, workers: Sequence[str]) -> tuple[tuple[str, ...], Mapping[str, str]]:
        async with asking_broker():
            answers = await self._line.client.control.call(command, only(*workers), timeout_s=PATIENCE_S)
        self._looks.forget()
        self._seen = None
        done = tuple(sorted(answers.by_node.keys() - answers.errors.keys()))
        silent = dict.fromkeys(answers.silent, "it did not answer")
        return done, {**silent, **{name: text[:500] for name, text in answers.errors.items()}}

    def _now(self) -> datetime:
        return instant(self._clock.now_us())


def _held_by_workers(line: QueueLine) -> tuple[str, ...]:
    if not line.unacked:
        return ()
    return (f"{counted(line.unacked, 'message')} that workers hold already stay with them",)
