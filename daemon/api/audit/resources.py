"""What can be asked of the audit trail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from daemon.api.audit.sheet import sheet
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.moment import MomentUs
from daemon.api.http.page import Page, Paged, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.deeds import DeedKind
from daemon.desks import BadRequest
from daemon.desks.audit import AuditDesk, DeedChoice, DeedRow, TrailStatus

SHEET_LIMIT = 10_000
_SHEET = "text/csv; charset=utf-8"
Text = Annotated[str, Field(max_length=255)]


class AuditQuery(Paged):
    """Which records."""

    since: MomentUs | None = None
    until: MomentUs | None = None
    who: Text = ""
    kind: tuple[DeedKind, ...] = ()
    about: Text = ""
    text: Text = ""
    format: Annotated[Literal["json", "csv"], Field(description="`csv`: up to 10,000 records as a sheet.")] = "json"


def audit_resources(desk: AuditDesk) -> tuple[Resource, ...]:
    """List what can be asked of the audit trail."""

    async def records(asked: Asked) -> Any:
        query = asked.asks(AuditQuery)
        keys = keys_of(query.after, 1)
        before = None if keys is None else keys[0]
        if before is not None and not isinstance(before, int):
            message = '"after" is no word that a page gave'
            raise BadRequest(message, field="after")
        kinds = frozenset(one.value for one in query.kind)
        choice = DeedChoice(query.since, query.until, query.who, kinds, query.about, query.text)
        if query.format == "csv":
            rows = await desk.records(choice, SHEET_LIMIT, before)
            name = {"Content-Disposition": 'attachment; filename="audit.csv"'}
            return Answer(sheet(rows), headers=name, media_type=_SHEET)
        found = await desk.records(choice, query.limit + 1, before)
        rows = found[: query.limit]
        return Page(rows, cursor(rows[-1].n) if len(found) > query.limit else None)

    async def status(asked: Asked) -> Any:
        del asked
        return await desk.status()

    admin: dict[str, Any] = {"tag": "audit", "role": Role.ADMIN}
    return (
        Resource(
            "GET",
            "/api/audit",
            records,
            "List who did what, the newest first",
            query=AuditQuery,
            answers=Page[DeedRow],
            also_as=(_SHEET,),
            **admin,
        ),
        Resource(
            "GET", "/api/audit/status", status, "Say whether the audit trail is whole", answers=TrailStatus, **admin
        ),
    )
