"""Changes of what the site remembers of alarms and pings, each to be made by one daemon: what is pending, and what an answer means.

Pure. Whoever makes a change tells of it; the others find it made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from daemon.keys import SiteKey, site_key
from daemon.ports import Order, Settled, Settlement, Ticket, WorkItem
from daemon.public import Public

PENDING_LIMIT = 20_000
"""Fields with changes pending; beyond it new ones are dropped until the broker answers again."""

DOUBTS_LIMIT = 16
TTL_S = 90 * 86_400


class Change(NamedTuple):
    """What a field is to hold, the task that goes with it, and what is to be done when it holds it through us."""

    text: str
    item: WorkItem | None
    won: Callable[[], None]


Decide = Callable[[str | None], Change | None]
"""Says, for what a field holds, what it is to hold; ``None`` if nothing is to change."""


@dataclass(slots=True)
class Pending:
    """Changes of one field that wait to be made, in their order.

    Attributes:
        decisions: what is to be decided, by its kind; a later one of a kind takes the place of an earlier.
        doubts: changes whose orders got no answer, by what they write: found there later, they were carried out.
        is_bare: the task that goes with it was refused; it is made without.
        asked_s: since when it waits.
    """

    asked_s: float
    decisions: dict[str, Decide] = field(default_factory=dict)
    doubts: dict[str, Change] = field(default_factory=dict)
    is_bare: bool = False


class Claims:
    """What is pending, and what each field was last found to hold."""

    def __init__(self, site: Public) -> None:
        """Begin with nothing."""
        self.ledger = Public(site_key(site, SiteKey.ALERTS))
        self.pending: dict[str, Pending] = {}
        self.known: dict[str, str | None] = {}

    def ask(self, name: str, kind: str, decide: Decide, now_s: float) -> bool:
        """Have a change decided and made; say if there is room for it."""
        pending = self.pending.get(name)
        if pending is None:
            if len(self.pending) >= PENDING_LIMIT:
                return False
            pending = self.pending[name] = Pending(now_s)
        pending.decisions.pop(kind, None)
        pending.decisions[kind] = decide
        return True

    def forget(self, name: str, kind: str) -> None:
        """Drop a decision that was asked for; what it was about has turned out otherwise."""
        pending = self.pending.get(name)
        if pending is not None:
            pending.decisions.pop(kind, None)
            if not pending.decisions and not pending.doubts:
                del self.pending[name]

    def next_change(self, name: str) -> Change | None:
        """Decide the first change of a field; what needs none is done with."""
        pending = self.pending[name]
        while pending.decisions:
            kind = next(iter(pending.decisions))
            change = pending.decisions[kind](self.known.get(name))
            if change is not None:
                return change
            del pending.decisions[kind]
        del self.pending[name]
        return None

    def order(self, name: str, change: Change) -> Order:
        """Write the order for a change."""
        ticket = Ticket(self.ledger, name, self.known.get(name), change.text, ttl_s=TTL_S)
        return Order(ticket, None if self.pending[name].is_bare else change.item)

    def settle(self, name: str, change: Change, settlement: Settlement) -> bool:
        """Take in an answer; say whether the broker can be asked again at once."""
        outcome = settlement.outcome
        if outcome is Settled.ENQUEUED:
            self.known[name] = change.text
            if name in self.pending:
                self.pending[name].doubts.clear()
            change.won()
        elif outcome in (Settled.ALREADY, Settled.LOST):
            self.learn(name, change.text if outcome is Settled.ALREADY else settlement.found)
        elif outcome is Settled.INVALID and change.item is not None:
            self._goes_bare(name)
        else:
            if outcome is Settled.UNAVAILABLE and name in self.pending:
                doubts = self.pending[name].doubts
                doubts[change.text] = change
                if len(doubts) > DOUBTS_LIMIT:
                    del doubts[next(iter(doubts))]
            return False
        return True

    def learn(self, name: str, found: str | None) -> None:
        """Take in what a field holds; a change in doubt that is found there was made through us."""
        self.known[name] = found
        pending = self.pending.get(name)
        made = None if pending is None or found is None else pending.doubts.pop(found, None)
        if made is not None:
            made.won()

    def in_doubt(self) -> list[str]:
        """Name the fields that may have been changed through us."""
        return [name for name, pending in self.pending.items() if pending.doubts]

    def _goes_bare(self, name: str) -> None:
        if name in self.pending:
            self.pending[name].is_bare = True
