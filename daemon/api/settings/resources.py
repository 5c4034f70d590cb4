"""What can be asked of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from daemon.api.http.asked import Asked
from daemon.api.http.page import Paged, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.desks.configuration import ConfigurationDesk, SettingRow

Text = Annotated[str, Field(max_length=255)]


class SettingsQuery(Paged):
    """Which settings."""

    section: Text = ""
    text: Text = ""
    given: Annotated[bool, Field(description="Only those that somebody gave.")] = False


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """A page of settings, and the names of all sections."""

    items: Sequence[SettingRow]
    next: str | None
    total: int
    sections: Sequence[str]


def settings_resources(desk: ConfigurationDesk) -> tuple[Resource, ...]:
    """List what can be asked of the settings."""

    async def rows(asked: Asked) -> Any:
        query = asked.asks(SettingsQuery)
        keys = keys_of(query.after, 1)
        found = [one for one in desk.rows() if _fits(one, query)]
        after = "" if keys is None else str(keys[0])
        page = [one for one in found if one.key > after][: query.limit + 1]
        shown = page[: query.limit]
        following = cursor(shown[-1].key) if len(page) > query.limit else None
        return SettingsPage(shown, following, len(found), desk.sections())

    return (
        Resource(
            "GET",
            "/api/settings",
            rows,
            "List the settings that count, and where each comes from",
            "settings",
            query=SettingsQuery,
            answers=SettingsPage,
        ),
    )


def _fits(row: SettingRow, query: SettingsQuery) -> bool:
    if query.section and row.key.partition(".")[0] != query.section:
        return False
    if query.given and row.source == "default":
        return False
    return query.text.casefold() in row.key.casefold()
