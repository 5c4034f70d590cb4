"""One line for each event that someone may want to read: text on a terminal, JSON elsewhere.

A line is an ``action`` word and fields. Fields are ``Public``, numbers, booleans, enums and instants; nothing else can be
written (``daemon/public.py``). Records of libraries appear with their logger, level and place, without their text, for that
text may quote data.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum, IntEnum
from types import TracebackType
from typing import Any, TextIO

import orjson

from daemon import (
    answer_events,
    api_events,
    deeds,
    events,
    feed_events,
    run_events,
    schedule_events,
    source_events,
    spool_events,
    tracing_events,
    trust_events,
    watch_events,
)
from daemon.clock import SECOND_US, Clock, instant
from daemon.public import Public, frames, reason, shown

LINES_PER_SECOND = 20
"""Lines of one action within one second; more are counted instead of written."""


class Level(IntEnum):
    """How much a line matters. ``ERROR`` means someone must act."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


_ACTIONS: Mapping[type, tuple[Level, str]] = {
    events.ServiceOpened: (Level.DEBUG, "service.opened"),
    events.ServiceFailed: (Level.ERROR, "service.failed"),
    events.ServiceCrashed: (Level.ERROR, "service.crashed"),
    events.DaemonReady: (Level.INFO, "daemon.ready"),
    events.DaemonStopping: (Level.INFO, "daemon.stopping"),
    events.DaemonStopped: (Level.INFO, "daemon.stopped"),
    events.Warned: (Level.WARNING, "warning"),
    events.EmbeddedBrokerStarted: (Level.INFO, "embedded-broker.started"),
    events.ApiListening: (Level.INFO, "api.listening"),
    events.BrokerUp: (Level.INFO, "broker.up"),
    events.BrokerLost: (Level.ERROR, "broker.lost"),
    events.BrokerHistoryChanged: (Level.WARNING, "broker.history-changed"),
    events.BrokerEvicting: (Level.ERROR, "broker.evicting"),
    events.BrokerKeeping: (Level.INFO, "broker.keeping"),
    schedule_events.OccurrenceEnqueued: (Level.DEBUG, "occurrence.enqueued"),
    schedule_events.OccurrenceTaken: (Level.DEBUG, "occurrence.taken"),
    schedule_events.OccurrencesSkipped: (Level.WARNING, "occurrence.skipped"),
    schedule_events.OccurrenceInvalid: (Level.ERROR, "occurrence.invalid"),
    schedule_events.OccurrenceBlocked: (Level.ERROR, "occurrence.blocked"),
    schedule_events.OccurrenceWaiting: (Level.INFO, "occurrence.waiting"),
    schedule_events.OccurrenceRepeated: (Level.WARNING, "occurrence.repeated"),
    source_events.SourceUp: (Level.INFO, "source.up"),
    source_events.SourceLost: (Level.ERROR, "source.lost"),
    source_events.EntryUncarried: (Level.WARNING, "entry.uncarried"),
    schedule_events.ScheduleForgotten: (Level.ERROR, "schedule.forgotten"),
    schedule_events.ZonesChanged: (Level.WARNING, "zones.changed"),
    schedule_events.EntryAhead: (Level.ERROR, "entry.ahead"),
    schedule_events.EntrySuperseded: (Level.WARNING, "entry.superseded"),
    run_events.HistoryOpened: (Level.INFO, "history.opened"),
    run_events.HistoryLost: (Level.ERROR, "history.lost"),
    run_events.HistoryDamaged: (Level.ERROR, "history.damaged"),
    run_events.HistoryGap: (Level.WARNING, "history.gap"),
    run_events.HistoryPruned: (Level.DEBUG, "history.pruned"),
    run_events.RunEnded: (Level.DEBUG, "run.ended"),
    run_events.RunRepeated: (Level.WARNING, "run.repeated"),
    run_events.RunLost: (Level.WARNING, "run.lost"),
    run_events.RunsUnseen: (Level.ERROR, "runs.unseen"),
    run_events.RunsSeen: (Level.INFO, "runs.seen"),
    watch_events.OccurrenceMissed: (Level.ERROR, "occurrence.missed"),
    watch_events.OccurrenceMadeGood: (Level.INFO, "occurrence.made-good"),
    watch_events.DaemonGone: (Level.ERROR, "peer-daemon.gone"),
    watch_events.DaemonBack: (Level.INFO, "peer-daemon.back"),
    watch_events.FeedAlarmRaised: (Level.ERROR, "feed.alarm"),
    watch_events.FeedAlarmEnded: (Level.INFO, "feed.well-again"),
    watch_events.AlertSent: (Level.DEBUG, "alert.sent"),
    watch_events.AlertFailed: (Level.ERROR, "alert.failed"),
    watch_events.AlertTaskRefused: (Level.ERROR, "alert.task-refused"),
    feed_events.FeedListening: (Level.INFO, "feed.listening"),
    feed_events.PeerConnected: (Level.DEBUG, "peer.connected"),
    feed_events.PeerGone: (Level.DEBUG, "peer.gone"),
    tracing_events.CollectorLost: (Level.WARNING, "collector.lost"),
    tracing_events.CollectorBack: (Level.INFO, "collector.back"),
    events.RequestCrashed: (Level.ERROR, "request.crashed"),
    api_events.RequestDenied: (Level.WARNING, "request.denied"),
    feed_events.ConnectionCrashed: (Level.ERROR, "connection.crashed"),
    feed_events.PeerRefused: (Level.WARNING, "peer.refused"),
    trust_events.NodeRefused: (Level.WARNING, "node.refused"),
    trust_events.CertificateTaken: (Level.INFO, "certificate.taken"),
    trust_events.CertificateNotTaken: (Level.ERROR, "certificate.not-taken"),
    trust_events.AuditHead: (Level.INFO, "audit.head"),
    trust_events.AuditLost: (Level.ERROR, "audit.lost"),
    deeds.Deed: (Level.INFO, "audit.deed"),
    feed_events.Deviated: (Level.DEBUG, "feed.deviated"),
    feed_events.SenderStrays: (Level.INFO, "sender.strays"),
    feed_events.FeedReached: (Level.INFO, "feed.reached"),
    feed_events.FeedUnreached: (Level.WARNING, "feed.unreached"),
    feed_events.Quarantined: (Level.WARNING, "message.quarantined"),
    feed_events.Resent: (Level.INFO, "message.resent"),
    answer_events.AnsweredLate: (Level.DEBUG, "message.answered-late"),
    answer_events.AnswerUndecided: (Level.WARNING, "message.unanswered"),
    answer_events.AnsweredElsewhere: (Level.INFO, "message.answered-elsewhere"),
    answer_events.ControlIdReused: (Level.WARNING, "message.control-id-reused"),
    answer_events.OutOfSequence: (Level.WARNING, "message.out-of-sequence"),
    answer_events.SequenceStuck: (Level.ERROR, "feed.sequence-stuck"),
    feed_events.FeedWithholding: (Level.ERROR, "feed.withholding"),
    feed_events.FeedResumed: (Level.INFO, "feed.resumed"),
    events.SpoolOpened: (Level.INFO, "spool.opened"),
    events.SpoolDamaged: (Level.ERROR, "spool.damaged"),
    spool_events.SpoolPlaced: (Level.INFO, "spool.at-rest"),
    spool_events.SpoolDown: (Level.ERROR, "spool.down"),
    spool_events.DiskSeen: (Level.DEBUG, "disk.seen"),
    spool_events.DiskLow: (Level.WARNING, "disk.low"),
    spool_events.DiskRoomy: (Level.INFO, "disk.roomy"),
    events.Pruned: (Level.DEBUG, "spool.pruned"),
    events.MessageParked: (Level.ERROR, "message.parked"),
    events.MessagesRepeated: (Level.WARNING, "message.repeated"),
}
"""Events that become lines. The others only count (``metrics.py``)."""

_REASONS_OF_NOTE = frozenset(
    ("connection-lost", "peer-closed", "stopping", "idle", "feed-paused", "disconnected-by-hand")
)


class Log:
    """Writes lines."""

    def __init__(self, stream: TextIO, clock: Clock, *, level: Level = Level.INFO, as_json: bool | None = None) -> None:
        """Write to ``stream``; as JSON unless it is a terminal, or as told."""
        self._stream = stream
        self._clock = clock
        self._level = level
        self._as_json = not stream.isatty() if as_json is None else as_json
        self._second = 0
        self._written: dict[str, int] = {}

    def __call__(self, event: object) -> None:
        """Write an event, if it is one for the log."""
        known = _ACTIONS.get(type(event))
        if known is None:
            return
        level, action = known
        if isinstance(event, feed_events.PeerGone) and event.reason.value not in _REASONS_OF_NOTE:
            level = Level.WARNING
        if isinstance(event, (feed_events.PeerGone, feed_events.PeerRefused)) and event.is_repeated:
            level = Level.DEBUG
        if level >= self._level:
            named = ((field.name, getattr(event, field.name)) for field in fields(event))  # type: ignore[arg-type]
            self.write(level, action, dict(_for_readers(name, value) for name, value in named))

    def write(self, level: Level, action: str, values: Mapping[str, Any]) -> None:
        """Write one line, unless this action has filled its second."""
        now_us = self._clock.now_us()
        if now_us // SECOND_US != self._second:
            self._second = now_us // SECOND_US
            self._settle(now_us)
        count = self._written.get(action, 0)
        self._written[action] = count + 1
        if count < LINES_PER_SECOND:
            self._line(now_us, level, action, values)

    def settle(self) -> None:
        """Say how many lines were left out of the second that is not over yet; for the end, after which no line follows."""
        self._settle(self._clock.now_us())

    def _settle(self, now_us: int) -> None:
        written, self._written = self._written, {}
        for action, count in list(written.items()):  # a copy: other threads write too
            if count > LINES_PER_SECOND:
                suppressed = {"of": Public(action), "count": count - LINES_PER_SECOND}
                self._line(now_us, Level.WARNING, "log.suppressed", suppressed)

    def _line(self, now_us: int, level: Level, action: str, values: Mapping[str, Any]) -> None:
        at = instant(now_us)
        if self._as_json:
            record: dict[str, Any] = {"at": at.isoformat(), "level": level.name.lower(), "action": action}
            for name, value in values.items():
                plain = isinstance(value, (bool, int, float)) and not isinstance(value, Enum)
                record[name] = None if value is None else value if plain else str(shown(value))
            text = orjson.dumps(record).decode()
        else:
            pairs = "  ".join(f"{name}={_quoted(shown(value))}" for name, value in values.items())
            text = f"{at.astimezone():%H:%M:%S} {level.name.lower():7} {action:22} {pairs}".rstrip()
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # whoever read the log is gone; the daemon goes on


def _for_readers(name: str, value: Any) -> tuple[str, Any]:
    """Turn an instant in microseconds (``first_us``), as events keep it, into one that can be read (``first_at``)."""
    if name.endswith("_us") and isinstance(value, int):
        return f"{name.removesuffix('_us')}_at", instant(value)
    return name, value


def _quoted(text: Public) -> str:
    if text and " " not in text and '"' not in text:
        return str(text)
    return '"' + text.replace('"', '\\"') + '"'


class _Foreign(logging.Handler):
    """Shows that a library had something to say, where and of what kind, but not its words."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        values: dict[str, Any] = {
            "logger": Public(record.name),
            "place": Public(f"{record.filename}:{record.lineno} {record.funcName}"),
        }
        if error is not None:
            values |= {"error": reason(error), "frames": frames(error)}
        level = Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING
        self._log.write(level, "library", values)


def install(log: Log) -> None:
    """Route every other way of writing to the log: libraries, warnings, uncaught exceptions of any thread."""
    logging.basicConfig(handlers=[_Foreign(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        del kind, trace
        log.write(Level.ERROR, "process.crashed", {"error": reason(error), "frames": frames(error)})

    def uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            uncaught(type(arguments.exc_value), arguments.exc_value, None)

    def unraisable(arguments: Any) -> None:
        if arguments.exc_value is not None:
            uncaught(type(arguments.exc_value), arguments.exc_value, None)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
