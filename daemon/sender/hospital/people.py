"""Who and what is in the hospital: persons, visits, orders, appointments. Every word of a name is invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from daemon.sender.hospital.chance import Chance

FAMILY = (
    "AMBER", "BASALT", "CEDAR", "DELTA", "EMBER", "FJORD", "GRANITE", "HAZEL", "INDIGO", "JASPER", "KELP", "LARCH", "MARBLE",
    "NIMBUS", "OPAL", "PUMICE", "QUARTZ", "RUSSET", "SORREL", "TUNDRA", "UMBER", "VELLUM", "WILLOW", "XENON", "YARROW", "ZEPHYR",
)  # fmt: skip
GIVEN = (
    "ALPHA", "BRAVO", "CHARLIE", "ECHO", "FOXTROT", "GOLF", "HOTEL", "JULIET", "KILO", "LIMA", "MIKE", "OSCAR", "PAPA", "QUEBEC",
    "ROMEO", "SIERRA", "TANGO", "UNIFORM", "VICTOR", "WHISKEY",
)  # fmt: skip
_DOCTORS = (
    "ANVIL",
    "BELLOWS",
    "CHISEL",
    "DRILL",
    "FILE",
    "GIMLET",
    "HAMMER",
    "LATHE",
    "MALLET",
    "PLANE",
    "RASP",
    "TONGS",
)
_STREETS = ("PEBBLE", "GRAVEL", "SAND", "CLAY", "CHALK", "SLATE", "LOAM", "MOSS")
_TOWNS = ("NOWHERE", "ELSEWHERE", "ANYTOWN", "SOMEPLACE")

LOCAL = {
    "8859/1": ("GRÜNSTEIN", "FJÄLL", "CÔTE", "MAÑANA", "ØRSTED"),
    "8859/2": ("ŻWIR", "ŁUPEK", "ČEDIČ", "KŘEMEN"),
    "8859/5": ("ГРАНИТ", "БАЗАЛЬТ", "ЯНТАРЬ"),
    "8859/7": ("ΓΡΑΝΙΤΗΣ", "ΧΑΛΑΖΙΑΣ"),
    "8859/9": ("GÜMÜŞ", "ÇAKIL", "ĞRANİT"),
    "8859/15": ("GRÜNSTEIN", "ŒILLET", "ŽULA"),
    "UNICODE UTF-8": ("GRÜNSTEIN", "ГРАНИТ", "ΧΑΛΑΖΙΑΣ", "花崗岩", "화강암"),
    "ISO IR87": ("花崗岩", "石英", "琥珀"),
    "GB 18030-2000": ("花岗岩", "石英", "琥珀"),
    "BIG-5": ("花崗岩", "石英", "琥珀", "功能"),
    "KS X 1001": ("화강암", "석영"),
}
"""Words in the letters of a character set, by its name in MSH-18."""

Place = tuple[str, int]
"""A ward and the number of a bed in it."""


@dataclass(slots=True, eq=False)
class Person:
    """A person who is known here.

    Attributes:
        number: the medical record number.
        local: the family name in other letters; empty if there is none.
        ties: visits, orders and appointments that go on.
    """

    number: str
    family: str
    given: str
    local: str
    born: str
    sex: str
    street: str
    town: str
    ties: int = 0


@dataclass(slots=True, eq=False)
class Visit:
    """A stay, or a visit to a clinic.

    Attributes:
        kind: ``I`` of an inpatient, ``O`` of an outpatient.
        place: where the patient is.
        before: the place before the last transfer, while that can be cancelled.
        is_new: whether the admission can still be cancelled.
        open_orders: of this visit.
        ended_at: when it ended; ``None`` while it lasts.
    """

    number: str
    person: Person
    kind: str
    place: Place
    doctor: str
    begun_at: datetime
    before: Place | None = None
    is_new: bool = True
    open_orders: int = 0
    ended_at: datetime | None = None


@dataclass(slots=True, eq=False)
class LabOrder:
    """An order for a panel of the laboratory.

    Attributes:
        filler: the laboratory's own number, once it has given one.
        values: what was found, once it has been.
        stage: ``""`` ordered, ``P`` preliminary, ``F`` final, ``C`` corrected.
    """

    placer: str
    visit: Visit
    panel: Panel
    ordered_at: datetime
    filler: str = ""
    stage: str = ""
    values: tuple[float, ...] = ()


@dataclass(slots=True, eq=False)
class Appointment:
    """An appointment in a clinic."""

    number: str
    person: Person
    clinic: str
    doctor: str
    at: datetime
    minutes: int


class Test(NamedTuple):
    """What a panel measures: the usual range, and how many digits are told."""

    code: str
    name: str
    units: str
    low: float
    high: float
    digits: int = 1


class Panel(NamedTuple):
    """Tests that are ordered together."""

    code: str
    name: str
    tests: tuple[Test, ...]


PANELS = (
    Panel("BCNT", "Blood count", (
        Test("HB", "Haemoglobin", "g/dL", 12, 17), Test("WBC", "Leukocytes", "10*9/L", 4, 11),
        Test("PLT", "Platelets", "10*9/L", 150, 400, 0), Test("HCT", "Haematocrit", "%", 36, 50),
    )),
    Panel("ELEC", "Electrolytes", (
        Test("NA", "Sodium", "mmol/L", 135, 145, 0), Test("K", "Potassium", "mmol/L", 3.5, 5.1),
        Test("CL", "Chloride", "mmol/L", 98, 107, 0), Test("CA", "Calcium", "mmol/L", 2.1, 2.6, 2),
    )),
    Panel("RENAL", "Kidney", (
        Test("CREA", "Creatinine", "umol/L", 60, 110, 0), Test("UREA", "Urea", "mmol/L", 2.5, 7.8),
    )),
    Panel("LIVER", "Liver", (
        Test("ALT", "Alanine transaminase", "U/L", 7, 56, 0), Test("BILI", "Bilirubin", "umol/L", 3, 20, 0),
        Test("ALB", "Albumin", "g/L", 35, 50, 0),
    )),
    Panel("INFL", "Inflammation", (Test("CRP", "C-reactive protein", "mg/L", 0, 5), Test("PCT", "Procalcitonin", "ug/L", 0, 0.5, 2))),
)  # fmt: skip

DRUGS = (
    ("SIM01", "EXEMPLARIN", "5", "mg", "PO"), ("SIM02", "PLACEBOL", "500", "mg", "PO"), ("SIM03", "FICTIVIR", "1", "g", "IV"),
    ("SIM04", "NULLAZEPAM", "10", "mg", "PO"), ("SIM05", "SALINE SIMULATED", "1000", "mL", "IV"),
)  # fmt: skip


def new_person(number: str, chance: Chance, at: datetime, scripts: tuple[str, ...]) -> Person:
    """Invent a person; ``scripts`` are the character sets names may need."""
    letters = [word for script in scripts for word in LOCAL.get(script, ())]
    return Person(
        number,
        chance.choice(FAMILY),
        chance.choice(GIVEN),
        chance.choice(letters) if letters else "",
        f"{chance.randint(at.year - 95, at.year - 1)}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}",
        chance.choice("FM"),
        new_street(chance),
        chance.choice(_TOWNS),
    )


def new_street(chance: Chance) -> str:
    """Invent a street and a number."""
    return f"{chance.randint(1, 199)} {chance.choice(_STREETS)} ROAD"


def new_doctor(chance: Chance) -> str:
    """Choose who treats: number and name as components."""
    place = chance.randrange(len(_DOCTORS))
    return f"D{place + 1:03d}^{_DOCTORS[place]}^{GIVEN[place]}"
