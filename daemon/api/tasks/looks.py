"""Looks at what tasks hold: each is kept in the audit trail before it is given, once for what does not change meanwhile."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Role
from daemon.api.tasks.sight import Sight, is_own, may_ask, sight_of
from daemon.clock import Clock
from daemon.deeds import Deed, DeedKind
from daemon.desks import NotThere
from daemon.desks.tasks import Outcome, Standing, TaskDesk
from daemon.ports import AuditTrail

KEPT_S = 900.0
KEPT = 10_000
ID_LIMIT = 255


class TaskUnknown(NotThere):
    """Nobody has told of a task of that id."""

    code = "task-unknown"


class Looks:
    """What every way to a task shares: whether the caller may know of it, and what is seen of it."""

    def __init__(self, desk: TaskDesk, audit: AuditTrail, clock: Clock, show_tasks: Sequence[str]) -> None:
        """Keep the collaborators. ``show_tasks``: globs of names whose contents anyone signed in may see."""
        self.desk = desk
        self.audit = audit
        self.show_tasks = tuple(show_tasks)
        self._clock = clock
        self._noted: OrderedDict[tuple[str, str, str, str], float] = OrderedDict()

    async def standing(self, asked: Asked) -> Standing:
        """Look a task up for whoever asks.

        Raises:
            TaskUnknown: nobody knows it, or the caller may not know that it is there.
        """
        standing = await self.anything(asked)
        if not standing.is_known and asked.caller.may(Role.VIEWER):
            origin = await self.desk.origin(standing.task_id, None)
            standing = Standing(standing.task_id, origin=origin)
        if not standing.is_known or not may_ask(asked.caller, standing):
            raise self.unknown()
        return standing

    async def anything(self, asked: Asked) -> Standing:
        """Look a task up that may be unknown.

        Raises:
            TaskUnknown: that is no id.
        """
        task_id = asked.parts["id"]
        if len(task_id) > ID_LIMIT or not task_id.isprintable():
            raise self.unknown()
        return await self.desk.standing(task_id)

    def unknown(self) -> TaskUnknown:
        """Say that nobody knows a task, and from when on they would."""
        hours = self.desk.remembered_s / 3600
        message = "nobody has told of a task of this id"
        hint = (
            f"results are remembered for {hours:g} h; a task that waits is known if it was sent through this API, or if its "
            "sender or a worker tells of it (task_send_sent_event, worker -E)"
        )
        return TaskUnknown(message, hint=hint)

    def sees(self, asked: Asked, standing: Standing) -> Sight:
        """Say what the caller sees of it."""
        return sight_of(asked.caller, standing, self.show_tasks)

    def owns(self, asked: Asked, standing: Standing) -> bool:
        """Say whether the caller sent it."""
        return is_own(asked.caller, standing)

    async def note(self, asked: Asked, task_id: str, state: str, way: str) -> None:
        """Keep that somebody looks; the same look again within a quarter of an hour is one.

        Raises:
            AuditFailed: it could not be kept; nothing may be shown.
        """
        look = (asked.caller.who, asked.caller.address, task_id, state)
        now_s = self._clock.monotonic_s()
        noted_s = self._noted.get(look)
        if noted_s is not None and now_s - noted_s < KEPT_S:
            return
        await self.audit.record(self.deed(asked, task_id, way))
        self._noted[look] = now_s
        self._noted.move_to_end(look)
        if len(self._noted) > KEPT:
            self._noted.popitem(last=False)

    def deed(self, asked: Asked, task_id: str, note: str) -> Deed:
        """Write down a look."""
        return asked.deed(DeedKind.TASK_REVEALED, task_id, note=named(note))


def is_telling(outcome: Outcome | None) -> bool:
    """Say whether there is anything to be seen in what is stored."""
    return outcome is not None and outcome.result is not None and (outcome.is_custom or outcome.is_over)
