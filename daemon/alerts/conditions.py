"""Everything that can be wrong, in one table: how bad it is, what it is called, what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.desks import AlertKind, Severity
from daemon.public import Public

_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that can be wrong.

    Attributes:
        what, step: what it is called, and what to do.
        family: of those of one family and one place only the latest stands; empty: it stands alone.
        is_moment: it has no end of its own: it is closed by whoever acknowledges it, or after a day.
    """

    severity: Severity
    kind: AlertKind
    what: Public
    step: Public
    family: str = ""
    is_moment: bool = False


def _row(
    severity: Severity, kind: AlertKind, what: str, step: str, family: str = "", *, is_moment: bool = False
) -> Condition:
    return Condition(severity, kind, Public(what), Public(step), family, is_moment)


_FEED, _ENTRY, _BROKER, _SPOOL = AlertKind.FEED, AlertKind.ENTRY, AlertKind.BROKER, AlertKind.SPOOL
_RENEW = "Put a new certificate in place; the daemon takes it by itself."
_RUNS, _CERTIFICATE = "run", "certificate"

CONDITIONS: Mapping[str, Condition] = {
    "broker-unreachable": _row(
        _CRITICAL, _BROKER, "Broker unreachable", "Look at the broker. Messages are safe in the spool; occurrences wait."
    ),
    "broker-evicting": _row(
        _CRITICAL, _BROKER, "Broker may drop queues", "Set maxmemory-policy noeviction on the broker."
    ),
    "broker-forgot": _row(
        _WARNING, _BROKER, "Broker lost its memory", "Look at the broker's persistence; see what was repeated.",
        is_moment=True,
    ),
    "spool-withholding": _row(
        _CRITICAL, _SPOOL, "Nothing can be stored", "Look at the disk of the state folder; senders wait meanwhile."
    ),
    "spool-down": _row(_CRITICAL, _SPOOL, "Disk fails", "Look at the disk, then resume a feed to have it tried again."),
    "spool-damaged": _row(
        _CRITICAL, _SPOOL, "Spool damaged", "Read Damage in docs/operations.md before anything else.", is_moment=True
    ),
    "disk-low": _row(_WARNING, _SPOOL, "Disk fills up", "Make room on the disk of the state folder."),
    "feed-quiet": _row(_WARNING, _FEED, "Feed quiet", "Ask the sender's side whether it sends."),
    "feed-refusing": _row(_CRITICAL, _FEED, "Feed refuses much", "Look at the reasons under the feed, then at its routes."),
    "feed-acks-slow": _row(_WARNING, _FEED, "Answers are slow", "Look at the disk and at what else the machine does."),
    "feed-backlog": _row(_CRITICAL, _FEED, "Messages wait long", "Look at the broker and at parked messages of the feed."),
    "feed-unreached": _row(_WARNING, _FEED, "Sender not reached", "Look whether the other side listens."),
    "messages-parked": _row(
        _WARNING, _FEED, "Messages parked", "Look at the reason, then release them.", is_moment=True
    ),
    "certificate-ends-in-30-days": _row(_WARNING, _FEED, "Certificate expires within 30 days", _RENEW, _CERTIFICATE),
    "certificate-ends-in-7-days": _row(_WARNING, _FEED, "Certificate expires within 7 days", _RENEW, _CERTIFICATE),
    "certificate-ends-tomorrow": _row(_CRITICAL, _FEED, "Certificate expires within a day", _RENEW, _CERTIFICATE),
    "certificate-has-ended": _row(_CRITICAL, _FEED, "Certificate expired", _RENEW, _CERTIFICATE),
    "certificate-not-taken": _row(
        _WARNING, _FEED, "New certificate unusable", "Look at the files; the old certificate stays in use."
    ),
    "not-enqueued": _row(_CRITICAL, _ENTRY, "Missed occurrence", "See why, then run it now.", _RUNS),
    "not-started": _row(_CRITICAL, _ENTRY, "Run not started in time", "Look whether a worker takes its queue.", _RUNS),
    "not-finished": _row(_WARNING, _ENTRY, "Run not finished in time", "Look at the task and its worker.", _RUNS),
    "failed": _row(_WARNING, _ENTRY, "Run failed", "Look at the task, then run it again.", _RUNS),
    "task-not-known": _row(_CRITICAL, _ENTRY, "Task not sent", "Correct the entry's task or queue."),
    "daemon-gone": _row(
        _WARNING, AlertKind.DAEMON, "Daemon gives no sign of life", "Look at its machine; the others go on."
    ),
    "queue-without-consumer": _row(
        _CRITICAL, AlertKind.QUEUE, "Queue without consumer", "Start a worker that takes this queue (-Q)."
    ),
    "queue-stuck": _row(_CRITICAL, AlertKind.QUEUE, "Queue stuck", "Look at its workers: none takes anything."),
    "queue-growing": _row(_WARNING, AlertKind.QUEUE, "Queue grows", "Add workers, or look what takes them so long."),
    "history-lost": _row(_WARNING, AlertKind.HISTORY, "History not written", "Look at the disk; the schedule goes on."),
    "history-damaged": _row(
        _WARNING, AlertKind.HISTORY, "History was damaged", "The damaged file was put aside; a new one was begun.",
        is_moment=True,
    ),
    "audit-lost": _row(
        _CRITICAL, AlertKind.AUDIT, "Audit records lost", "Look at the disk of the state folder.", is_moment=True
    ),
    "runs-unseen": _row(
        _WARNING, AlertKind.HISTORY, "Outcomes not seen", "Look at the result back-end; runs count as unknown meanwhile."
    ),
    "source-lost": _row(
        _WARNING, AlertKind.SOURCE, "Source of entries away", "Look at its database; entries stay as they were."
    ),
    "service-failed": _row(
        _WARNING, AlertKind.SERVICE, "Part of the daemon failed", "It starts again by itself; the log says why.",
        is_moment=True,
    ),
    "alert-not-sent": _row(
        _CRITICAL, AlertKind.CHANNEL, "People were not told", "Look at the channel's server, then send a test."
    ),
}  # fmt: skip

_RUNBOOKS = {
    "broker-unreachable": "CarillonBrokerDown",
    "broker-evicting": "CarillonBrokerEvicting",
    "spool-withholding": "CarillonSpoolDisk",
    "spool-down": "CarillonSpoolDisk",
    "disk-low": "CarillonSpoolDisk",
    "feed-quiet": "CarillonFeedQuiet",
    "feed-refusing": "CarillonFeedRefusing",
    "feed-acks-slow": "CarillonSlowFsync",
    "feed-backlog": "CarillonSpoolBacklog",
    "feed-unreached": "CarillonFeedDown",
    "certificate-ends-in-30-days": "CarillonCertificateExpiry",
    "certificate-ends-in-7-days": "CarillonCertificateExpiry",
    "certificate-ends-tomorrow": "CarillonCertificateExpirySoon",
    "certificate-has-ended": "CarillonCertificateExpirySoon",
    "not-enqueued": "CarillonEntryMissed",
    "not-started": "CarillonTaskOverdue",
    "not-finished": "CarillonTaskOverdue",
    "daemon-gone": "CarillonDown",
    "queue-without-consumer": "CarillonQueueNoConsumer",
    "queue-stuck": "CarillonQueueStuck",
    "history-lost": "CarillonHistoryLost",
    "audit-lost": "CarillonAuditFailing",
    "service-failed": "CarillonServiceRestarting",
}
_SCREENS = {
    AlertKind.FEED: "/feeds/{}",
    AlertKind.ENTRY: "/schedules?text={}",
    AlertKind.QUEUE: "/queues/{}",
    AlertKind.WORKER: "/workers/{}",
    AlertKind.CHANNEL: "/alerts",
}


def runbook_of(code: str) -> Public | None:
    """Name the page of the documentation that says what to do."""
    name = _RUNBOOKS.get(code)
    return None if name is None else Public(f"docs/runbooks/{name}.md")


def link_of(condition: Condition, where: str) -> Public:
    """Give the address of the screen about it."""
    plain = "".join(
        mark if mark.isascii() and (mark.isalnum() or mark in "._-@") else f"%{ord(mark):02X}" for mark in where
    )
    if not where.isascii():
        plain = ""
    return Public(_SCREENS.get(condition.kind, "/settings").format(plain))
