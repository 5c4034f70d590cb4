"""What is known in the hospital at one moment. Everything in it is bounded by the number of beds. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from daemon.sender.hospital.chance import Chance
from daemon.sender.hospital.people import Appointment, LabOrder, Person, Place, Visit, new_doctor, new_person
from daemon.sender.hospital.pool import Pool
from daemon.sender.hospital.shape import Shape
from daemon.sender.hospital.writing import Pen

CLINICS = ("EYE", "SKIN", "HEART", "BONE")
_PERSONS_A_BED = 4
_RECENT = 64


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can happen.

    Attributes:
        kind: type and event.
        weight: how often, beside the others.
        is_possible: whether it can happen now.
        happen: lets it happen and writes the message about it; ``None`` if after all nothing did.
    """

    kind: str
    weight: float
    is_possible: Callable[[House], bool]
    happen: Callable[[House, Pen], bytes | None]


class House:
    """Persons, beds, orders and appointments.

    Attributes:
        persons: everybody who is known and is not being treated now.
        inpatients, outpatients: visits that last.
        recent: inpatients' visits that ended a short while ago.
        fresh, moved: visits that began, and places that changed, a short while ago.
        orders: that have no final result yet.
        reported: that have one, and may be corrected.
    """

    def __init__(self, shape: Shape, chance: Chance, prefix: str) -> None:
        """Start with empty beds."""
        beds = shape.beds
        self.chance = chance
        self.persons: Pool[Person] = Pool(_PERSONS_A_BED * beds)
        self.inpatients: Pool[Visit] = Pool(beds)
        self.outpatients: Pool[Visit] = Pool(max(beds // 4, 2))
        self.recent: Pool[Visit] = Pool(min(beds, _RECENT))
        self.fresh: Pool[Visit] = Pool(min(beds, _RECENT))
        self.moved: Pool[Visit] = Pool(min(beds, _RECENT))
        self.orders: Pool[LabOrder] = Pool(2 * beds)
        self.reported: Pool[LabOrder] = Pool(_RECENT)
        self.appointments: Pool[Appointment] = Pool(beds)
        self.free: Pool[Place] = Pool(
            beds, ((ward, bed) for ward, count in shape.wards.items() for bed in range(1, count + 1))
        )
        self.beds = beds
        self._scripts = shape.charsets
        self._prefix = prefix
        self._numbers: dict[str, int] = {}

    @property
    def filled(self) -> float:
        """The share of beds that are taken."""
        return len(self.inpatients) / self.beds

    @property
    def begun(self) -> int:
        """Count the visits that last."""
        return len(self.inpatients) + len(self.outpatients)

    def number(self, of: str) -> str:
        """Give the next number of a kind; ``of`` is what it begins with."""
        self._numbers[of] = self._numbers.get(of, 0) + 1
        return f"{of}{self._prefix}{self._numbers[of]:06d}"

    def new_person(self, at: datetime) -> Person:
        """Invent a person who has not been here before."""
        return new_person(self.number(""), self.chance, at, self._scripts)

    def someone(self, at: datetime) -> Person:
        """Choose a person who is not here now: one who has been here, or a new one."""
        if len(self.persons) > self.beds and self.chance.random() < 0.4:  # noqa: PLR2004 - of ten, four come again
            return self.persons.take(self.chance)
        return self.new_person(at)

    def idle_person(self) -> Person | None:
        """Choose a person whom nothing ties; ``None`` if a few tries find nobody."""
        for _ in range(4):
            if len(self.persons) and not (person := self.persons.pick(self.chance)).ties:
                return person
        return None

    def remember(self, person: Person) -> None:
        """Know a person who goes home; somebody else is forgotten if there are too many."""
        forgotten = self.persons.add(person)
        if forgotten is not None and forgotten.ties:
            self.persons.add(forgotten)

    def begin(self, person: Person, kind: str, place: Place, at: datetime) -> Visit:
        """Begin a visit."""
        self.persons.remove(person)
        person.ties += 1
        visit = Visit(self.number("V"), person, kind, place, new_doctor(self.chance), at)
        (self.inpatients if kind == "I" else self.outpatients).add(visit)
        return visit

    def end(self, visit: Visit) -> None:
        """End a visit and free its bed."""
        visit.person.ties -= 1
        if visit.kind == "I":
            self.inpatients.remove(visit)
            self.free.add(visit.place)
        else:
            self.outpatients.remove(visit)
        self.remember(visit.person)

    def any_visit(self) -> Visit:
        """Choose a visit that lasts."""
        pool = self.inpatients if self.chance.random() * self.begun < len(self.inpatients) else self.outpatients
        return pool.pick(self.chance)
