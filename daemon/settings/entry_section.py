"""``[schedule.NAME]``: one entry; and back from it to plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, field_validator, model_validator

from daemon.settings.moments import RateValue, parse_moment
from daemon.settings.section import Section
from daemon.settings.trigger_section import TimingSection
from daemon.settings.values import Duration, Label, Name, Priority, parse_duration_s, wrong

_CANVASES = ("chain", "group", "chord")
_STEPS_LIMIT = 1000
_DATE = re.compile(r"\d{4}-\d\d-", re.ASCII)


def _expiry(value: Any) -> float | datetime:
    is_moment = isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value))
    if not is_moment:
        return parse_duration_s(value)
    found = parse_moment(value)
    if found.tzinfo is None:
        raise wrong("an instant of expiry needs an offset", "write 2026-01-31T08:00:00Z, or a duration")
    return found


def _shown_expiry(value: float | datetime | None) -> float | str | None:
    return value.isoformat() if isinstance(value, datetime) else value


Expiry = Annotated[float | datetime, PlainValidator(_expiry), PlainSerializer(_shown_expiry, when_used="json")]
"""How long a message lives, or until when."""


class EntryOptions(Section):
    """``options`` of an entry, in the names of Celery's ``apply_async``."""

    queue: Label | None = None
    priority: Priority | None = None
    expires: Expiry | None = None
    time_limit: Duration | None = None
    soft_time_limit: Duration | None = None
    headers: dict[Label, Any] = Field(default_factory=dict)


class StepSection(Section):
    """A task of a chain, group or chord; ``immutable`` keeps the result before it out of its arguments."""

    task: Label
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    options: EntryOptions = EntryOptions()
    immutable: bool = False

    @field_validator("options")
    @classmethod
    def _lives_for_a_time(cls, value: EntryOptions) -> EntryOptions:
        if isinstance(value.expires, datetime):
            raise wrong("expires: an instant is for an entry's own task", "write a duration")
        return value


class ChordSection(Section):
    """``chord``: tasks beside each other, and one with their results."""

    header: list[StepSection] = Field(min_length=1, max_length=_STEPS_LIMIT)
    body: StepSection


class CatchUpSetting(Section):
    """``catch_up`` of an entry; a bare string means its policy."""

    policy: Literal["skip", "one", "all"] = "one"
    window: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_policy(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value


class OverlapSetting(Section):
    """``overlap`` of an entry; a bare string means its policy."""

    policy: Literal["allow", "skip", "queue-one", "queue-all", "cancel-other", "terminate-other"] = "allow"
    stale_after: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_policy(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _stale_has_a_use(self) -> OverlapSetting:
        if self.stale_after is not None and self.policy == "allow":
            raise wrong("stale_after does not go with allow", "runs are not watched where they may overlap")
        return self


class LimitSetting(Section):
    """``limit`` of an entry, and ``[queue."NAME"]``: how many at once, and how many in a time."""

    concurrency: int | None = Field(default=None, ge=1, le=100_000)
    rate: RateValue | None = None

    @model_validator(mode="after")
    def _something(self) -> LimitSetting:
        if self.concurrency is None and self.rate is None:
            raise wrong("nothing is limited", 'write concurrency = 3 or rate = "10/m", or leave it out')
        return self


class ExpectSetting(Section):
    """``expect`` of an entry: by when a run has started and ended, counted from its occurrence."""

    start_within: Duration | None = None
    finish_within: Duration | None = None
    ping: str | None = None

    @field_validator("ping")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and value.isprintable()
        except ValueError:
            is_one = False
        if not is_one or " " in value:
            raise wrong("not an address to ping", 'write "https://hc-ping.com/…"')
        return value

    @model_validator(mode="after")
    def _something(self) -> ExpectSetting:
        if self.start_within is None and self.finish_within is None and self.ping is None:
            raise wrong("nothing is expected", 'write finish_within = "1h", or leave it out')
        if self.start_within is not None and self.finish_within is not None and self.start_within > self.finish_within:
            raise wrong("start_within is longer than finish_within", "a run starts before it ends")
        return self


class EntrySection(TimingSection):
    """``[schedule.NAME]``: one entry."""

    ORDER: ClassVar[tuple[str, ...]] = ("id", "task", *_CANVASES)

    id: Name | None = None
    chain: list[StepSection] | None = Field(default=None, min_length=1, max_length=_STEPS_LIMIT)
    group: list[StepSection] | None = Field(default=None, min_length=1, max_length=_STEPS_LIMIT)
    chord: ChordSection | None = None
    task: Label | None = None
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    options: EntryOptions = EntryOptions()
    catch_up: CatchUpSetting = CatchUpSetting()
    start_deadline: Duration | None = None
    overlap: OverlapSetting = OverlapSetting()
    limit: LimitSetting | None = None
    expect: ExpectSetting | None = None
    enabled: bool = True

    @field_validator("task")
    @classmethod
    def _a_task_or_several(cls, value: Any, info: ValidationInfo) -> Any:
        # A canvas that is wrong is missing from ``data``, and said to be wrong elsewhere.
        if value is None and all(info.data.get(key, "wrong") is None for key in _CANVASES):
            raise wrong("is missing")
        return value

    @model_validator(mode="after")
    def _one_target(self) -> EntrySection:
        named = [key for key in ("task", *_CANVASES) if getattr(self, key) is not None]
        if len(named) > 1:
            raise wrong(f"{' and '.join(named)} exclude each other", "write one of task, chain, group and chord")
        if named != ["task"] and (self.args or self.kwargs):
            raise wrong(f"args and kwargs belong to the tasks of the {named[0]}", "write them there")
        return self


def section_as_data(section: EntrySection) -> dict[str, Any]:
    """Give the keys that are set, as plain data (JSON) that makes an equal section; in the order of a site file."""
    data: Mapping[str, Any] = section.model_dump(mode="json", by_alias=True, exclude_unset=True)
    data = {key: _shortened(key, value) for key, value in data.items() if value is not None}
    first = [key for key in section.ORDER if key in data]
    return {key: data[key] for key in [*first, *(key for key in data if key not in first)]}


def _shortened(key: str, value: Any) -> Any:
    is_bare = key in ("catch_up", "overlap") and value.keys() == {"policy"}
    return value["policy"] if is_bare else value
