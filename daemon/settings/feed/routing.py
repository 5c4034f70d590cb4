"""Keys of ``[feed.NAME]`` and ``[[feed.NAME.route]]`` about what becomes of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from daemon.settings.section import Section
from daemon.settings.values import Duration, Label, Labels, Priority


class RouteSection(Section):
    """``[[feed.NAME.route]]``: which messages become which task."""

    NOT_YET: ClassVar[Mapping[str, str]] = {"lane_by": "messages of a feed reach their queue in order; leave it out"}

    type: Labels | None = None
    event: Labels | None = None
    task: Label
    kwargs: dict[str, str] | None = None
    queue: Label | None = None
    priority: Priority | None = None
    expires: Duration | None = None


class RoutingKeys(Section):
    """What becomes of messages."""

    unrouted: Literal["reject", "park"] = "reject"
    route: list[RouteSection] = Field(default_factory=list)
