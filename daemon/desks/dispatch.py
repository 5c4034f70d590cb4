"""What the API asks of the way to the broker: what was handed over lately, how the broker is, and what went wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MessagesHanded:
    """Messages of a feed that reached their queues in one go."""

    at: datetime
    feed: str
    count: int
    already: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened to the broker, or to what it remembers."""

    at: datetime
    what: str
    about: str
    detail: str


@dataclass(frozen=True, slots=True)
class BrokerNow:
    """How the broker is.

    Attributes:
        state: up, down, or unknown.
        since_at: since when.
        role, version, eviction_policy: as it says; empty if it does not.
        history_id: changes when a server with another memory takes over.
    """

    state: str
    since_at: datetime
    address: str
    version: str
    role: str
    eviction_policy: str
    is_evicting: bool
    is_durable: bool
    history_id: str


class HandoverDesk(Protocol):
    """The way to the broker, to be looked at."""

    def broker(self) -> BrokerNow:
        """Say how the broker is."""
        ...

    def messages(self) -> Sequence[MessagesHanded]:
        """Give what feeds handed over lately, the latest first."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """Give what happened to the broker, the latest first."""
        ...
