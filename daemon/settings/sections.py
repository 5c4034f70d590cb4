"""The sections of a site file, typed. One default, one place; unknown keys are errors.

A key that is planned and that this version cannot honour is refused by name (``NOT_YET``): what is accepted is done.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from daemon.public import Public
from daemon.settings.api_section import ApiSection
from daemon.settings.audit_section import AuditSection
from daemon.settings.celery_sections import CelerySection, TaskSection
from daemon.settings.entry_section import EntrySection, LimitSetting
from daemon.settings.feed import FeedSection
from daemon.settings.health_section import HealthSection
from daemon.settings.history_section import HistorySection
from daemon.settings.metrics_section import MetricsSection
from daemon.settings.section import Section
from daemon.settings.spool_section import SpoolSection
from daemon.settings.tracing_section import TracingSection
from daemon.settings.values import (
    Duration,
    Label,
    Name,
    Zone,
    wrong,
)
from daemon.settings.watch_section import WatchSection

SHORTEST_POLL_S, LONGEST_POLL_S = 0.5, 3600.0


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
    audit: AuditSection = AuditSection()
    metrics: MetricsSection = MetricsSection()
    health: HealthSection = HealthSection()
    tracing: TracingSection = TracingSection()
