"""Where the fields of an entry come from: layers of settings, the higher ones laid over the lower.

A field is a key of ``[schedule.NAME]`` in the site file; what stands in ``options`` counts one by one (``options.queue``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from daemon.public import Public

APP, SITE, DJANGO, ADDED, OVERRIDE = map(Public, ("app", "site", "django", "added", "override"))
"""Names of layers, lowest first."""

TRIGGERS = {
    "every": frozenset(("anchor", "relative", "timezone")),
    "cron": frozenset(("timezone", "dst")),
    "at": frozenset(("timezone",)),
    "solar": frozenset(("timezone",)),
    "rrule": frozenset(("timezone", "dst")),
    "triggers": frozenset(("timezone", "dst")),
}
"""Of these an entry has one, with what belongs to it: a higher layer that gives one takes the place of any other below."""

TARGETS = frozenset(("task", "chain", "group", "chord"))
"""Of these too an entry has one."""

_OPTIONS = "options"
_DOT = f"{_OPTIONS}."


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of a field, and who gave it, when, why and until when; the value is left out of the representation."""

    value: Any = field(repr=False)
    author: str = ""
    at_us: int | None = None
    reason: str = field(default="", repr=False)
    expires_us: int | None = None

    def holds(self, now_us: int) -> bool:
        """Say whether it has not expired."""
        return self.expires_us is None or now_us < self.expires_us


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says of an entry."""

    source: Public
    fields: Mapping[str, Setting]

    @classmethod
    def of(cls, source: Public, data: Mapping[str, Any], *, author: str = "", at_us: int | None = None) -> Layer:
        """Make a layer of an entry written as in a site file."""
        return cls(source, {name: Setting(value, author, at_us) for name, value in fields_of(data).items()})

    def at(self, now_us: int) -> Layer:
        """Leave out what has expired."""
        return Layer(self.source, {name: one for name, one in self.fields.items() if one.holds(now_us)})

    def first_expiry_us(self, now_us: int) -> int | None:
        """Give the next instant at which a field falls back; ``None`` if none will."""
        ends = (one.expires_us for one in self.fields.values() if one.expires_us is not None)
        return min((end for end in ends if end > now_us), default=None)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which layer a field comes from, and what it says."""

    source: Public
    setting: Setting


@dataclass(frozen=True, slots=True)
class Merged:
    """An entry written as in a site file, and where each field comes from; values are left out of the representation."""

    data: Mapping[str, Any] = field(repr=False)
    provenance: Mapping[str, Origin] = field(repr=False)


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Take an entry apart into fields."""
    fields = {name: value for name, value in data.items() if name != _OPTIONS}
    options = data.get(_OPTIONS)
    if isinstance(options, Mapping):
        fields |= {f"{_DOT}{name}": value for name, value in options.items()}
    elif options is not None:
        fields[_OPTIONS] = options  # no table: for the check of the whole to refuse
    return fields


def data_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Put fields together again into an entry as written in a site file."""
    data: dict[str, Any] = {}
    for name, value in fields.items():
        if name.startswith(_DOT):
            data.setdefault(_OPTIONS, {})[name.removeprefix(_DOT)] = value
        else:
            data[name] = value
    return data


def merge(layers: Sequence[Layer]) -> Merged:
    """Lay layers over each other, the lowest first."""
    found: dict[str, Origin] = {}
    for layer in layers:
        for name in _displaced(found.keys(), layer.fields.keys()):
            del found[name]
        found |= {name: Origin(layer.source, setting) for name, setting in layer.fields.items()}
    return Merged(data_of({name: origin.setting.value for name, origin in found.items()}), found)


def _displaced(below: AbstractSet[str], above: AbstractSet[str]) -> set[str]:
    """Name the fields below that go, for what lies above says the same in another way."""
    gone: set[str] = set()
    if given := TRIGGERS.keys() & above:
        staying = given.union(*(TRIGGERS[one] for one in given))
        gone |= (TRIGGERS.keys() | frozenset().union(*TRIGGERS.values())) - staying
    if TARGETS & above:
        gone |= TARGETS
    return gone & below
