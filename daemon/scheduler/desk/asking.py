"""Runs of entries that somebody asks for: entries that fire once, beside the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.clock import instant
from daemon.keys import asked_id, asked_prefix
from daemon.public import Public
from daemon.scheduler.errors import EntryRefused
from daemon.scheduler.layers.added import Added
from daemon.scheduler.layers.desk import Known
from daemon.scheduler.model import How, parse_horizon

RUN_KEYS = ("task", "chain", "group", "chord", "args", "kwargs", "options")
"""What a run that is asked for has of its entry."""

BACKFILL_LIMIT = 1000
"""Instants one entry can have."""


def run_now(
    known: Known,
    site: Public,
    now_us: int,
    request: str,
    *,
    author: str,
    reason: str,
    overlap: str = "allow",
    changed: Mapping[str, Any] | None = None,
) -> Added:
    """Make a run of an entry that is due now; ``request`` tells it from others of the same instant."""
    data = {**_run_of(known), **(changed or {}), "at": written(now_us), "overlap": overlap}
    return Added(
        asked_prefix(known.id, "run") + request,
        _name_of(known),
        data,
        author,
        now_us,
        reason,
        now_us - 1,
        How.MANUAL,
        is_once=True,
        task_id=asked_id(site, known.id, now_us, request),
        zone=_zone_of(known),
        kin=known.id,
    )


def run_past(
    known: Known, instants: Sequence[int], now_us: int, request: str, *, author: str, reason: str, overlap: str
) -> Added:
    """Make an entry that runs occurrences of the past, each with its own instant."""
    data = {**_run_of(known), "at": [written(at_us) for at_us in instants], "catch_up": "all", "overlap": overlap}
    return Added(
        asked_prefix(known.id, "backfill") + request,
        _name_of(known),
        data,
        author,
        now_us,
        reason,
        instants[0] - 1,
        How.BACKFILL,
        is_once=True,
        zone=_zone_of(known),
        kin=known.id,
    )


def occurrences(known: Known, horizon: str | None, from_us: int, until_us: int, limit: int) -> list[int]:
    """Give the instants of an entry in a window.

    Raises:
        EntryRefused: it has none, as it is disabled; or there are more.
    """
    entry = known.composed.entry if known.composed is not None else None
    if entry is None:
        message = f"{known.id} is disabled or cannot be: it has no occurrences"
        raise EntryRefused(message)
    found = parse_horizon(horizon) if horizon is not None else None
    timing = entry.trigger.begun(found.since_us if found is not None else entry.begins_us or from_us)
    instants: list[int] = []
    at_us = timing.next_after(from_us - 1)
    while at_us is not None and at_us < until_us:
        if len(instants) == limit:
            message = f"more than {limit} occurrences in this window"
            raise EntryRefused(message, hint="take shorter windows, one after the other")
        instants.append(at_us)
        at_us = timing.next_after(at_us)
    return instants


def written(at_us: int) -> str:
    """Write an instant as an entry has it."""
    return instant(at_us).isoformat(timespec="microseconds")


def _name_of(known: Known) -> str:
    assert known.definition is not None  # it was found
    return str(known.definition.name)


def _zone_of(known: Known) -> str | None:
    entry = known.composed.entry if known.composed is not None else None
    return None if entry is None else entry.zone


def _run_of(known: Known) -> dict[str, Any]:
    """Give what a run of an entry has of it."""
    assert known.composed is not None
    return {key: value for key, value in known.composed.data.items() if key in RUN_KEYS}
