"""``[celery]`` and ``[task.NAME]``: what publisher and workers must agree on, in Celery's own lower-case names.

What the application itself says (``celery.app``) counts where the site file is silent; see ``conf_of``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from daemon.public import Public
from daemon.settings.section import Section
from daemon.settings.values import Duration, Label, Priority, wrong

Seconds = Duration
REGEX = "re:"
"""Begins a key of ``task_routes`` that is a regular expression; TOML has no value of that kind."""

ExchangeType = Literal["direct", "topic", "fanout"]
Serializer = Literal["json", "yaml", "msgpack"]
Compression = Literal["gzip", "zlib", "bzip2", "lzma", "xz", "zstd", "brotli"]


class TaskOptions(Section):
    """Options of ``apply_async`` that a route or a declared task may carry."""

    queue: Label | None = None
    exchange: Label | None = None
    routing_key: Label | None = None
    priority: Priority | None = None
    expires: Seconds | None = None
    time_limit: Seconds | None = None
    soft_time_limit: Seconds | None = None
    ignore_result: bool | None = None
    serializer: Serializer | None = None
    compression: Compression | None = None

    def given(self) -> dict[str, Any]:
        """Give the options that were written, in Celery's names."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class RouteSetting(TaskOptions):
    """A value of ``celery.task_routes``; a bare string means its queue."""

    @model_validator(mode="before")
    @classmethod
    def _bare_queue(cls, value: Any) -> Any:
        return {"queue": value} if isinstance(value, str) else value


class QueueSetting(Section):
    """A queue of ``celery.task_queues``; without an exchange it is the direct queue of its name."""

    exchange: Label | None = None
    exchange_type: ExchangeType = "direct"
    routing_key: Label | None = None
    max_priority: int | None = Field(default=None, ge=1, le=255)
    expires: Seconds | None = None
    queue_arguments: dict[str, Any] = Field(default_factory=dict)


class BrokerTransportOptions(Section):
    """``celery.broker_transport_options``: what publisher and workers must share."""

    global_keyprefix: str = ""
    priority_steps: tuple[int, ...] = (0, 3, 6, 9)
    sep: str = "\x06\x16"
    unacked_key: str = "unacked"
    visibility_timeout: Seconds | None = None
    master_name: Label | None = None
    min_other_sentinels: int = Field(default=0, ge=0, le=100)
    sentinel_kwargs: dict[str, Any] = Field(default_factory=dict, repr=False)

    @field_validator("priority_steps")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or not set(value) <= set(range(10)):
            raise wrong("priority steps ascend within 0 to 9", "Celery's default is [0, 3, 6, 9]")
        return value


class ResultTransportOptions(Section):
    """``celery.result_backend_transport_options``."""

    global_keyprefix: str = ""
    master_name: Label | None = None
    min_other_sentinels: int = Field(default=0, ge=0, le=100)
    sentinel_kwargs: dict[str, Any] = Field(default_factory=dict, repr=False)


class CelerySection(Section):
    """``[celery]``. ``embedded`` stands for a private Valkey in the state folder."""

    app: Label | None = None
    app_python: Path | None = None
    app_dir: Path | None = None
    app_timeout: Seconds = 60.0
    beat_schedule: bool = True
    broker_url: str = Field(default="embedded", repr=False)
    result_backend: str | None = Field(default=None, repr=False)
    broker_use_ssl: bool | dict[str, Any] | None = None
    redis_backend_use_ssl: bool | dict[str, Any] | None = None
    task_default_queue: Label = Public("celery")
    task_default_exchange: Label | None = None
    task_default_exchange_type: ExchangeType = "direct"
    task_default_routing_key: Label | None = None
    task_default_priority: Priority = 0
    task_queues: dict[Label, QueueSetting] = Field(default_factory=dict)
    task_create_missing_queues: bool = True
    task_queue_max_priority: int | None = Field(default=None, ge=1, le=255)
    task_routes: dict[Label, RouteSetting] = Field(default_factory=dict)
    task_send_sent_event: bool = False
    beat_enable_remote_control: bool = True
    control_exchange: Label = Public("celery")
    event_exchange: Label = Public("celeryev")
    result_serializer: Serializer = "json"
    broker_transport_options: BrokerTransportOptions = BrokerTransportOptions()
    result_backend_transport_options: ResultTransportOptions = ResultTransportOptions()

    @field_validator("task_queues", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return {name: {} for name in value}
        return value

    @field_validator("task_routes", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """Take Celery's list of pairs too; a table keeps its order as well."""
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]  # Celery's own form: a list of such lists
        is_pairs = isinstance(value, list) and all(
            isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)  # noqa: PLR2004 - a pair
            for pair in value
        )
        return dict(value) if is_pairs else value

    @field_validator("task_routes")
    @classmethod
    def _compiles(cls, value: dict[Public, RouteSetting]) -> dict[Public, RouteSetting]:
        for name in value:
            if name.startswith(REGEX):
                try:
                    re.compile(name.removeprefix(REGEX))
                except re.error as error:
                    raise wrong(f'"{name}" is no regular expression ({error})') from None
        return value

    @model_validator(mode="after")
    def _an_app(self) -> CelerySection:
        of_app = ("app_python", "app_dir", "app_timeout", "beat_schedule")
        if self.app is None and not self.model_fields_set.isdisjoint(of_app):
            names = "app_python, app_dir, app_timeout and beat_schedule"
            raise wrong(f"{names} belong to app", 'write app = "project" as for celery -A')
        return self

    def given(self) -> dict[str, Any]:
        """Give the settings that were written, in Celery's names and forms, without what is only ours."""
        ours = {"app", "app_python", "app_dir", "app_timeout", "beat_schedule"}
        found = self.model_dump(exclude_unset=True, exclude=ours)
        if "task_routes" in found:
            pairs = [[_pattern(str(name)), route.given()] for name, route in self.task_routes.items()]
            found["task_routes"] = [{"kind": "map", "pairs": pairs}]
        if "task_queues" in found:
            found["task_queues"] = [_queue(str(name), queue) for name, queue in self.task_queues.items()]
        return found


class TaskSection(TaskOptions):
    """``[task."NAME"]``: a task declared by hand, with the options its class has in the application."""


def _pattern(name: str) -> str | dict[str, str]:
    return {"regex": name.removeprefix(REGEX)} if name.startswith(REGEX) else name


def _queue(name: str, queue: QueueSetting) -> dict[str, Any]:
    return {"name": name, **queue.model_dump(exclude_unset=True, exclude_none=True)}
