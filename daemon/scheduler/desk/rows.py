"""Entries, runs and fires as they are shown. Pure; no argument of a task gets into any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from daemon.clock import SECOND_US, instant
from daemon.desks.schedule import (
    ArgumentNames,
    EntryDetail,
    EntryRow,
    FieldRow,
    FireRow,
    HeldAll,
    LastRun,
    Paused,
    RunRow,
    WrongField,
)
from daemon.public import escaped
from daemon.scheduler.desk.item import Item, field_of
from daemon.scheduler.desk.told import Tally
from daemon.scheduler.desk.words import timing_text
from daemon.scheduler.history.present import is_spent
from daemon.scheduler.history.why import skip_text
from daemon.scheduler.layers.compose import Composed
from daemon.scheduler.layers.hold_note import HoldNote
from daemon.scheduler.layers.layer import ADDED, OVERRIDE, merge
from daemon.scheduler.layers.override import OPTIONS, PAUSE
from daemon.scheduler.model import Entry, Horizon
from daemon.scheduler.preview import Fire, preview
from daemon.scheduler.run import Run, RunState
from daemon.settings import Problem

HIDDEN = frozenset(("args", "kwargs", "chain", "group", "chord", "options.headers"))
"""Fields that hold what tasks are given."""

SECRET = "expect"  # noqa: S105 - the name of a field; its address is a secret
FIRES = 5
_NOTHING = Tally()


def at(at_us: int | None) -> datetime | None:
    """Write an instant; ``None`` for none."""
    return None if at_us is None else instant(at_us)


def row_of(item: Item, composed: Composed | None, tally: Tally, now_us: int, *, can_change: bool) -> EntryRow:
    """Write an entry as lists have it."""
    state = item.state(now_us)
    data = {} if composed is None else composed.data
    zone = "UTC" if item.entry is None else str(item.entry.zone)
    return EntryRow(
        item.id,
        escaped(item.name),
        escaped(item.task),
        state,
        item.health,
        timing_text(data, zone),
        at(item.next_us),
        last_of(item.last),
        None if tally.late_p95_us is None else tally.late_p95_us / SECOND_US,
        tally.recent,
        tally.failures,
        escaped(item.queue),
        item.source,
        item.is_changed,
        paused_of(item),
        at(item.waits_us),
        escaped(item.note),
        problem_of(item, state),
        actions_of(item, state) if can_change else (),
    )


def last_of(run: Run | None) -> LastRun | None:
    """Write what became of the latest occurrence."""
    if run is None:
        return None
    lateness_s = 0.0 if run.state is RunState.SKIPPED else run.lateness_us / SECOND_US
    return LastRun(instant(run.occurrence_us), run.state.value, lateness_s, reason_text(run))


def paused_of(item: Item) -> Paused | None:
    """Write who paused an entry."""
    pause = None if item.entry is None else item.entry.pause
    if pause is None:
        return None
    setting = None if item.override is None else item.override.fields.get(PAUSE)
    since_us = None if setting is None else setting.at_us
    return Paused(escaped(pause.author), at(since_us), at(pause.until_us), escaped(pause.note))


def problem_of(item: Item, state: str) -> str:
    """Say why an entry cannot be, or will never fire."""
    if item.problems:
        first = item.problems[0]
        where = field_of(first)
        return escaped(f"{where}: {first.message}" if where else first.message)
    if state == "stray":
        return "applies to nothing: there is no such entry"
    if state == "over":
        is_done = item.entry is not None and is_spent(item.entry, item.horizon)
        return "it has run as often as it may" if is_done else "no instant of its rule is to come"
    return ""


def actions_of(item: Item, state: str) -> tuple[str, ...]:
    """Name what can be done with an entry as it stands."""
    if state == "stray":
        return ("revert",)
    found = ["resume"] if item.entry is not None and item.entry.pause is not None else []
    if item.entry is not None:
        found += ["pause", "trigger", "backfill"] if not found else ["trigger", "backfill"]
    found += ["edit", "reveal"]
    if item.is_changed:
        found.append("revert")
    if item.source == ADDED:
        found.append("delete")
    return tuple(found)


def detail_of(
    item: Item, composed: Composed, row: EntryRow, now_us: int, places: Mapping[tuple[str, str], str]
) -> EntryDetail:
    """Write an entry by itself; ``places`` says where fields of entries were written."""
    below: Mapping[str, Any] = {}
    if item.override is not None and item.definition is not None:
        below = {name: one.setting.value for name, one in merge(item.definition.layers).provenance.items()}
    fields = []
    for name, origin in sorted(composed.provenance.items()):
        setting, is_hidden, is_changed = origin.setting, is_secret(name), origin.source == OVERRIDE
        place = "" if is_changed else places.get((item.name, name), "")
        fields.append(
            FieldRow(
                name,
                None if is_hidden else setting.value,
                is_hidden,
                str(origin.source),
                place,
                escaped(setting.author),
                at(setting.at_us),
                at(setting.expires_us),
                escaped(setting.reason),
                is_changed,
                below.get(name) if is_changed and not is_hidden else None,
            )
        )
    entry = item.entry
    return EntryDetail(
        row,
        fields,
        () if entry is None else tuple(fires_of(entry, item.horizon, now_us, FIRES)),
        argument_names(composed.data),
        wrong_fields(composed.problems),
        **_policies(entry),
        counted_from_at=at(item.horizon.since_us) if item.horizon is not None and item.horizon.since_us else None,
    )


def _policies(entry: Entry | None) -> dict[str, Any]:
    return {
        "catch_up": "" if entry is None else entry.catch_up.policy.value,
        "catch_up_window_s": None if entry is None else _seconds(entry.catch_up.window_us),
        "overlap": "" if entry is None else entry.overlap.policy.value,
        "priority": None if entry is None else entry.priority,
        "expires_s": None if entry is None else _seconds(entry.expires_us),
        "start_deadline_s": None if entry is None else _seconds(entry.start_deadline_us),
        "max_runs": None if entry is None else entry.max_runs,
    }


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / SECOND_US


def is_secret(name: str) -> bool:
    """Say whether the value of a field is shown to nobody here."""
    return name in HIDDEN or name == OPTIONS or name.startswith(("options.headers", SECRET))


def argument_names(data: Mapping[str, Any]) -> ArgumentNames:
    """Count arguments by position, and name the others; what their values are is not in it."""
    args, kwargs = data.get("args"), data.get("kwargs")
    names = [escaped(str(name)) for name in kwargs] if isinstance(kwargs, Mapping) else []
    return ArgumentNames(len(args) if isinstance(args, Sequence) and not isinstance(args, str) else 0, names)


def wrong_fields(problems: Iterable[Problem]) -> list[WrongField]:
    """Write what is wrong with an entry."""
    return [WrongField(field_of(one), escaped(one.message), escaped(one.hint)) for one in problems]


def fires_of(
    entry: Entry, horizon: Horizon | None, now_us: int, count: int, until_us: int | None = None
) -> list[FireRow]:
    """Write coming occurrences; what a pause passes over is among them."""
    if is_spent(entry, horizon):
        return []
    trigger = entry.trigger.begun(horizon.since_us if horizon is not None else entry.begins_us or now_us)
    if entry.max_runs is not None:
        count = min(count, entry.max_runs - (0 if horizon is None else horizon.runs))
    found = islice(preview(trigger, entry.zone or "UTC", now_us), count)
    return [fire_row(one) for one in found if until_us is None or one.at_us < until_us]


def fire_row(fire: Fire) -> FireRow:
    """Write a coming occurrence."""
    return FireRow(instant(fire.at_us), fire.local.isoformat(), fire.note)


def run_row(run: Run) -> RunRow:
    """Write what became of an occurrence."""
    is_skip = run.state is RunState.SKIPPED
    ran_s = None
    if run.started_us is not None and run.finished_us is not None:
        ran_s = max(run.finished_us - run.started_us, 0) / SECOND_US
    wait_s = None
    if run.started_us is not None and run.settled_us:
        wait_s = max(run.started_us - run.settled_us, 0) / SECOND_US
    return RunRow(
        instant(run.occurrence_us),
        at(run.last_us or None),
        run.times,
        run.state.value,
        run.how.value,
        None if is_skip else at(run.settled_us or None),
        at(run.started_us),
        at(run.finished_us),
        0.0 if is_skip else run.lateness_us / SECOND_US,
        wait_s,
        ran_s,
        run.task_id,
        escaped(run.task),
        escaped(run.queue),
        escaped(run.worker),
        escaped(run.by),
        escaped(run.reason),
        reason_text(run),
        run.entry,
        escaped(run.name),
    )


def reason_text(run: Run) -> str:
    """Say in words why an occurrence was passed over, or what went wrong."""
    return escaped(skip_text(run.reason) if run.state is RunState.SKIPPED else run.reason)


def held_of(note: HoldNote | None) -> HeldAll | None:
    """Write who holds all schedules."""
    if note is None:
        return None
    return HeldAll(escaped(note.author), at(note.at_us), at(note.until_us), escaped(note.reason))
