"""Writing messages: header, persons, visits. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daemon.sender.hospital.people import Person, Place, Visit
from daemon.sender.hospital.shape import CODECS

_STRUCTURES = {
    "A04": "ADT_A01", "A08": "ADT_A01", "A13": "ADT_A01", "A11": "ADT_A09", "A12": "ADT_A09", "A28": "ADT_A05",
    "A31": "ADT_A05", "A34": "ADT_A30", "A40": "ADT_A39", "S13": "SIU_S12", "S14": "SIU_S12", "S15": "SIU_S12", "S26": "SIU_S12",
}  # fmt: skip
"""Where MSH-9.3 is not made of the type and the event (HL7 table 0354)."""

_LAST_WITHOUT_STRUCTURE = (2, 3)


@dataclass(frozen=True, slots=True)
class Pen:
    """How one message is written: when, in which version and character set."""

    at: datetime
    version: str
    charset: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version as numbers, to be compared."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def stamp(self) -> str:
        """The time of the message."""
        return stamp_of(self.at)

    def family(self, person: Person) -> str:
        """Give the name as the character set can write it."""
        if not person.local:
            return person.family
        try:
            person.local.encode(CODECS[self.charset])
        except UnicodeEncodeError:
            return person.family
        return person.local

    def message(self, application: str, kind: str, control_id: str, *segments: str) -> bytes:
        """Write a message; every segment ends in CR."""
        code, _, event = kind.partition("^")
        structure = f"^{_STRUCTURES.get(event, f'{code}_{event}')}" if self.numbers > _LAST_WITHOUT_STRUCTURE else ""
        tail = f"||||||{self.charset}" if self.charset else ""
        header = (
            f"MSH|^~\\&|{application}|SIMULATED|CARILLON|DEMO|{self.stamp}||{code}^{event}{structure}|{control_id}|T"
            f"|{self.version}{tail}"
        )
        text = "".join(f"{segment}\r" for segment in (header, *segments))
        return text.encode(CODECS[self.charset])


def stamp_of(at: datetime) -> str:
    """Write an instant with its offset."""
    return at.strftime("%Y%m%d%H%M%S%z")


def shown_place(place: Place) -> str:
    """Write a ward and a bed as the components of a location; bed 0 is a clinic without beds."""
    return f"{place[0]}^^{place[1]}" if place[1] else place[0]


def evn(pen: Pen, event: str) -> str:
    """Write what happened and when."""
    return f"EVN|{event}|{pen.stamp}"


def pid(pen: Pen, person: Person) -> str:
    """Write a person."""
    return (
        f"PID|1||{person.number}^^^SIM^MR||{pen.family(person)}^{person.given}||{person.born}|{person.sex}"
        f"|||{person.street}^^{person.town}"
    )


def mrg(person: Person) -> str:
    """Write the number that goes away."""
    return f"MRG|{person.number}^^^SIM^MR"


def pv1(visit: Visit, *, before: Place | None = None) -> str:
    """Write a visit."""
    prior = shown_place(before) if before else ""
    doctor = visit.doctor
    ended = stamp_of(visit.ended_at) if visit.ended_at else ""
    begun = stamp_of(visit.begun_at)
    head = f"PV1|1|{visit.kind}|{shown_place(visit.place)}|||{prior}|{doctor}||||||||||||{visit.number}"
    return f"{head}{'|' * 25}{begun}|{ended}".rstrip("|")
