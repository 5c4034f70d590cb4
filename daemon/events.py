"""What happens in the daemon, as values. Logs, metrics and later the live view are made of these.

They hold names, numbers and codes; nothing that came in a message.
"""

from __future__ import annotations

from dataclasses import dataclass

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class ServiceOpened:
    """A service holds its resources."""

    service: Public


@dataclass(frozen=True, slots=True)
class ServiceFailed:
    """A service ended with an error; it starts again after ``retry_s``."""

    service: Public
    code: Public
    reason: Public
    retry_s: float


@dataclass(frozen=True, slots=True)
class RequestCrashed:
    """A request of this machine met a bug of ours and was answered so; ``asked`` is what it asked for, without its values."""

    asked: Public
    error: Public
    frames: Public


@dataclass(frozen=True, slots=True)
class ServiceCrashed:
    """A service met a bug; the process ends."""

    service: Public
    error: Public
    frames: Public


@dataclass(frozen=True, slots=True)
class DaemonReady:
    """Everything is open."""

    site: Public
    version: Public
    entries: int
    feeds: int


@dataclass(frozen=True, slots=True)
class DaemonStopping:
    """A stop was asked for."""

    why: Public
    budget_s: float


@dataclass(frozen=True, slots=True)
class DaemonStopped:
    """Everything is closed."""

    ran_s: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something stands that someone should change."""

    code: Public
    about: Public
    text: Public


@dataclass(frozen=True, slots=True)
class ApiListening:
    """The API takes requests."""

    address: Public


@dataclass(frozen=True, slots=True)
class EmbeddedBrokerStarted:
    """The private Valkey answers."""

    pid: int
    port: int
    took_s: float


# -- broker ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BrokerUp:
    """The broker answers."""

    address: Public
    version: Public
    down_s: float


@dataclass(frozen=True, slots=True)
class BrokerLost:
    """The broker stopped answering, or refuses."""

    address: Public
    code: Public
    reason: Public


@dataclass(frozen=True, slots=True)
class BrokerHistoryChanged:
    """Another server, or one that forgot: what was pushed shortly before may be gone."""

    address: Public
    why: Public


@dataclass(frozen=True, slots=True)
class BrokerAnswered:
    """A look at the broker took so long."""

    took_s: float


@dataclass(frozen=True, slots=True)
class BrokerEvicting:
    """The broker may throw queues and claims away when its memory is short."""

    address: Public
    policy: Public


@dataclass(frozen=True, slots=True)
class BrokerKeeping:
    """The broker no longer throws anything away."""

    address: Public


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far the broker's clock is ahead of ours."""

    offset_s: float


# -- spool and drain ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpoolOpened:
    """The spool is open and verified."""

    epoch: Public
    messages: int
    waiting: int
    took_s: float


@dataclass(frozen=True, slots=True)
class SpoolDamaged:
    """The spool lost what it had acknowledged, or cannot be read."""

    what: Public
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A group of messages is on disk."""

    count: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """Messages past their retention were removed."""

    count: int


@dataclass(frozen=True, slots=True)
class MessagesEnqueued:
    """Messages of a feed reached their queues; ``already`` of them had before."""

    feed: Public
    count: int
    already: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class MessageParked:
    """A message cannot be handed on; it stays in the spool and the feed goes on."""

    feed: Public
    sequence: int
    reason: Public


@dataclass(frozen=True, slots=True)
class MessagesRepeated:
    """The broker forgot messages; they were pushed again under the same ids, but for those found to have run."""

    feed: Public
    pushed: int
    had_run: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages of a feed that wait in the spool."""

    feed: Public
    waiting: int
    oldest_s: float
