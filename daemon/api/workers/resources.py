"""What can be asked of workers, and what they can be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daemon.api.http.asked import Asked, named
from daemon.api.http.confirming import confirm
from daemon.api.http.resource import Handler, Resource
from daemon.api.workers.bodies import BODIES, CommandBody, ShutdownBody
from daemon.api.workers.views import ROLES, SUMMARIES, NodePage, NodesQuery, node_page, shown
from daemon.deeds import DeedKind
from daemon.desks import Commanded, NodeDetail, WorkerAction, WorkerDesk
from daemon.ports import AuditTrail

PROBLEMS = (404, 409, 501)


def worker_resources(desk: WorkerDesk, audit: AuditTrail) -> tuple[Resource, ...]:
    """List what can be asked of workers."""

    async def nodes(asked: Asked) -> Any:
        return node_page(await desk.nodes(), asked.asks(NodesQuery), asked.caller.role)

    async def node(asked: Asked) -> Any:
        found = await desk.detail(asked.parts["hostname"])
        return replace(found, node=shown(found.node, asked.caller.role))

    return (
        Resource(
            "GET",
            "/api/nodes",
            nodes,
            "List the workers",
            "workers",
            query=NodesQuery,
            answers=NodePage,
            problems=(501,),
        ),
        Resource(
            "GET",
            "/api/nodes/{hostname}",
            node,
            "Show a worker",
            "workers",
            answers=NodeDetail,
            problems=(404, 501),
        ),
        *(_command(desk, audit, action) for action in WorkerAction),
    )


def _command(desk: WorkerDesk, audit: AuditTrail, action: WorkerAction) -> Resource:
    body = BODIES[action]
    return Resource(
        "POST",
        f"/api/nodes/{{hostname}}/{action.value}",
        _handler(desk, audit, action, body),
        SUMMARIES[action],
        "workers",
        role=ROLES[action],
        body=body,
        answers=Commanded,
        problems=PROBLEMS,
    )


def _handler(desk: WorkerDesk, audit: AuditTrail, action: WorkerAction, body: type[CommandBody]) -> Handler:
    async def command(asked: Asked) -> Any:
        worker = asked.parts["hostname"]
        wanted = asked.says(body)
        planned = await desk.plan(worker, action, wanted.arguments())
        if wanted.dry_run:
            return planned
        if isinstance(wanted, ShutdownBody):
            confirm(wanted.confirm, worker)
        after = named(planned.what)
        await audit.record(asked.deed(DeedKind.WORKER_COMMANDED, worker, note=named(wanted.reason), after=after))
        return await desk.command(worker, action, wanted.arguments())

    return command
