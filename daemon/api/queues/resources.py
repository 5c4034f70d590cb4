"""What can be asked of queues, and done to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Capability, Role
from daemon.api.http.confirming import confirm
from daemon.api.http.resource import Resource
from daemon.api.queues.bodies import (
    DestroyQuery,
    HoldBody,
    MoveBody,
    PeekQuery,
    PurgeBody,
    QueuesQuery,
    RestoreBody,
    ResumeBody,
    RevealBody,
)
from daemon.api.queues.views import ParkedPurges, Peeked, QueuePage, queue_page, shown
from daemon.deeds import DeedKind
from daemon.desks import (
    Consuming,
    NotPermitted,
    QueueDesk,
    QueueDetail,
    QueueMove,
    QueuePurge,
    QueueRestored,
    WaitingBody,
)
from daemon.ports import AuditTrail

NO_STORE = {"Cache-Control": "no-store"}
PROBLEMS = (404, 409, 501)
_TAG = "queues"


def queue_resources(desk: QueueDesk, audit: AuditTrail) -> tuple[Resource, ...]:
    """List what can be asked of queues."""
    looking, steering = _Looking(desk, audit), _Steering(desk, audit)
    return (*looking.resources(), *steering.resources())


class _Looking:
    def __init__(self, desk: QueueDesk, audit: AuditTrail) -> None:
        self._desk = desk
        self._audit = audit

    async def lines(self, asked: Asked) -> Any:
        return queue_page(await self._desk.lines(), asked.asks(QueuesQuery), asked.caller)

    async def detail(self, asked: Asked) -> Any:
        found = await self._desk.detail(asked.parts["name"])
        return replace(found, queue=shown(found.queue, asked.caller))

    async def peek(self, asked: Asked) -> Any:
        name = asked.parts["name"]
        return Peeked(name, await self._desk.peek(name, asked.asks(PeekQuery).limit))

    async def parked(self, asked: Asked) -> Any:
        name = asked.parts["name"]
        return ParkedPurges(name, await self._desk.parked(name))

    async def reveal(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.says(RevealBody)
        if not asked.caller.may_see(""):  # whose message it is, nobody knows before it is opened
            message = "your token shows the contents of some feeds alone"
            raise NotPermitted(message)
        about = f"{name} {wanted.task_id}"
        await self._audit.record(asked.deed(DeedKind.QUEUE_REVEALED, about, note=named(wanted.reason)))
        return Answer(await self._desk.open(name, wanted.task_id), headers=NO_STORE)

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource(
                "GET",
                "/api/queues",
                self.lines,
                "List the queues",
                _TAG,
                query=QueuesQuery,
                answers=QueuePage,
                problems=(501,),
            ),
            Resource(
                "GET", "/api/queues/{name}", self.detail, "Show a queue", _TAG, answers=QueueDetail, problems=(404, 501)
            ),
            Resource(
                "GET",
                "/api/queues/{name}/peek",
                self.peek,
                "Show the next messages of a queue, without their bodies",
                _TAG,
                query=PeekQuery,
                answers=Peeked,
                problems=(404, 501),
            ),
            Resource(
                "GET",
                "/api/queues/{name}/parked",
                self.parked,
                "List purges that can be undone",
                _TAG,
                answers=ParkedPurges,
                problems=(501,),
            ),
            Resource(
                "POST",
                "/api/queues/{name}/reveal",
                self.reveal,
                "Open one waiting message",
                _TAG,
                needs=frozenset((Capability.PHI,)),
                body=RevealBody,
                answers=WaitingBody,
                is_reading=True,
                problems=(404, 501),
            ),
        )


class _Steering:
    def __init__(self, desk: QueueDesk, audit: AuditTrail) -> None:
        self._desk = desk
        self._audit = audit

    async def purge(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.says(PurgeBody)
        planned = await self._desk.purge(name, is_dry=True)
        if wanted.dry_run:
            return planned
        confirm(wanted.confirm, name)
        await self._audit.record(_deed(asked, DeedKind.QUEUE_PURGED, wanted.reason, planned.what))
        return await self._desk.purge(name, is_dry=False)

    async def restore(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.says(RestoreBody)
        what = f"put back what was purged under {wanted.token}"
        await self._audit.record(_deed(asked, DeedKind.QUEUE_RESTORED, wanted.reason, what))
        return await self._desk.restore(name, wanted.token)

    async def destroy(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.asks(DestroyQuery)
        confirm(wanted.confirm, name)
        what = f"throw away for good what was purged under {wanted.token}"
        await self._audit.record(_deed(asked, DeedKind.QUEUE_PURGED, wanted.reason, what))
        return await self._desk.destroy(name, wanted.token)

    async def move(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.says(MoveBody)
        planned = await self._desk.move(name, wanted.to, wanted.count, is_dry=True)
        if wanted.dry_run:
            return planned
        confirm(wanted.confirm, name)
        await self._audit.record(_deed(asked, DeedKind.QUEUE_MOVED, wanted.reason, planned.what))
        return await self._desk.move(name, wanted.to, wanted.count, is_dry=False)

    async def hold(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.says(HoldBody)
        planned = await self._desk.hold(name, asked.caller.who, named(wanted.reason), is_dry=True)
        if wanted.dry_run:
            return planned
        await self._audit.record(_deed(asked, DeedKind.WORKER_COMMANDED, wanted.reason, planned.what))
        return await self._desk.hold(name, asked.caller.who, named(wanted.reason), is_dry=False)

    async def resume(self, asked: Asked) -> Any:
        name, wanted = asked.parts["name"], asked.says(ResumeBody)
        planned = await self._desk.resume(name, wanted.workers, is_dry=True)
        if wanted.dry_run:
            return planned
        await self._audit.record(_deed(asked, DeedKind.WORKER_COMMANDED, wanted.reason, planned.what))
        return await self._desk.resume(name, wanted.workers, is_dry=False)

    def resources(self) -> tuple[Resource, ...]:
        operator: dict[str, Any] = {"tag": _TAG, "role": Role.OPERATOR, "problems": PROBLEMS}
        admin: dict[str, Any] = {**operator, "role": Role.ADMIN}
        at = "/api/queues/{name}"
        return (
            Resource("POST", f"{at}/purge", self.purge, "Set all waiting messages of a queue aside for a day",
                     body=PurgeBody, answers=QueuePurge, **admin),
            Resource("POST", f"{at}/restore", self.restore, "Undo a purge",
                     body=RestoreBody, answers=QueueRestored, **operator),
            Resource("DELETE", f"{at}/parked", self.destroy, "Throw away for good what was purged",
                     query=DestroyQuery, answers=QueueRestored, **admin),
            Resource("POST", f"{at}/move", self.move, "Move waiting messages to another queue",
                     body=MoveBody, answers=QueueMove, **admin),
            Resource("POST", f"{at}/hold", self.hold, "Have all workers take nothing more from a queue",
                     body=HoldBody, answers=Consuming, **operator),
            Resource("POST", f"{at}/resume", self.resume, "Have workers take from a queue again",
                     body=ResumeBody, answers=Consuming, **operator),
        )  # fmt: skip


def _deed(asked: Asked, kind: DeedKind, reason: str, what: str) -> Any:
    return asked.deed(kind, asked.parts["name"], note=named(reason), after=named(what))
