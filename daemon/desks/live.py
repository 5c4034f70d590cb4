"""What the live events need of the rest: topics, and where the rows of each come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias


class Topic(Enum):
    """What somebody can follow."""

    OVERVIEW = "overview"
    FEEDS = "feeds"
    MESSAGES = "messages"
    SCHEDULE = "schedule"
    TASKS = "tasks"
    WORKERS = "workers"
    QUEUES = "queues"
    ALERTS = "alerts"


LiveRows: TypeAlias = Callable[[Any], Awaitable[Mapping[str, Any]]]
"""Gives the rows of a topic by key, as somebody of a role sees them (``daemon.api.http.caller.Role``); at most 1,000."""


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Where the rows of a topic come from. It is asked only while somebody follows.

    Attributes:
        every_s: how long at least between two looks.
        is_window: whether the rows are the latest of many: then one that is no longer among them is not gone.
    """

    topic: Topic
    rows: LiveRows
    every_s: float = 0.5
    is_window: bool = False
