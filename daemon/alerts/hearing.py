"""Which event says that something is wrong, and which that it is well again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from daemon import (
    events,
    feed_events,
    run_events,
    schedule_events,
    source_events,
    spool_events,
    trust_events,
    watch_events,
)
from daemon.alerts.conditions import CONDITIONS
from daemon.public import Public

_BROKER = Public("broker")
_SPOOL = Public("spool")
_HISTORY = Public("history")
_AUDIT = Public("audit")
_NOTHING = Public("")


class Heard(NamedTuple):
    """Something is wrong at a place, or (``is_over``) well again; ``of_family``: so is all of its family there."""

    code: str
    where: Public
    detail: Public = _NOTHING
    is_over: bool = False
    of_family: bool = False


def heard_in(event: object) -> tuple[Heard, ...]:
    """Say what an event means; nothing for most."""
    read = _READERS.get(type(event))
    return () if read is None else read(event)


def _alarm(event: Any, *, is_over: bool) -> tuple[Heard, ...]:
    code = event.what.value
    return (Heard(code, event.feed, is_over=is_over),) if code in CONDITIONS else ()


def _ended(event: run_events.RunEnded) -> tuple[Heard, ...]:
    return (Heard("failed", event.entry, is_over=True, of_family=True),) if event.state == "succeeded" else ()


def _parked(event: events.MessageParked) -> tuple[Heard, ...]:
    return (Heard("messages-parked", event.feed, Public(f"message {event.sequence}: {event.reason}")),)


_READERS: Mapping[type, Callable[[Any], tuple[Heard, ...]]] = {
    events.BrokerLost: lambda event: (
        Heard("broker-unreachable", _BROKER, Public(f"{event.address}: {event.reason}")),
    ),
    events.BrokerUp: lambda _: (Heard("broker-unreachable", _BROKER, is_over=True),),
    events.BrokerEvicting: lambda event: (
        Heard("broker-evicting", _BROKER, Public(f"{event.address}: maxmemory-policy is {event.policy}")),
    ),
    events.BrokerKeeping: lambda _: (Heard("broker-evicting", _BROKER, is_over=True),),
    events.BrokerHistoryChanged: lambda event: (
        Heard("broker-forgot", _BROKER, Public(f"{event.address}: {event.why}")),
    ),
    events.SpoolDamaged: lambda event: (Heard("spool-damaged", _SPOOL, event.what),),
    events.MessageParked: _parked,
    events.ServiceFailed: lambda event: (Heard("service-failed", event.service, event.reason),),
    feed_events.FeedWithholding: lambda event: (Heard("spool-withholding", _SPOOL, event.reason),),
    feed_events.FeedResumed: lambda _: (
        Heard("spool-withholding", _SPOOL, is_over=True),
        Heard("spool-down", _SPOOL, is_over=True),
    ),
    feed_events.FeedUnreached: lambda event: (Heard("feed-unreached", event.feed, event.reason),),
    feed_events.FeedReached: lambda event: (Heard("feed-unreached", event.feed, is_over=True),),
    spool_events.SpoolDown: lambda event: (Heard("spool-down", _SPOOL, Public(f"failed {event.failures} times")),),
    spool_events.DiskLow: lambda event: (Heard("disk-low", _SPOOL, Public(f"{event.free_bytes >> 20} MiB are free")),),
    spool_events.DiskRoomy: lambda _: (Heard("disk-low", _SPOOL, is_over=True),),
    watch_events.FeedAlarmRaised: lambda event: _alarm(event, is_over=False),
    watch_events.FeedAlarmEnded: lambda event: _alarm(event, is_over=True),
    watch_events.OccurrenceMissed: lambda event: (Heard(event.what.value, event.entry),),
    watch_events.OccurrenceMadeGood: lambda event: (
        Heard(event.what.value, event.entry, is_over=True, of_family=True),
    ),
    watch_events.DaemonGone: lambda event: (Heard("daemon-gone", event.daemon),),
    watch_events.DaemonBack: lambda event: (Heard("daemon-gone", event.daemon, is_over=True),),
    watch_events.AlertFailed: lambda event: (
        Heard("alert-not-sent", Public(event.channel.value), Public(f"{event.where}: {event.reason}")),
    ),
    watch_events.AlertSent: lambda event: (Heard("alert-not-sent", Public(event.channel.value), is_over=True),),
    schedule_events.OccurrenceInvalid: lambda event: (Heard("task-not-known", event.entry, event.reason),),
    schedule_events.OccurrenceEnqueued: lambda event: (
        Heard("task-not-known", event.entry, is_over=True),
        Heard("not-enqueued", event.entry, is_over=True),
    ),
    run_events.RunEnded: _ended,
    run_events.HistoryLost: lambda event: (Heard("history-lost", _HISTORY, event.reason),),
    run_events.HistoryOpened: lambda _: (Heard("history-lost", _HISTORY, is_over=True),),
    run_events.HistoryDamaged: lambda event: (Heard("history-damaged", _HISTORY, event.aside),),
    run_events.RunsUnseen: lambda event: (Heard("runs-unseen", _HISTORY, event.reason),),
    run_events.RunsSeen: lambda _: (Heard("runs-unseen", _HISTORY, is_over=True),),
    trust_events.AuditLost: lambda event: (
        Heard("audit-lost", _AUDIT, Public(f"{event.count} records: {event.reason}")),
    ),
    source_events.SourceLost: lambda event: (Heard("source-lost", event.source, event.reason),),
    source_events.SourceUp: lambda event: (Heard("source-lost", event.source, is_over=True),),
}
