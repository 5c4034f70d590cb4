"""What the API needs of alerts: what is wrong now, who has seen it, what is silenced. Instants are microseconds since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from daemon.desks.by import By
from daemon.public import Public


class Severity(Enum):
    """How bad it is."""

    WARNING = "warning"
    CRITICAL = "critical"
    """Work is lost, late, or not taken until someone acts."""


class AlertKind(Enum):
    """What it is about."""

    FEED = "feed"
    ENTRY = "entry"
    QUEUE = "queue"
    WORKER = "worker"
    DAEMON = "daemon"
    BROKER = "broker"
    SPOOL = "spool"
    HISTORY = "history"
    AUDIT = "audit"
    SOURCE = "source"
    SERVICE = "service"
    CHANNEL = "channel"


class AlertState(Enum):
    """How an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Mark:
    """Who has seen an alert, when, and what they said."""

    who: Public
    at_us: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Who wants nobody told of an alert, until when, and why."""

    who: Public
    at_us: int
    until_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class AlertRow:
    """Something that is, or was, wrong.

    Attributes:
        id: names it for as long as it is known; the same the next time it happens.
        what, step: what is wrong, and what to do, in words.
        detail: figures, in words.
        link: the address of the page's screen about it.
        since_us: when it began; last_us: when it was seen last.
        count: how often it was seen.
        notified: over which channels people are told of such things.
        closed_us: when it ended; ``None`` while it lasts.
        runbook: the page of the documentation that says what to do; ``None``: there is none.
    """

    id: Public
    code: Public
    severity: Severity
    kind: AlertKind
    what: Public
    where: Public
    detail: Public
    step: Public
    link: Public
    since_us: int
    last_us: int
    count: int
    notified: Sequence[Public] = ()
    acknowledged: Mark | None = None
    silence: Silence | None = None
    closed_us: int | None = None
    runbook: Public | None = None

    @property
    def state(self) -> AlertState:
        """Say how it stands."""
        if self.closed_us is not None:
            return AlertState.CLOSED
        if self.silence is not None:
            return AlertState.SILENCED
        return AlertState.OPEN if self.acknowledged is None else AlertState.ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A way to people: ``where`` it goes, when it last worked, when it last did not, and why."""

    name: Public
    where: Public
    ok_us: int | None = None
    failed_us: int | None = None
    reason: Public | None = None


class AlertDesk(Protocol):
    """Alerts."""

    def rows(self) -> list[AlertRow]:
        """List those that are open, the gravest first, then those that were closed in the last week, the latest first."""
        ...

    def row(self, alert_id: str) -> AlertRow:
        """Give one.

        Raises:
            NotThere: there is none of that id.
        """
        ...

    async def acknowledge(self, alert_id: str, by: By, note: Public) -> None:
        """Note that somebody has seen it. What was wrong for a moment only is closed by it.

        Raises:
            NotThere: there is none that is open.
            AuditFailed: it could not be written down; nothing was done.
        """
        ...

    async def silence(self, alert_id: str, until_us: int, by: By, reason: Public) -> None:
        """Have nobody told of it until then.

        Raises:
            NotThere: there is none that is open.
            AuditFailed: it could not be written down; nothing was done.
        """
        ...

    async def unsilence(self, alert_id: str, by: By) -> None:
        """Have people told of it again.

        Raises:
            NotThere: there is none of that id.
            AuditFailed: it could not be written down; nothing was done.
        """
        ...

    def channels(self) -> list[ChannelRow]:
        """List the ways to people."""
        ...

    async def test(self, channel: str, by: By) -> Public:
        """Have a test sent over a channel; say where it goes. What becomes of it shows in ``channels``.

        Raises:
            NotThere: there is no such channel.
            AuditFailed: it could not be written down; nothing was sent.
        """
        ...
