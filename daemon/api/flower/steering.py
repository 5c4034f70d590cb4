"""What Flower has workers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.api.flower.arguments import Arguments
from daemon.api.http.asked import Asked, named
from daemon.deeds import DeedKind
from daemon.desks import FlowerDesk, NotPermitted, NotThere, Unavailable
from daemon.ports import AuditTrail

TERM = "SIGTERM"


class WorkerDeclined(NotPermitted):
    """A worker says that it cannot; Flower answers 403."""

    code = "worker-refused"


class Steering:
    """Handlers."""

    def __init__(self, desk: FlowerDesk, audit: AuditTrail) -> None:
        """Keep the collaborators."""
        self._desk = desk
        self._audit = audit

    async def shutdown(self, asked: Asked) -> Any:
        """End a worker."""
        worker = await self._worker(asked.parts["worker"])
        return _message(await self._told(asked, worker, "shutdown", {}, ""))

    async def pool_restart(self, asked: Asked) -> Any:
        """Replace the processes of a worker."""
        worker = await self._worker(asked.parts["worker"])
        await self._told(asked, worker, "pool_restart", {}, f"Failed to restart the '{worker}' pool")
        return _message(f"Restarting '{worker}' worker's pool")

    async def pool_grow(self, asked: Asked) -> Any:
        """Add processes."""
        worker = await self._worker(asked.parts["worker"])
        n = Arguments(asked).integer("n", 1)
        await self._told(asked, worker, "pool_grow", {"n": n}, f"Failed to grow '{worker}' worker's pool")
        return _message(f"Growing '{worker}' worker's pool by {n}")

    async def pool_shrink(self, asked: Asked) -> Any:
        """Take processes."""
        worker = await self._worker(asked.parts["worker"])
        n = Arguments(asked).integer("n", 1)
        await self._told(asked, worker, "pool_shrink", {"n": n}, f"Failed to shrink '{worker}' worker's pool")
        return _message(f"Shrinking '{worker}' worker's pool by {n}")

    async def autoscale(self, asked: Asked) -> Any:
        """Say between how many processes a worker scales."""
        worker, arguments = await self._worker(asked.parts["worker"]), Arguments(asked)
        for name in ("min", "max"):
            arguments.needed(name)
        least, most = arguments.integer("min"), arguments.integer("max")
        failed = f"Failed to autoscale '{worker}' worker"
        await self._told(asked, worker, "autoscale", {"most": most, "least": least}, failed)
        return _message(f"Autoscaling '{worker}' worker (min={least}, max={most})")

    async def add_consumer(self, asked: Asked) -> Any:
        """Have a worker take from a queue too."""
        worker = await self._worker(asked.parts["worker"])
        queue = Arguments(asked).needed("queue")
        failed = f"Failed to add '{queue}' consumer to '{worker}' worker"
        return _message(await self._told(asked, worker, "add_consumer", {"queue": queue}, failed))

    async def cancel_consumer(self, asked: Asked) -> Any:
        """Have a worker take nothing more from a queue."""
        worker = await self._worker(asked.parts["worker"])
        queue = Arguments(asked).needed("queue")
        failed = f"Failed to cancel '{queue}' consumer from '{worker}' worker"
        return _message(await self._told(asked, worker, "cancel_consumer", {"queue": queue}, failed))

    async def time_limit(self, asked: Asked) -> Any:
        """Limit how long a task may take on a worker."""
        arguments = Arguments(asked)
        worker = arguments.needed("workername")
        limits = {"hard_s": arguments.number("hard"), "soft_s": arguments.number("soft")}
        task = await self._task(asked.parts["task"])
        worker = await self._worker(worker)
        told = await self._told(asked, worker, "time_limit", {"task": task, **limits}, "Failed to set timeouts")
        return _message(told)

    async def rate_limit(self, asked: Asked) -> Any:
        """Limit how often a worker starts a task."""
        arguments = Arguments(asked)
        worker, rate = arguments.needed("workername"), arguments.needed("ratelimit")
        task = await self._task(asked.parts["task"])
        worker = await self._worker(worker)
        told = await self._told(asked, worker, "rate_limit", {"task": task, "limit": rate}, "Failed to set rate limit")
        return _message(told)

    async def revoke(self, asked: Asked) -> Any:
        """Have a task not run."""
        task_id, arguments = asked.parts["task_id"], Arguments(asked)
        is_ended, signal = arguments.flag("terminate"), arguments.text("signal") or TERM
        note = named(f"ended with {signal}" if is_ended else "")
        await self._audit.record(asked.deed(DeedKind.TASK_REVOKED, task_id, note=note))
        await self._desk.revoke(task_id, terminate=is_ended, signal=signal)
        return _message(f"Revoked '{task_id}'")

    async def abort(self, asked: Asked) -> Any:
        """Mark a task as aborted."""
        task_id = asked.parts["task_id"]
        if not self._desk.keeps_results:
            message = "nobody keeps results"
            raise Unavailable(message, hint="set result_backend as on the workers")
        await self._audit.record(asked.deed(DeedKind.TASK_REVOKED, task_id, note=named("marked as aborted")))
        await self._desk.abort(task_id)
        return _message(f"Aborted '{task_id}'")

    async def _worker(self, name: str) -> str:
        if name not in await self._desk.workers(None) and name not in await self._desk.alive():
            message = f"Unknown worker '{name}'"
            raise NotThere(message)
        return name

    async def _task(self, name: str) -> str:
        if not await self._desk.knows_task(name):
            message = f"Unknown task '{name}'"
            raise NotThere(message)
        return name

    async def _told(self, asked: Asked, worker: str, method: str, arguments: Mapping[str, Any], failed: str) -> str:
        said = ", ".join(f"{name} {value}" for name, value in arguments.items())
        after = named(f"{method.replace('_', '-')} {said}".strip())
        await self._audit.record(asked.deed(DeedKind.WORKER_COMMANDED, worker, after=after))
        is_done, text = await self._desk.tell(worker, method, arguments)
        if not is_done:
            message = f"{failed}: {text}"
            raise WorkerDeclined(message)
        return text


def _message(text: str) -> dict[str, str]:
    return {"message": text}
