"""One worker as the event stream tells of it, whatever the order its events come in.

Whether it is alive is judged by when its events arrived here, as Celery does (``celery/events/state.py``,
``heartbeat_expires``): the clock of its host may be wrong. Which of its events is the last is judged by its own clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from shim.events.message import Event

FREQ_S = 60.0
"""Seconds between heartbeats, taken for a worker that has told none; Celery's default for an unknown one."""
FREQ_LIMIT_S = 86_400.0
HEARTBEATS_MISSED = 2
"""A worker that was not heard for so many times its frequency is taken for dead."""
DRIFT_LIMIT_S = 16.0
"""More between its clock and ours, and clocks are out of step (``HEARTBEAT_DRIFT_MAX``)."""
WORD_LIMIT = 64
NUMBER_LIMIT = 2**53
LOADS = 3


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker at one moment.

    Attributes:
        is_alive: it was heard of within two heartbeats and has not said it goes.
        heard_at: when its last event arrived, on our clock.
        online_at: when it last said it came up, on its clock.
        offline_at: when it last said it goes, on its clock.
        active: tasks it runs.
        processed: tasks it has taken since it came up.
        loadavg: of its host over 1, 5 and 15 minutes; empty if it does not tell.
        sw_ident: its software, such as ``py-celery``.
        sw_ver: version of that.
        sw_sys: its operating system.
        freq_s: seconds between its heartbeats.
        utcoffset_h: hours its zone lies west of UTC, as Celery writes it. Instants need no correction by it.
        drift_s: how far our clock was ahead of its clock when the last heartbeat arrived, the way here included.
        is_drifting: the clocks differ by more than 16 s.
        clock: its largest logical clock.
    """

    hostname: str
    is_alive: bool
    heard_at: datetime | None
    online_at: datetime | None
    offline_at: datetime | None
    active: int | None
    processed: int | None
    loadavg: tuple[float, ...]
    sw_ident: str | None
    sw_ver: str | None
    sw_sys: str | None
    pid: int | None
    freq_s: float
    utcoffset_h: float | None
    drift_s: float | None
    is_drifting: bool
    clock: int


class Status(NamedTuple):
    """What a worker says of itself, greater if later; -1 and empty stand for what it does not tell."""

    at_s: float = 0.0
    ahead_s: float = 0.0
    """Its clock before ours: of a heartbeat that came twice, the arrival that was quicker stands."""
    active: int = -1
    processed: int = -1
    loadavg: tuple[float, ...] = ()
    freq_s: float = FREQ_S
    sw_ident: str = ""
    sw_ver: str = ""
    sw_sys: str = ""
    pid: int = -1
    utcoffset_h: float = float("-inf")


class WorkerRecord:
    """What is kept of a worker. Seconds since the epoch; 0 stands for never."""

    __slots__ = ("changed", "clock", "heard_s", "hostname", "offline_s", "online_s", "seen_s", "status")

    def __init__(self, hostname: str) -> None:
        """Begin with nothing known but the name."""
        self.hostname = hostname
        self.changed = self.clock = 0
        self.heard_s = self.seen_s = self.online_s = self.offline_s = 0.0
        self.status = Status()

    def note(self, at_s: float, heard_s: float) -> None:
        """Take any event of it for a sign of life."""
        if at_s > self.seen_s:  # noqa: PLR1730 - for every event, and ``max`` takes twice as long
            self.seen_s = at_s
        if heard_s > self.heard_s:  # noqa: PLR1730 - the same
            self.heard_s = heard_s

    def merge(self, event: Event, heard_s: float) -> bool:
        """Take in one ``worker-*`` event that arrived at ``heard_s``; say whether it told anything new."""
        kind, _, at_s, _, fields = event
        before = (self.heard_s, self.seen_s, self.online_s, self.offline_s, self.status, self.clock)
        self.note(at_s, heard_s)
        if kind == "worker-online":
            self.online_s = max(self.online_s, at_s)
        elif kind == "worker-offline":
            self.offline_s = max(self.offline_s, at_s)
        if kind in ("worker-heartbeat", "worker-online", "worker-offline"):
            self.status = max(self.status, _status(at_s, heard_s, fields))
        clock = fields.get("clock")
        if type(clock) is int and self.clock < clock <= NUMBER_LIMIT:
            self.clock = clock
        return before != (self.heard_s, self.seen_s, self.online_s, self.offline_s, self.status, self.clock)

    def is_alive(self, at_s: float) -> bool:
        """Say whether it is taken for alive at ``at_s``."""
        if not self.heard_s or (self.offline_s and self.offline_s >= self.seen_s):
            return False
        return at_s < self.heard_s + self.status.freq_s * HEARTBEATS_MISSED

    def view(self, at: datetime) -> Worker:
        """Give what is known as a value, as it stands at ``at``."""
        status = self.status
        drift_s = -status.ahead_s if status.at_s else None
        return Worker(
            hostname=self.hostname,
            is_alive=self.is_alive(at.timestamp()),
            heard_at=_instant(self.heard_s),
            online_at=_instant(self.online_s),
            offline_at=_instant(self.offline_s),
            active=None if status.active < 0 else status.active,
            processed=None if status.processed < 0 else status.processed,
            loadavg=status.loadavg,
            sw_ident=status.sw_ident or None,
            sw_ver=status.sw_ver or None,
            sw_sys=status.sw_sys or None,
            pid=None if status.pid < 0 else status.pid,
            freq_s=status.freq_s,
            utcoffset_h=None if status.utcoffset_h == float("-inf") else status.utcoffset_h,
            drift_s=drift_s,
            is_drifting=drift_s is not None and abs(drift_s) > DRIFT_LIMIT_S,
            clock=self.clock,
        )


def _status(at_s: float, heard_s: float, fields: Mapping[str, object]) -> Status:
    get = fields.get
    freq_s = _number(get("freq"), 0.0)
    loads = get("loadavg")
    return Status(
        at_s,
        at_s - heard_s,
        _count(get("active")),
        _count(get("processed")),
        tuple(_number(load, 0.0) for load in loads[:LOADS]) if isinstance(loads, list) else (),
        freq_s if 0 < freq_s <= FREQ_LIMIT_S else FREQ_S,
        _word(get("sw_ident")),
        _word(get("sw_ver")),
        _word(get("sw_sys")),
        _count(get("pid")),
        _number(get("utcoffset"), float("-inf")),
    )


def _number(value: object, absent: float) -> float:
    if (type(value) is float or type(value) is int) and -NUMBER_LIMIT <= value <= NUMBER_LIMIT:
        return float(value)
    return absent


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= NUMBER_LIMIT else -1


def _word(value: object) -> str:
    return value[:WORD_LIMIT] if type(value) is str else ""


def _instant(at_s: float) -> datetime | None:
    return datetime.fromtimestamp(at_s, UTC) if at_s else None
