"""The sections of a site file, typed. One default, one place; unknown keys are errors.

A key that is planned and that this version cannot honour is refused by name (``NOT_YET``): what is accepted is done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from daemon.public import Public
from daemon.settings.celery_sections import CelerySection, TaskSection
from daemon.settings.entry_section import EntrySection, LimitSetting
from daemon.settings.history_section import HistorySection
from daemon.settings.section import Section
from daemon.settings.values import (
    Duration,
    Label,
    Labels,
    ListenAddress,
    Name,
    Priority,
    Size,
    Zone,
    parse_address,
    wrong,
)
from daemon.settings.watch_section import WatchSection

SHORTEST_POLL_S, LONGEST_POLL_S = 0.5, 3600.0
SMALLEST_FRAME_LIMIT_BYTES = 1024
LARGEST_FRAME_LIMIT_BYTES = 32 * 1024 * 1024
"""A task's message holds the text and the bytes of an HL7 message, and may have 128 MiB in all."""


class SiteSection(Section):
    """``[site]``: who this is and where its state lives."""

    name: Name
    timezone: Zone = Public("UTC")
    state_dir: Path
    require_celery: bool = False
    drain_timeout: Duration = 20.0

    @field_validator("state_dir", mode="before")
    @classmethod
    def _a_path(cls, value: Any) -> Any:
        if isinstance(value, str) and not (value and value.isprintable()):
            raise wrong("not a path", 'write "/var/lib/carillon"')
        return value


class EmbeddedBrokerSection(Section):
    """``[embedded_broker]``: the private Valkey behind ``broker_url = "embedded"``."""

    port: int = Field(default=0, ge=0, le=65535)
    appendfsync: Literal["always", "everysec"] = "everysec"
    binary: Path | None = None


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


class FeedSection(Section):
    """``[feed.NAME]``: one inbound HL7 interface."""

    NOT_YET: ClassVar[Mapping[str, str]] = {"tls": "put the listener behind a TLS terminator on the same machine"}

    listen: ListenAddress
    ack: Literal["msh", "original", "enhanced", "always-aa", "none"] = "msh"
    ack_when: Literal["stored"] = "stored"
    unrouted: Literal["reject", "park"] = "reject"
    charset: Label = Public("cp1252")
    frame_limit: Size = 16 * 1024 * 1024
    connections: int = Field(default=64, ge=1, le=10_000)
    idle_timeout: Duration = 86_400.0
    frame_timeout: Duration = 30.0
    write_timeout: Duration = 60.0
    route: list[RouteSection] = Field(default_factory=list)

    @field_validator("frame_limit")
    @classmethod
    def _holds_a_message(cls, value: int) -> int:
        if value < SMALLEST_FRAME_LIMIT_BYTES:
            raise wrong("no message would fit", 'write at least "1KiB"; the default is "16MiB"')
        if value > LARGEST_FRAME_LIMIT_BYTES:
            raise wrong("larger messages could be stored and not be handed on", 'write at most "32MiB"')
        return value


class SpoolSection(Section):
    """``[spool]``: where acknowledged messages live."""

    retention: Duration = 7 * 86_400.0
    size_limit: Size = 20 * 1024**3
    free_floor: Size = 256 * 1024**2
    suspect_window: Duration = 3_600.0


class ApiSection(Section):
    """``[api]``: health and metrics over HTTP."""

    listen: ListenAddress = parse_address("127.0.0.1:8674")

    @field_validator("listen")
    @classmethod
    def _loopback(cls, value: Any) -> Any:
        if not value.is_loopback:
            raise wrong("this version has no sign-in, so the API listens on this machine only", "use 127.0.0.1:8674")
        return value


_DATABASES = re.compile(r"(postgresql\+asyncpg|mysql\+aiomysql|mariadb\+aiomysql|sqlite\+aiosqlite)://.+", re.DOTALL)


class DjangoBeatSection(Section):
    """``[django_beat]``: django-celery-beat's tables, whose rows are entries."""

    url: str = Field(repr=False)
    poll: Duration = 5.0

    @field_validator("url")
    @classmethod
    def _has_a_driver(cls, value: str) -> str:
        if not _DATABASES.fullmatch(value):
            hint = "write postgresql+asyncpg://…, mysql+aiomysql://… or sqlite+aiosqlite:////path"
            raise wrong("not the address of a database", hint)
        return value

    @field_validator("poll")
    @classmethod
    def _not_too_often(cls, value: float) -> float:
        if not SHORTEST_POLL_S <= value <= LONGEST_POLL_S:
            raise wrong("the tables are looked at every half second at most, and once an hour at least")
        return value


class Settings(Section):
    """A whole site file."""

    site: SiteSection
    celery: CelerySection = CelerySection()
    embedded_broker: EmbeddedBrokerSection = EmbeddedBrokerSection()
    schedule: dict[Name, EntrySection] = Field(default_factory=dict)
    task: dict[Label, TaskSection] = Field(default_factory=dict)
    queue: dict[Label, LimitSetting] = Field(default_factory=dict)
    feed: dict[Name, FeedSection] = Field(default_factory=dict)
    django_beat: DjangoBeatSection | None = None
    history: HistorySection = HistorySection()
    spool: SpoolSection = SpoolSection()
    watch: WatchSection = WatchSection()
    api: ApiSection = ApiSection()
