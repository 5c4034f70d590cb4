"""Tasks sent the way Flower sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daemon.api.flower.arguments import call_of
from daemon.api.flower.looking import WAIT_LIMIT_S, result_row
from daemon.api.flower.views import sees_contents
from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Capability
from daemon.deeds import DeedKind
from daemon.desks import BadRequest, FlowerDesk, FlowerSending, NotThere
from daemon.ports import AuditTrail


class Sending:
    """Handlers."""

    def __init__(self, desk: FlowerDesk, audit: AuditTrail, show_tasks: Sequence[str], zone: str | None) -> None:
        """Keep the collaborators; ``zone`` is the application's, for instants that have none."""
        self._desk = desk
        self._audit = audit
        self._show_tasks = show_tasks
        self._zone = zone

    async def apply(self, asked: Asked) -> Any:
        """Send a task and wait for its end, a minute at most."""
        sending = self._sending(asked)
        await self._known(sending.task)
        options = dict(sending.options)
        within_s = _timeout_s(options.pop("timeout", None))
        task_id = await self._sent(asked, FlowerSending(sending.task, sending.args, sending.kwargs, options))
        if not self._desk.keeps_results:
            return {"task-id": task_id}
        found = await self._desk.result(task_id, within_s=within_s)
        is_open = sees_contents(asked.caller, self._show_tasks)(sending.task) or asked.caller.has(Capability.RESULTS)
        if asked.caller.may_see(""):
            await self._audit.record(asked.deed(DeedKind.TASK_REVEALED, f"task {task_id}"))
        return result_row(found, is_open=is_open)

    async def async_apply(self, asked: Asked) -> Any:
        """Send a task the application has."""
        sending = self._sending(asked)
        await self._known(sending.task)
        return await self._state(await self._sent(asked, sending))

    async def send_task(self, asked: Asked) -> Any:
        """Send a task by its name, whoever knows it."""
        return await self._state(await self._sent(asked, self._sending(asked)))

    def _sending(self, asked: Asked) -> FlowerSending:
        args, kwargs, options = call_of(asked.raw_body, self._zone)
        return FlowerSending(asked.parts["task"], args, kwargs, options)

    async def _known(self, task: str) -> None:
        if not await self._desk.knows_task(task):
            message = f"Unknown task '{task}'"
            raise NotThere(message)

    async def _sent(self, asked: Asked, sending: FlowerSending) -> str:
        note = named(", ".join(sorted(sending.options)))
        await self._audit.record(asked.deed(DeedKind.TASK_SENT, sending.task, note=note))
        return await self._desk.send(sending)

    async def _state(self, task_id: str) -> dict[str, Any]:
        if not self._desk.keeps_results:
            return {"task-id": task_id}
        return {"task-id": task_id, "state": (await self._desk.result(task_id)).state}


def _timeout_s(given: Any) -> float:
    try:
        found = WAIT_LIMIT_S if given is None else float(given)
    except (TypeError, ValueError):
        message = "Invalid timeout"
        raise BadRequest(message, field="body.timeout") from None
    return min(found, WAIT_LIMIT_S) if found > 0 else 0.0
