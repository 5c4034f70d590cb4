"""The state of the event stream, with listeners that are told of every event besides: changes of the state alone tell of no count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from shim.events import Event, EventState

Listener: TypeAlias = Callable[[Sequence[Event], datetime], None]
"""Told of events after the state has taken them in; must not wait, and must not fail."""


class HeardState(EventState):
    """Tells listeners of the events it takes in."""

    def __init__(self, *, tasks_limit: int) -> None:
        """Begin with nothing, and nobody who listens."""
        super().__init__(tasks_limit=tasks_limit)
        self._listeners: list[Listener] = []

    def hear(self, listener: Listener) -> None:
        """Have ``listener`` told from now on."""
        self._listeners.append(listener)

    def apply(self, events: Sequence[Event], at: datetime) -> None:
        """Take in events that arrived at ``at``, and tell of them."""
        super().apply(events, at)
        for listener in self._listeners:
            listener(events, at)
