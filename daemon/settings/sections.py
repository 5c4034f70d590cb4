"""The sections of a site file, typed. One default, one place; unknown keys are errors.

A key that is planned and that this version cannot honour is refused by name (``NOT_YET``): what is accepted is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from daemon.public import Public
from daemon.settings.celery_sections import CelerySection, TaskSection
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


class EntryOptions(Section):
    """``options`` of an entry, in the names of Celery's ``apply_async``."""

    queue: Label | None = None
    priority: Priority | None = None
    expires: Duration | None = None
    time_limit: Duration | None = None
    soft_time_limit: Duration | None = None
    headers: dict[Label, Any] = Field(default_factory=dict)


class CatchUpSetting(Section):
    """``catch_up`` of an entry; a bare string means its policy."""

    policy: Literal["skip", "one", "all"] = "one"
    window: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_policy(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value


class EntrySection(Section):
    """``[schedule.NAME]``: one entry."""

    task: Label
    every: Duration | None = None
    cron: str | None = None
    anchor: datetime | None = None
    timezone: Zone | None = None
    dst: Literal["cron", "instant"] = "cron"
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    options: EntryOptions = EntryOptions()
    catch_up: CatchUpSetting = CatchUpSetting()
    overlap: Literal["allow"] = "allow"
    enabled: bool = True

    @field_validator("anchor")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise wrong("an anchor needs an offset", "write 2026-01-01T00:00:00Z")
        return value

    @model_validator(mode="after")
    def _one_trigger(self) -> EntrySection:
        if (self.every is None) == (self.cron is None):
            raise wrong("exactly one of every and cron is needed", 'write every = "15m" or cron = "0 2 * * *"')
        if self.anchor is not None and self.every is None:
            raise wrong("anchor belongs to every", "a cron expression needs none")
        if self.cron is None and not self.model_fields_set.isdisjoint(("timezone", "dst")):
            raise wrong(
                "timezone and dst belong to cron", "an interval is counted from its anchor, whatever clocks show"
            )
        return self


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


class Settings(Section):
    """A whole site file."""

    site: SiteSection
    celery: CelerySection = CelerySection()
    embedded_broker: EmbeddedBrokerSection = EmbeddedBrokerSection()
    schedule: dict[Name, EntrySection] = Field(default_factory=dict)
    task: dict[Label, TaskSection] = Field(default_factory=dict)
    feed: dict[Name, FeedSection] = Field(default_factory=dict)
    spool: SpoolSection = SpoolSection()
    api: ApiSection = ApiSection()
