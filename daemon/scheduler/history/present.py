"""How an entry stands now, as far as it tells why an instant left no record. Pure."""

from __future__ import annotations

from typing import NamedTuple

from daemon.clock import SECOND_US, instant
from daemon.public import escaped
from daemon.scheduler.layers.compose import Composed
from daemon.scheduler.layers.hold_note import HoldNote
from daemon.scheduler.layers.layer import Setting
from daemon.scheduler.model import Entry, Horizon

GRACE_US = 5 * SECOND_US
"""How long what was enqueued or passed over may take to reach this daemon's copy of the history."""


class Standing(NamedTuple):
    """Why nothing came of an instant, by what is kept in the broker now.

    Attributes:
        is_due: whether it is to come, or would have; ``False`` if the entry had no occurrence then.
    """

    text: str
    is_due: bool


def standing(
    composed: Composed | None, horizon: Horizon | None, held: HoldNote | None, at_us: int, now_us: int
) -> Standing | None:
    """Say why an instant that has come left no record; ``None`` if how things stand now does not tell.

    ``composed`` is the entry as it stands; ``None`` if there is none.
    """
    never = _never(composed, horizon, at_us)
    if never is not None:
        return Standing(never, is_due=False)
    if held is None and at_us > now_us - GRACE_US and not _is_behind(composed, horizon, now_us):
        return Standing("it was due a moment ago, so it may not be recorded yet", is_due=True)
    if horizon is None:
        return Standing("it was due, and no daemon has taken the entry up yet", is_due=True)
    if horizon.at_us >= at_us:
        return None
    if held is not None:
        return Standing(f"it was due, and all schedules are held {held}", is_due=True)
    return Standing(
        f"it was due, and no daemon has settled it: all is accounted for up to {_at(horizon.at_us)}, and what came since waits for a"
        " place or a rate, or no daemon runs or reaches the broker",
        is_due=True,
    )


def is_spent(entry: Entry, horizon: Horizon | None) -> bool:
    """Say whether an entry has run as often as it may."""
    return entry.max_runs is not None and horizon is not None and horizon.runs >= entry.max_runs


def _is_behind(composed: Composed | None, horizon: Horizon | None, now_us: int) -> bool:
    """Say whether an earlier occurrence than the last is not settled either, and has had the time."""
    if horizon is None or composed is None or composed.entry is None:
        return False
    due_us = composed.entry.trigger.begun(horizon.since_us).next_after(horizon.at_us)
    return due_us is not None and due_us <= now_us - GRACE_US


def _never(composed: Composed | None, horizon: Horizon | None, at_us: int) -> str | None:
    if composed is None:
        return "no entry of this name is in the schedule: it was removed, or it never was there"
    if composed.entry is None and not composed.is_enabled:
        origin = composed.provenance.get("enabled")
        where = "" if origin is None else f" ({origin.source}{_who(origin.setting)})"
        return f"the entry is disabled{where}"
    if composed.entry is None:
        more = f": {composed.problems[0].message}" if composed.problems else ""
        return f"the entry cannot be as it stands{more}"
    if horizon is not None and at_us <= horizon.since_us:
        return f"the entry is counted from {_at(horizon.since_us)}, when it was new or its timing was changed"
    if horizon is not None and is_spent(composed.entry, horizon) and horizon.at_us < at_us:
        return f"the entry has run max_runs times ({horizon.runs})"
    return None


def _who(setting: Setting) -> str:
    by = f", by {setting.author}" if setting.author else ""
    since = f" since {_at(setting.at_us)}" if setting.at_us is not None else ""
    return escaped(f"{by}{since}" + (f": {setting.reason}" if setting.reason else ""))


def _at(at_us: int) -> str:
    return instant(at_us).isoformat(timespec="seconds").replace("+00:00", "Z")
