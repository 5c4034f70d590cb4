"""How all schedules are held, and how something is done with many entries: frozen first, looked at, and carried out once."""

from __future__ import annotations

from typing import Any

from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.api.schedule.models import BackfillBody, BulkBody, CarryOutBody, PauseBody, ReasonBody
from daemon.api.schedule.steering.permitting import needs_admin
from daemon.api.schedule.steering.recording import Recording
from daemon.api.schedule.views import Released, entry_id
from daemon.deeds import DeedKind
from daemon.desks import BadRequest, DeskRefused, NotNow
from daemon.desks.schedule import Carried, Choice, HeldAll, Plan
from daemon.desks.scheduling import ScheduleSteering, ScheduleView, Why
from daemon.ports import AuditTrail

_KINDS = {
    "pause": DeedKind.ENTRY_PAUSED,
    "resume": DeedKind.ENTRY_RESUMED,
    "trigger": DeedKind.ENTRY_RUN,
    "backfill": DeedKind.ENTRY_RUN,
}


def set_resources(view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> tuple[Resource, ...]:
    """List what is done with many entries."""
    return (*_of_all(view, desk, audit), *_of_sets(view, desk, audit))


class Holding:
    """Holds all schedules."""

    def __init__(self, view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> None:
        """Keep the collaborators."""
        self._view = view
        self._desk = desk
        self._recording = Recording(audit)

    async def hold(self, asked: Asked) -> Any:
        """Hold them."""
        self._desk.require()
        body = asked.says(PauseBody)
        await self._recording.deed(asked, DeedKind.SCHEDULE_HELD, "all schedules", body.reason, "", "held")
        await self._desk.hold(Why(str(asked.caller.who), body.reason, body.until_at))
        return await self._view.held() or HeldAll(str(asked.caller.who), None, None, body.reason)

    async def release(self, asked: Asked) -> Any:
        """Let them go on."""
        self._desk.require()
        body = asked.says(ReasonBody)
        await self._recording.deed(asked, DeedKind.SCHEDULE_RELEASED, "all schedules", body.reason, "held", "")
        return Released(await self._desk.release())


def _of_all(view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> tuple[Resource, ...]:
    holding = Holding(view, desk, audit)
    return (
        Resource(
            "POST",
            "/api/schedule/hold",
            holding.hold,
            "Hold all schedules",
            "schedule",
            role=Role.ADMIN,
            body=PauseBody,
            answers=HeldAll,
            problems=(501,),
        ),
        Resource(
            "POST",
            "/api/schedule/release",
            holding.release,
            "Let all schedules go on",
            "schedule",
            role=Role.OPERATOR,
            body=ReasonBody,
            answers=Released,
            problems=(501,),
        ),
    )


class Sets:
    """Freezes sets, and carries out what was frozen."""

    def __init__(self, view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> None:
        """Keep the collaborators."""
        self._view = view
        self._desk = desk
        self._recording = Recording(audit)

    async def bulk(self, asked: Asked) -> Any:
        """Freeze entries."""
        body = asked.says(BulkBody)
        if (body.ids is None) == (body.filter is None):
            message = "either ids or a filter is needed"
            raise BadRequest(message, field="ids")
        chosen = body.filter
        choice = None
        if chosen is not None:
            states, sources = frozenset(chosen.state), frozenset(chosen.source)
            choice = Choice(chosen.text, states, sources, chosen.queue, chosen.task)
        return await self._desk.plan(body.action, body.ids or (), choice)

    async def backfill(self, asked: Asked) -> Any:
        """Freeze occurrences of the past."""
        body = asked.says(BackfillBody)
        if body.from_at >= body.to_at:
            message = '"from_at" is not before "to_at"'
            raise DeskRefused(message, field="from_at")
        row = await self._view.row(entry_id(asked.parts["id"]))
        return await self._desk.plan_backfill(row.id, body.from_at, body.to_at, body.overlap)

    async def carry_out(self, asked: Asked) -> Any:
        """Carry out what was frozen."""
        self._desk.require()
        body = asked.says(CarryOutBody)
        plan = self._desk.planned(asked.parts["token"])
        if plan.needs_role == Role.ADMIN.word:
            needs_admin(asked, "so many at once")
        if body.count != plan.count:
            message = f"the plan is about {plan.count}, not {body.count}"
            raise NotNow(message, hint="look at it again")
        if plan.action == "pause" and not body.reason:
            message = "a pause needs a reason"
            raise DeskRefused(message, field="reason")
        about = ", ".join(plan.sample[:5]) + (", …" if plan.count > len(plan.sample[:5]) else "")
        after = f"{plan.action} {plan.count}"
        await self._recording.deed(asked, _KINDS[plan.action], about, body.reason, "", after, count=max(plan.count, 1))
        return await self._desk.carry_out(asked.parts["token"], Why(str(asked.caller.who), body.reason, body.until_at))


def _of_sets(view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> tuple[Resource, ...]:
    sets = Sets(view, desk, audit)
    steer: dict[str, Any] = {"tag": "schedule", "role": Role.OPERATOR}
    return (
        Resource(
            "POST",
            "/api/schedule/bulk",
            sets.bulk,
            "Freeze a set of entries, to be paused, resumed or run",
            body=BulkBody,
            answers=Plan,
            problems=(501,),
            body_limit_bytes=4 * 1024 * 1024,
            **steer,
        ),
        Resource(
            "POST",
            "/api/schedule/plans/{token}",
            sets.carry_out,
            "Carry out what was frozen, once",
            body=CarryOutBody,
            answers=Carried,
            problems=(404, 409, 501),
            **steer,
        ),
        Resource(
            "POST",
            "/api/schedule/{id}/backfill",
            sets.backfill,
            "Freeze the occurrences of a window of the past, to be run",
            body=BackfillBody,
            answers=Plan,
            problems=(404, 501),
            **steer,
        ),
    )
