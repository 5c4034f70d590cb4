"""What a change would make of an entry, and by what it is told that somebody else was faster. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from daemon.desks.schedule import Trial, WrongField
from daemon.desks.scheduling import Change
from daemon.public import Public, escaped
from daemon.scheduler.desk.item import Item, tag_source
from daemon.scheduler.desk.rows import FIRES, fires_of, is_secret, wrong_fields
from daemon.scheduler.desk.words import timing_text
from daemon.scheduler.layers.added import Added
from daemon.scheduler.layers.compose import Composed, compose, compose_added
from daemon.scheduler.layers.layer import OVERRIDE, Layer, Setting
from daemon.scheduler.layers.override import FIXED, OPTIONS, PAUSE


def tag_of_item(item: Item) -> str:
    """Make an entity tag of what can be changed of an entry."""
    return sha256(repr(tag_source(item)).encode("utf-8", "replace")).hexdigest()[:20]


def try_out(item: Item | None, change: Change, zone: Public, now_us: int) -> Trial:
    """Say what a change would make of an entry; without one, ``change.set`` is a whole entry."""
    wrong = [
        WrongField(name, "says which entry is meant, and cannot be changed", "") for name in FIXED & change.set.keys()
    ]
    wrong += [WrongField(name, "is changed by pausing and resuming", "") for name in {PAUSE} & change.set.keys()]
    if item is not None and OPTIONS in change.set:
        wrong.append(WrongField(OPTIONS, "cannot be changed as a whole", "name each: options.queue, options.headers"))
    if wrong:
        return Trial((), (), "", wrong)
    composed = laid(item, change, zone, now_us)
    before = [] if item is None or item.entry is None else fires_of(item.entry, item.horizon, now_us, FIRES)
    after = [] if composed.entry is None else fires_of(composed.entry, _kept(item, composed), now_us, FIRES)
    zone_text = "UTC" if composed.entry is None else str(composed.entry.zone)
    return Trial(before, after, timing_text(composed.data, zone_text).words, wrong_fields(composed.problems))


def laid(item: Item | None, change: Change, zone: Public, now_us: int) -> Composed:
    """Lay a change over an entry."""
    if item is None or item.definition is None:
        return compose_added(Added("new", "new", change.set, begins_us=now_us), None, zone, now_us)
    fields = dict(item.override.at(now_us).fields) if item.override is not None else {}
    for name in change.clear:
        fields.pop(name, None)
    fields |= {name: Setting(value) for name, value in change.set.items()}
    override = Layer(OVERRIDE, fields) if fields else None
    if item.added is not None:
        return compose_added(item.added, override, zone, now_us)
    return compose(item.definition, override, zone, now_us)


def _kept(item: Item | None, composed: Composed) -> Any:
    """Give what the broker remembers, if the timing stays the same; a new one is counted anew."""
    if item is None or item.entry is None or composed.entry is None or item.entry.revision != composed.entry.revision:
        return None
    return item.horizon


def fields_text(composed: Composed | None, names: Iterable[str]) -> str:
    """Write fields for the record: what tasks are given is named alone."""
    data: Mapping[str, Any] = {} if composed is None else {
        name: origin.setting.value for name, origin in composed.provenance.items()
    }  # fmt: skip
    parts = [
        f"{name}=…" if is_secret(name) else f"{name}={data[name]!r}" if name in data else f"{name} unset"
        for name in sorted(set(names))
    ]
    return escaped("; ".join(parts))
