"""Sets that were frozen, so that what is carried out is what was shown. Pure; kept in memory, a bounded number for ten minutes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.clock import SECOND_US, instant
from daemon.desks import NotThere
from daemon.desks.schedule import Plan

KEPT_US = 600 * SECOND_US
PLANS_LIMIT = 100
SAMPLE = 20
ENTRIES_WITHOUT_ADMIN = 20
OCCURRENCES_WITHOUT_ADMIN = 100


@dataclass(frozen=True, slots=True)
class Frozen:
    """A set, and what is to be done with it.

    Attributes:
        instants: of a backfill of the one entry.
    """

    action: str
    ids: tuple[str, ...]
    made_us: int
    instants: tuple[int, ...] = ()
    overlap: str = "allow"

    @property
    def count(self) -> int:
        """Count what it would do."""
        return len(self.instants) if self.action == "backfill" else len(self.ids)


class Plans:
    """The sets that were frozen lately."""

    def __init__(self) -> None:
        """Begin with none."""
        self._frozen: OrderedDict[str, Frozen] = OrderedDict()

    def keep(self, token: str, frozen: Frozen) -> None:
        """Keep a set under its token."""
        self._frozen[token] = frozen
        while len(self._frozen) > PLANS_LIMIT:
            self._frozen.popitem(last=False)

    def look(self, token: str, now_us: int) -> Frozen:
        """Give a set.

        Raises:
            NotThere: it was carried out, is too old, or never was there.
        """
        frozen = self._frozen.get(token)
        if frozen is None or now_us - frozen.made_us > KEPT_US:
            self._frozen.pop(token, None)
            message = "no such plan: it was carried out, is older than 10 minutes, or the daemon has been started anew"
            raise NotThere(message, hint="ask for a new one, and look at it")
        return frozen

    def take(self, token: str, now_us: int) -> Frozen:
        """Give a set for the one time it is carried out.

        Raises:
            NotThere: as ``look``.
        """
        frozen = self.look(token, now_us)
        del self._frozen[token]
        return frozen


def shown(token: str, frozen: Frozen, names: Sequence[str]) -> Plan:
    """Write a set as it is shown before it is carried out."""
    is_backfill = frozen.action == "backfill"
    most = OCCURRENCES_WITHOUT_ADMIN if is_backfill else ENTRIES_WITHOUT_ADMIN
    ends = [instant(at_us) for at_us in (*frozen.instants[:1], *frozen.instants[-1:])]
    return Plan(
        token,
        frozen.action,
        frozen.count,
        tuple(names[:SAMPLE]),
        ends[0] if ends else None,
        ends[-1] if ends else None,
        "admin" if frozen.count > most else "operator",
        instant(frozen.made_us + KEPT_US),
    )
