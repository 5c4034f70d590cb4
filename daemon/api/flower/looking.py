"""What Flower shows: workers, tasks, results, lengths of queues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from anyio import to_thread

from daemon.api.flower.arguments import Arguments
from daemon.api.flower.search import search
from daemon.api.flower.views import MASK, sees_contents, task_row, task_rows, worker_row
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.deeds import DeedKind
from daemon.desks import BadRequest, FlowerDesk, FlowerResult, NotThere, TaskWanted, Unavailable
from daemon.ports import AuditTrail

TASKS_LIMIT = 10_000
"""Tasks in one list; Flower knows no bound."""

WAIT_LIMIT_S = 60.0
SORT_KEYS = ("name", "received", "started", "state")
MINUTE = "%Y-%m-%d %H:%M"
FAILURE = "FAILURE"
_ALL = "all"


class Looking:
    """Handlers."""

    def __init__(self, desk: FlowerDesk, audit: AuditTrail, show_tasks: Sequence[str]) -> None:
        """Keep the collaborators."""
        self._desk = desk
        self._audit = audit
        self._show_tasks = show_tasks

    async def workers(self, asked: Asked) -> Any:
        """List the workers; what they answered is never older than a few seconds, with ``refresh`` or without."""
        arguments = Arguments(asked)
        is_full, name = arguments.flag("refresh"), arguments.text("workername") or None
        if arguments.flag("status"):
            return await self._desk.alive()
        found = await self._desk.workers(None)
        if name is not None and name not in found:
            message = f"Unknown worker '{name}'"
            raise NotThere(message)
        if name is not None and is_full:
            found = await self._desk.workers(name)
        sees = sees_contents(asked.caller, self._show_tasks)
        chosen = {one: told for one, told in found.items() if name in (None, one)}
        if name is not None and is_full:
            await self._look(asked, f"tasks of {name}")
        return {one: worker_row(told, sees) for one, told in chosen.items()}

    async def tasks(self, asked: Asked) -> Any:
        """List tasks."""
        wanted = self._wanted(asked)
        found = await self._desk.tasks(wanted)
        sees = sees_contents(asked.caller, self._show_tasks)
        if found:
            await self._look(asked, "tasks", len(found))
        stored = await self._desk.stored([task.uuid for task in found if sees(task.name)])
        return Answer(await to_thread.run_sync(task_rows, found, sees, stored))

    async def types(self, asked: Asked) -> Any:
        """Name the tasks that were seen."""
        del asked
        return {"task-types": self._desk.task_types()}

    async def info(self, asked: Asked) -> Any:
        """Show a task."""
        task_id = asked.parts["task_id"]
        task = await self._desk.task(task_id)
        if task is None:
            message = f"Unknown task '{task_id}'"
            raise NotThere(message)
        is_open = sees_contents(asked.caller, self._show_tasks)(task.name)
        await self._look(asked, f"task {task_id}")
        stored = await self._desk.stored([task_id]) if is_open else {}
        row = task_row(task, is_open=is_open, stored=stored.get(task_id, (None, None)))
        return {"worker": None, **row}

    async def result(self, asked: Asked) -> Any:
        """Give the result of a task; with ``timeout``, wait for it first, a minute at most."""
        within_s = min(max(Arguments(asked).number("timeout") or 0.0, 0.0), WAIT_LIMIT_S)
        if not self._desk.keeps_results:
            message = "nobody keeps results"
            raise Unavailable(message, hint="set result_backend as on the workers")
        found = await self._desk.result(asked.parts["task_id"], within_s=within_s)
        await self._look(asked, f"task {found.task_id}")
        return result_row(found, is_open=sees_contents(asked.caller, self._show_tasks)(found.name))

    async def lengths(self, asked: Asked) -> Any:
        """Count what waits."""
        del asked
        found = await self._desk.queue_lengths()
        return {"active_queues": [{"name": name, "messages": waiting} for name, waiting in found]}

    async def health(self, asked: Asked) -> Any:
        """Say that the API answers, as Flower does whatever may be wrong; ``/readyz`` says more."""
        del asked
        return Answer(b"OK", media_type="text/html; charset=UTF-8")

    def _wanted(self, asked: Asked) -> TaskWanted:
        arguments = Arguments(asked)
        limit, offset = arguments.integer("limit"), arguments.integer("offset", 0) or 0
        sort_by = arguments.text("sort_by") or ""
        if sort_by and sort_by.lstrip("-") not in SORT_KEYS:
            message = f"Invalid sort_by, expected one of {', '.join(SORT_KEYS)}"
            raise BadRequest(message, field="query.sort_by")
        name, worker, state = (
            "" if found.casefold() == _ALL else found.casefold()
            for found in (arguments.text(key) or "" for key in ("taskname", "workername", "state"))
        )
        sees = sees_contents(asked.caller, self._show_tasks)
        return TaskWanted(
            name=name,
            worker=worker,
            state=state,
            received_from_s=_minute_s(arguments, "received_start"),
            received_to_s=_minute_s(arguments, "received_end"),
            matches=search(arguments.text("search") or "", lambda task: sees(task.name)),
            sort_by=sort_by.lstrip("-"),
            is_descending=sort_by.startswith("-"),
            offset=max(offset, 0),
            limit=TASKS_LIMIT if limit is None else min(max(limit, 0), TASKS_LIMIT),
        )

    async def _look(self, asked: Asked, about: str, count: int = 1) -> None:
        """Keep on record that contents are looked at, by a caller who sees them."""
        if asked.caller.may_see(""):
            await self._audit.record(asked.deed(DeedKind.TASK_REVEALED, about, count=count))


def result_row(found: FlowerResult, *, is_open: bool) -> dict[str, Any]:
    """Write a result with Flower's keys."""
    row: dict[str, Any] = {"task-id": found.task_id, "state": found.state}
    if found.is_ready:
        row["result"] = found.result if is_open else MASK
        if found.state == FAILURE:
            row["traceback"] = found.traceback if is_open else MASK
    return row


def _minute_s(arguments: Arguments, name: str) -> float | None:
    text = arguments.text(name)
    if not text:
        return None
    try:
        return datetime.strptime(text, MINUTE).timestamp()  # noqa: DTZ007 - local time of the machine, as Flower reads it
    except (ValueError, OverflowError):
        message = "Invalid received_start or received_end, expected format 'YYYY-MM-DD HH:MM'"
        raise BadRequest(message, field=f"query.{name}") from None
