"""What can be sent: tasks by name, and tasks that ran, once more."""

from __future__ import annotations

from dataclasses import replace

from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Role
from daemon.api.http.idempotency import KeyReused
from daemon.api.http.resource import Resource
from daemon.api.tasks.bodies import (
    NamedTaskRow,
    ParameterRow,
    ReasonBody,
    SendBody,
    SendQuery,
    TaskNamesBody,
    TaskSent,
)
from daemon.api.tasks.looks import Looks, is_telling
from daemon.api.tasks.sending.orders import checked_name, order_of, shown_arguments
from daemon.api.tasks.sight import Sight, is_harmless, who_of
from daemon.api.tasks.views import arguments_of, sent_of
from daemon.deeds import DeedKind
from daemon.desks import NotHere, NotNow
from daemon.desks.tasks import Outcome, SentRecord, Standing, TaskOrder

WAITS_LIMIT = 100
"""Requests that wait for results at once; more are answered at once."""

TAG = "tasks"
_ACCEPTED, _OK = 202, 200


def sending_resources(looks: Looks, *, is_served: bool = False) -> tuple[Resource, ...]:
    """List what can be sent. ``is_served``: nothing is sent that no worker takes (``site.require_celery``)."""
    sending = _Sending(looks, is_served=is_served)
    return (
        Resource("GET", "/api/task-names", sending.names, "List the tasks that are known", TAG, answers=TaskNamesBody),
        Resource(
            "POST",
            "/api/tasks/{id}",
            sending.send,
            "Send a task",
            TAG,
            role=Role.OPERATOR,
            is_for_results=True,
            query=SendQuery,
            body=SendBody,
            answers=TaskSent,
            status=_ACCEPTED,
            problems=(501,),
            is_creation=True,
            description="The last part of the path is the task's name. With `wait` the answer is 200 once it is over.",
        ),
        Resource(
            "POST",
            "/api/tasks/{id}/retry",
            sending.retry,
            "Send a task that is over once more",
            TAG,
            role=Role.OPERATOR,
            body=ReasonBody,
            answers=TaskSent,
            status=_ACCEPTED,
            problems=(404, 409),
            is_creation=True,
        ),
    )


class _Sending:
    def __init__(self, looks: Looks, *, is_served: bool) -> None:
        self._looks = looks
        self._is_served = is_served
        self._waits = 0

    async def names(self, asked: Asked) -> TaskNamesBody:
        """List what is known."""
        del asked
        found, is_closed = await self._looks.desk.names()
        rows = [
            NamedTaskRow(
                one.name,
                one.queues,
                None
                if one.parameters is None
                else tuple(ParameterRow(parameter.name, parameter.is_required) for parameter in one.parameters),
            )
            for one in found
        ]
        return TaskNamesBody(rows, is_closed)

    async def send(self, asked: Asked) -> Answer:
        """Send one; the same request under the same key is the same task, now and after a restart."""
        desk, key = self._looks.desk, asked.idempotency_key
        if asked.asks(SendQuery).wait > 0 and not desk.keeps_results:
            message = "this site keeps no results: nothing can be waited for"
            raise NotHere(message, hint="set result_backend as on the workers, or leave out wait")
        task_id = desk.requested_id(who_of(asked.caller), key) if key else None
        harmless = is_harmless(asked.parts["id"], self._looks.show_tasks)
        order = order_of(asked, task_id, is_harmless=harmless)
        order = replace(order, is_served=order.is_served or self._is_served)
        sent = await self._sent_before(order) if task_id is not None else None
        if sent is not None:
            queues = sent.queues
        else:
            task_id, queues = await self._sent(asked, order, "")
        assert task_id is not None  # drawn, or given by the key
        return await self._awaited(asked, order, task_id, queues)

    async def retry(self, asked: Asked) -> Answer:
        """Send one again, as a new task."""
        standing = await self._looks.standing(asked)
        arguments, name = arguments_of(standing), standing.name
        if not standing.is_ready:
            message = f"the task is not over: {standing.state}"
            raise NotNow(message, hint="revoke it first, or wait")
        if arguments is None or name is None:
            message = "nobody knows what it was called with"
            raise NotNow(message, hint="workers tell with result_extended; events tell of short, plain arguments")
        queue = standing.outcome.queue if standing.outcome is not None else None
        queue = queue or (standing.seen.queue if standing.seen is not None else None)
        options = {
            **({"queue": queue} if queue else {}),
            **shown_arguments(is_harmless=is_harmless(name, self._looks.show_tasks)),
        }
        caller = asked.caller
        order = TaskOrder(
            checked_name(name), who_of(caller), str(caller.who), *arguments, options=options, is_served=self._is_served
        )
        reason = f"again {standing.task_id}: {asked.says(ReasonBody).reason}"
        task_id, queues = await self._sent(asked, order, reason)
        return Answer(sent_of(task_id, name, queues, None, shows=False), _ACCEPTED)

    async def _sent_before(self, order: TaskOrder) -> SentRecord | None:
        """Give what is kept of an earlier request under the same key, if the broker has taken it.

        Raises:
            KeyReused: another request came under it.
        """
        assert order.task_id is not None
        sent = (await self._looks.desk.standing(order.task_id)).sent
        if sent is not None and sent.print != order.print:
            message = "this Idempotency-Key came with another request"
            raise KeyReused(message, hint="draw a new key for each creation")
        return sent if sent is not None and sent.is_sent else None

    async def _sent(self, asked: Asked, order: TaskOrder, note: str) -> tuple[str, tuple[str, ...]]:
        queues = await self._looks.desk.check(order)
        about = order.task if order.task_id is None else f"{order.task} {order.task_id}"
        after = named(f"queue {', '.join(queues)}") if queues else named("")
        await self._looks.audit.record(asked.deed(DeedKind.TASK_SENT, about, note=named(note), after=after))
        return await self._looks.desk.send(order)

    async def _awaited(self, asked: Asked, order: TaskOrder, task_id: str, queues: tuple[str, ...]) -> Answer:
        wait_s = asked.asks(SendQuery).wait
        outcome: Outcome | None = None
        if wait_s > 0 and self._waits < WAITS_LIMIT:
            self._waits += 1
            try:
                outcome = await self._looks.desk.wait(task_id, wait_s)
            finally:
                self._waits -= 1
        if outcome is None:
            return Answer(sent_of(task_id, order.task, queues, None, shows=False), _ACCEPTED)
        standing = Standing(task_id, outcome, sent=await self._record(task_id))
        sight = self._looks.sees(asked, standing)
        if sight is Sight.RECORDED and is_telling(outcome):
            await self._looks.note(asked, task_id, outcome.state, "wait")
        return Answer(sent_of(task_id, order.task, queues, outcome, shows=sight.shows), _OK)

    async def _record(self, task_id: str) -> SentRecord | None:
        return (await self._looks.desk.standing(task_id)).sent
