"""A hospital at work: one thing after the other happens, and each is a message. Pure: the same seed gives the same days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate

from daemon.sender.hospital import appointments, movements, orders
from daemon.sender.hospital.chance import seeded
from daemon.sender.hospital.house import Act, House
from daemon.sender.hospital.shape import WARDS, Shape
from daemon.sender.hospital.writing import Pen

__all__ = ["WARDS", "Hospital"]

_ACTS = (*movements.ACTS, *orders.ACTS, *appointments.ACTS)
_ALWAYS = frozenset(("ADT^A01", "ADT^A03"))
_NEEDS = {
    "ADT^A12": frozenset(("ADT^A02",)),
    "ADT^A31": frozenset(("ADT^A28",)),
    "ADT^A40": frozenset(("ADT^A28",)),
    "ORM^O01": frozenset(("ORU^R01",)),
    "ORU^R01": frozenset(("ORM^O01",)),
    "SIU^S12": frozenset(("SIU^S15",)),
    **{f"SIU^{event}": frozenset(("SIU^S12",)) for event in ("S13", "S14", "S15", "S26")},
}
"""What must happen, told or not, so that something else can."""

_UNTOLD = 0.2
"""How often what is not told happens, where it is needed."""


class Hospital:
    """Makes messages, one after the other, that fit together: nobody is moved who was not admitted."""

    def __init__(self, seed: int, shape: Shape | None = None) -> None:
        """Start with empty beds; without a shape, a small hospital that sends movements."""
        self._shape = shape or Shape()
        self._chance = seeded(seed)
        self._house = House(self._shape, self._chance, f"{seed % 0xFFFF:04X}")
        self._told = [act for act in _ACTS if act.kind in self._shape.kinds]
        needed = _ALWAYS.union(*(_NEEDS.get(kind, frozenset()) for kind in self._shape.kinds)) - self._shape.kinds
        self._untold = [act for act in _ACTS if act.kind in needed]

    def messages(self, clock: Iterable[datetime]) -> Iterator[bytes]:
        """Give messages for ever, each at the next instant of ``clock``."""
        for at in clock:
            yield self.next_message(at)

    def next_message(self, at: datetime) -> bytes:
        """Let something happen and write the message about it; segments end in CR."""
        pen = Pen(at, self._chance.choice(self._shape.versions), self._chance.choice(self._shape.charsets))
        while True:
            told = self._possible(self._told)
            untold = self._possible(self._untold)
            if not told or (untold and self._chance.random() < _UNTOLD):
                self._choose(untold).happen(self._house, pen)
                continue
            message = self._choose(told).happen(self._house, pen)
            if message is not None:
                return message

    def _possible(self, acts: list[Act]) -> list[Act]:
        return [act for act in acts if act.is_possible(self._house)]

    def _choose(self, acts: list[Act]) -> Act:
        [act] = self._chance.choices(acts, cum_weights=list(accumulate(act.weight for act in acts)))
        return act
