"""From layers to an entry: what the schedule runs once everyone has been heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from daemon.public import Public
from daemon.scheduler.catalog import make_entry
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.layers.added import Added
from daemon.scheduler.layers.layer import ADDED, TRIGGERS, Layer, Origin, Setting, merge
from daemon.scheduler.layers.override import FIXED, PAUSE
from daemon.scheduler.model import Entry, Pause
from daemon.scheduler.timing import TimingInvalid
from daemon.settings import Problem
from daemon.settings.entry_section import EntrySection
from daemon.settings.load import problems_of

ZONE = "timezone"
_FIELD = 2
"""Where the key stands in a path ``schedule.NAME.KEY``."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What the lower layers say of an entry, the lowest first."""

    name: Public
    layers: tuple[Layer, ...]

    @property
    def id(self) -> str:
        """Say what it is known by: the topmost ``id``, or else its name."""
        for layer in reversed(self.layers):
            if "id" in layer.fields:
                return str(layer.fields["id"].value)
        return str(self.name)

    @property
    def source(self) -> Public:
        """Name the topmost layer."""
        return self.layers[-1].source


@dataclass(frozen=True, slots=True)
class Composed:
    """An entry as it stands.

    Attributes:
        entry: ``None`` if it is disabled or cannot be.
        is_enabled: ``False`` if someone disabled it.
        problems: why it cannot be, or which fields of an override are disregarded, and why.
        data: its keys, as in a site file.
        provenance: where each field comes from.
        expires_us: when a field falls back and all is to be looked at anew.
    """

    entry: Entry | None
    is_enabled: bool
    problems: tuple[Problem, ...]
    data: Mapping[str, Any] = field(repr=False)
    provenance: Mapping[str, Origin] = field(repr=False)
    expires_us: int | None = None


def made(
    name: Public, data: Mapping[str, Any], zone: Public
) -> tuple[Entry | None, EntrySection | None, list[Problem]]:
    """Make an entry of keys as in a site file; with problems, say all of them."""
    path = ("schedule", str(name))
    try:
        section = EntrySection.model_validate(data)
    except ValidationError as error:
        return None, None, problems_of(error, path, data)
    try:
        return make_entry(name, section, zone), section, []
    except TimingInvalid as error:
        return None, section, [Problem((*path, *error.path), str(error), error.hint)]
    except TriggerInvalid as error:
        return None, section, [Problem(path, str(error), error.hint)]


def compose(
    definition: Definition,
    override: Layer | None,
    zone: Public,
    now_us: int,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Composed:
    """Lay an override over a definition. Fields of it that make no entry are disregarded and reported; a pause always counts.

    ``more`` holds attributes of the entry that no layer has.
    """
    expires_us = None if override is None else override.first_expiry_us(now_us)
    top = {} if override is None else dict(override.at(now_us).fields)
    pause = top.get(PAUSE)
    disregarded: list[Problem] = []
    while True:
        fields = {name: one for name, one in top.items() if name != PAUSE and name not in FIXED}
        layers = (*definition.layers, *((Layer(override.source, fields),) if override is not None and fields else ()))
        merged = merge(layers)
        entry, section, errors = made(definition.name, merged.data, zone)
        if errors and _changes_timing(fields) and ZONE in merged.data:
            # The zone below belonged to the timing below; the new one may have no use for it.
            kept = {name: value for name, value in merged.data.items() if name != ZONE}
            found = made(definition.name, kept, zone)
            if found[0] is not None:
                entry, section, errors = replace(found[0], zone=str(merged.data[ZONE])), *found[1:]
        if not errors or not fields:
            break
        disregarded += errors
        wrong = {_field(one) for one in errors} & fields.keys() or fields.keys()
        top = {name: one for name, one in top.items() if name not in wrong}
    provenance = dict(merged.provenance)
    if pause is not None and override is not None:
        provenance[PAUSE] = Origin(override.source, pause)
    is_enabled = section is None or section.enabled
    if entry is None or errors or not is_enabled:
        return Composed(None, is_enabled, (*disregarded, *errors), merged.data, provenance, expires_us)
    is_paused = pause is not None and pause.value is True
    paused = Pause(pause.expires_us, pause.reason, pause.author) if pause is not None and is_paused else None
    entry = replace(entry, pause=paused, source=definition.source, **more)
    return Composed(entry, is_enabled, tuple(disregarded), merged.data, provenance, expires_us)


def _changes_timing(fields: Mapping[str, Setting]) -> bool:
    return bool(TRIGGERS.keys() & fields.keys()) and ZONE not in fields


def _field(problem: Problem) -> str:
    """Name the field a problem concerns."""
    key = problem.path[_FIELD:]
    return ".".join(map(str, key[:2])) if key[:1] == ("options",) else str(key[0]) if key else ""


def definition_of(one: Added) -> Definition:
    """Turn an entry that was added into a definition."""
    return Definition(one.shown_name, (Layer.of(ADDED, one.data, author=one.author, at_us=one.at_us),))


def compose_added(one: Added, override: Layer | None, zone: Public, now_us: int) -> Composed:
    """Make an entry that was added, with what lies over it."""
    more = {
        "identity": Public(one.id),
        "begins_us": one.at_us if one.begins_us is None else one.begins_us,
        "how": one.how,
        "is_once": one.is_once,
        "task_id": one.task_id,
        "kin": one.kin,
        **({"zone": one.zone} if one.zone is not None else {}),
    }
    return compose(definition_of(one), override, zone, now_us, more)


def first_look_us(composed: Composed, now_us: int) -> int | None:
    """Say when an entry that is added must be looked at first; ``None`` if it will never fire."""
    if composed.entry is None:
        return now_us  # disabled: whoever looks finds nothing to do
    entry = composed.entry
    begins_us = now_us if entry.begins_us is None else entry.begins_us
    return entry.trigger.begun(begins_us).next_after(begins_us)
