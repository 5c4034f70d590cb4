"""How the schedule is changed. Each change is checked, then recorded, then made."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any

from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.api.schedule.models import (
    AddBody,
    EditBody,
    PauseBody,
    ReasonBody,
    RemoveQuery,
    RevertQuery,
    TriggerBody,
)
from daemon.api.schedule.sets.resources import set_resources
from daemon.api.schedule.steering.permitting import allow, needs_admin, touches_contents
from daemon.api.schedule.steering.recording import Recording
from daemon.api.schedule.views import RemovedEntries, detail_for, emptied, entry_id, row_for
from daemon.clock import instant
from daemon.deeds import DeedKind
from daemon.desks import BadRequest, DeskRefused, NotNow
from daemon.desks.schedule import Asked as RunAsked
from daemon.desks.schedule import EntryDetail, EntryRow
from daemon.desks.scheduling import Change, ScheduleSteering, ScheduleView, Why
from daemon.ports import AuditTrail


def steering_resources(view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> tuple[Resource, ...]:
    """List how the schedule is changed."""
    steering = Steering(view, desk, audit)
    return (*set_resources(view, desk, audit), *_runs(steering), *_edits(steering))


ONE = "/api/schedule/{id}"
NO = (404, 409, 501)


class Steering:
    """Changes one entry."""

    def __init__(self, view: ScheduleView, desk: ScheduleSteering, audit: AuditTrail) -> None:
        """Keep the collaborators."""
        self._view = view
        self._desk = desk
        self._recording = Recording(audit)

    async def pause(self, asked: Asked) -> Any:
        """Pause it."""
        self._desk.require()
        body = asked.says(PauseBody)
        row = await self._view.row(entry_id(asked.parts["id"]))
        allow(row, "pause", "resume")
        until = "" if body.until_at is None else f" until {instant(body.until_at).isoformat()}"
        await self._recording.deed(asked, DeedKind.ENTRY_PAUSED, row.id, body.reason, row.state, f"paused{until}")
        await self._desk.pause(row.id, Why(str(asked.caller.who), body.reason, body.until_at))
        return row_for(await self._view.row(row.id), asked.caller)

    async def resume(self, asked: Asked) -> Any:
        """Resume it."""
        self._desk.require()
        body = asked.says(ReasonBody)
        row = await self._view.row(entry_id(asked.parts["id"]))
        await self._recording.deed(asked, DeedKind.ENTRY_RESUMED, row.id, body.reason, row.state, "on")
        await self._desk.resume(row.id)
        return row_for(await self._view.row(row.id), asked.caller)

    async def trigger(self, asked: Asked) -> Any:
        """Run its task now."""
        self._desk.require()
        body = asked.says(TriggerBody)
        row = await self._view.row(entry_id(asked.parts["id"]))
        has_own = body.args is not None or body.kwargs is not None
        if has_own:
            needs_admin(asked, "other arguments than an entry's own")
        allow(row, "trigger")
        after = f"overlap {body.overlap}" + (", arguments of the caller" if has_own else "")
        await self._recording.deed(asked, DeedKind.ENTRY_RUN, row.id, body.reason, "", after)
        return await self._desk.trigger(
            row.id,
            Why(str(asked.caller.who), body.reason),
            overlap=body.overlap,
            args=body.args,
            kwargs=body.kwargs,
            request=_request(asked, row.id),
        )

    async def edit(self, asked: Asked) -> Any:
        """Change fields of it."""
        self._desk.require()
        body = asked.says(EditBody)
        names = {*body.set, *body.clear}
        if not names:
            message = "nothing is to be changed"
            raise DeskRefused(message, field="set")
        if touches_contents(names):
            needs_admin(asked, "changing what is run with which arguments")
        before, tag = await self._view.detail(entry_id(asked.parts["id"]))
        asked.expect(tag)
        trial = await self._view.trial(before.row.id, Change(body.set, body.clear))
        wrong = next((one for one in trial.problems), None)
        if wrong is not None:
            raise DeskRefused(f"{wrong.field}: {wrong.detail}", hint=wrong.hint, field=wrong.field)
        await self._recording.edit(asked, before, body.set, body.clear, body.reason)
        why = Why(str(asked.caller.who), body.reason, body.until_at)
        await self._desk.edit(before.row.id, Change(body.set, body.clear), why, tag if asked.if_match else "")
        return await _detail(self._view, asked, before.row.id)

    async def revert(self, asked: Asked) -> Any:
        """Take changes of it away."""
        self._desk.require()
        query = asked.asks(RevertQuery)
        row = await self._view.row(entry_id(asked.parts["id"]))
        tag = ""
        if row.state != "stray":
            before, tag = await self._view.detail(row.id)
            fields = query.field or tuple(one.field for one in before.fields if one.is_changed)
            if touches_contents(fields):
                needs_admin(asked, "changing what is run with which arguments")
            asked.expect(tag)
            await self._recording.edit(asked, before, {}, fields, "")
        else:
            await self._recording.deed(asked, DeedKind.ENTRY_CHANGED, row.id, "", "changed", "nothing")
        await self._desk.revert(row.id, query.field, tag if asked.if_match else "")
        if row.state == "stray":
            return emptied(row)
        return await _detail(self._view, asked, row.id)

    async def add(self, asked: Asked) -> Any:
        """Add an entry."""
        self._desk.require()
        body = asked.says(AddBody)
        trial = await self._view.trial(None, Change(body.entry))
        wrong = next((one for one in trial.problems), None)
        if wrong is not None:
            raise DeskRefused(f"{wrong.field}: {wrong.detail}", hint=wrong.hint, field=wrong.field)
        await self._recording.deed(
            asked, DeedKind.ENTRY_ADDED, body.name, body.reason, "", ", ".join(sorted(body.entry))
        )
        await self._desk.add(body.name, body.entry, Why(str(asked.caller.who), body.reason))
        found, tag = await self._view.detail(body.name)
        return Answer(detail_for(found, asked.caller), 201, tag, {"Location": f"/api/schedule/~{found.row.id}"})

    async def remove(self, asked: Asked) -> Any:
        """Remove one that was added."""
        self._desk.require()
        row = await self._view.row(entry_id(asked.parts["id"]))
        if asked.asks(RemoveQuery).confirm != row.name:
            message = '"confirm" is not the name of the entry'
            raise BadRequest(message, hint="write its name once more", field="confirm")
        if row.source != "added":
            message = f"it was not added: it is an entry of the {row.source or 'past'}"
            raise NotNow(message, hint="set enabled to false, or pause it")
        await self._recording.deed(asked, DeedKind.ENTRY_REMOVED, row.id, "", row.state, "removed")
        await self._desk.remove(row.id)
        return RemovedEntries((row.id,))


def _runs(steering: Steering) -> tuple[Resource, ...]:
    steer: dict[str, Any] = {"tag": "schedule", "role": Role.OPERATOR}
    return (
        Resource(
            "POST",
            f"{ONE}/pause",
            steering.pause,
            "Pause an entry",
            body=PauseBody,
            answers=EntryRow,
            problems=NO,
            **steer,
        ),
        Resource(
            "POST",
            f"{ONE}/resume",
            steering.resume,
            "Resume an entry",
            body=ReasonBody,
            answers=EntryRow,
            problems=NO,
            **steer,
        ),
        Resource(
            "POST",
            f"{ONE}/trigger",
            steering.trigger,
            "Run an entry's task now",
            body=TriggerBody,
            answers=RunAsked,
            status=202,
            is_creation=True,
            problems=NO,
            **steer,
        ),
    )


def _edits(steering: Steering) -> tuple[Resource, ...]:
    steer: dict[str, Any] = {"tag": "schedule", "role": Role.OPERATOR}
    return (
        Resource(
            "POST",
            "/api/schedule",
            steering.add,
            "Add an entry",
            "schedule",
            role=Role.ADMIN,
            body=AddBody,
            answers=EntryDetail,
            status=201,
            is_creation=True,
            problems=(409, 501),
        ),
        Resource(
            "PATCH",
            ONE,
            steering.edit,
            "Change fields of an entry",
            body=EditBody,
            answers=EntryDetail,
            problems=(404, 409, 412, 501),
            **steer,
        ),
        Resource(
            "DELETE",
            f"{ONE}/override",
            steering.revert,
            "Take changes of an entry away",
            query=RevertQuery,
            answers=EntryDetail,
            problems=(404, 409, 412, 501),
            **steer,
        ),
        Resource(
            "DELETE",
            ONE,
            steering.remove,
            "Remove an entry that was added",
            "schedule",
            role=Role.ADMIN,
            query=RemoveQuery,
            answers=RemovedEntries,
            problems=NO,
        ),
    )


def _request(asked: Asked, entry: str) -> str:
    """Draw what tells a run from others; a repeated request is the same one."""
    if not asked.idempotency_key:
        return secrets.token_hex(6)
    key = f"{asked.caller.means.value}\0{asked.caller.who}\0{entry}\0{asked.idempotency_key}"
    return sha256(key.encode("utf-8", "replace")).hexdigest()[:12]


async def _detail(view: ScheduleView, asked: Asked, entry: str) -> Answer:
    found, tag = await view.detail(entry)
    return Answer(detail_for(found, asked.caller), etag=tag)
