"""Patients come, move, go, and what is known of them changes (HL7 chapter 3). Pure."""

from __future__ import annotations

from daemon.sender.hospital.house import CLINICS, Act, House
from daemon.sender.hospital.people import new_street
from daemon.sender.hospital.writing import Pen, evn, mrg, pid, pv1

APPLICATION = "SIMHIS"
_SPARSE, _FULL = 0.3, 0.8
_MERGE_AS_A40 = (2, 3, 1)


def admit(house: House, pen: Pen) -> bytes:
    """A01: somebody gets a bed."""
    person = house.someone(pen.at)
    visit = house.begin(person, "I", house.free.take(house.chance), pen.at)
    house.fresh.add(visit)
    return _write(house, pen, "A01", pid(pen, person), pv1(visit))


def register(house: House, pen: Pen) -> bytes:
    """A04: somebody comes to a clinic."""
    person = house.someone(pen.at)
    visit = house.begin(person, "O", (house.chance.choice(CLINICS), 0), pen.at)
    return _write(house, pen, "A04", pid(pen, person), pv1(visit))


def transfer(house: House, pen: Pen) -> bytes:
    """A02: somebody moves to another bed."""
    visit = house.inpatients.pick(house.chance)
    new, old = house.free.take(house.chance), visit.place
    house.free.add(old)
    visit.place, visit.before, visit.is_new = new, old, False
    house.moved.add(visit)
    return _write(house, pen, "A02", pid(pen, visit.person), pv1(visit, before=old))


def discharge(house: House, pen: Pen) -> bytes:
    """A03: somebody goes home."""
    wards_first = house.filled > _SPARSE and house.chance.random() < 0.5  # noqa: PLR2004
    is_clinic = len(house.outpatients) > 0 and not wards_first
    visit = (house.outpatients if is_clinic else house.inpatients).pick(house.chance)
    house.end(visit)
    visit.ended_at, visit.before, visit.is_new = pen.at, None, False
    if visit.kind == "I":
        house.recent.add(visit)
    return _write(house, pen, "A03", pid(pen, visit.person), pv1(visit))


def update(house: House, pen: Pen) -> bytes:
    """A08: something is corrected in a visit that lasts."""
    visit = house.any_visit()
    visit.person.street = new_street(house.chance)
    return _write(house, pen, "A08", pid(pen, visit.person), pv1(visit))


def cancel_admission(house: House, pen: Pen) -> bytes | None:
    """A11: the admission was a mistake."""
    if not len(house.fresh):
        return None
    visit = house.fresh.take(house.chance)
    if visit not in house.inpatients or not visit.is_new or visit.open_orders:
        return None
    house.end(visit)
    return _write(house, pen, "A11", pid(pen, visit.person), pv1(visit))


def cancel_transfer(house: House, pen: Pen) -> bytes | None:
    """A12: the transfer was a mistake; the patient is where they were before."""
    if not len(house.moved):
        return None
    visit = house.moved.take(house.chance)
    old, new = visit.before, visit.place
    if visit not in house.inpatients or old is None or old not in house.free:
        return None
    house.free.remove(old)
    house.free.add(new)
    visit.place, visit.before = old, None
    return _write(house, pen, "A12", pid(pen, visit.person), pv1(visit, before=new))


def cancel_discharge(house: House, pen: Pen) -> bytes | None:
    """A13: the patient has not gone after all, and has the bed again."""
    if not len(house.recent):
        return None
    visit = house.recent.take(house.chance)
    if visit.place not in house.free or visit.person not in house.persons:
        return None
    house.free.remove(visit.place)
    house.persons.remove(visit.person)
    visit.person.ties += 1
    visit.ended_at = None
    house.inpatients.add(visit)
    return _write(house, pen, "A13", pid(pen, visit.person), pv1(visit))


def add_person(house: House, pen: Pen) -> bytes:
    """A28: somebody is entered without a visit; now and then somebody who is known already."""
    person = house.new_person(pen.at)
    known = house.idle_person()
    if known is not None and house.chance.random() < 0.5:  # noqa: PLR2004
        person.family, person.given, person.local = known.family, known.given, known.local
        person.born, person.sex = known.born, known.sex
    house.remember(person)
    return _write(house, pen, "A28", pid(pen, person), "PV1|1|N")


def update_person(house: House, pen: Pen) -> bytes | None:
    """A31: somebody who is not here has moved."""
    if not len(house.persons):
        return None
    person = house.persons.pick(house.chance)
    person.street = new_street(house.chance)
    return _write(house, pen, "A31", pid(pen, person), "PV1|1|N")


def merge(house: House, pen: Pen) -> bytes | None:
    """A40, up to 2.3 A34: one person had two numbers; the old one vanishes."""
    old, survivor = house.idle_person(), house.idle_person()
    if old is None or survivor is None or old is survivor:
        return None
    house.persons.remove(old)
    event = "A40" if pen.numbers >= _MERGE_AS_A40 else "A34"
    return _write(house, pen, event, pid(pen, survivor), mrg(old))


def _write(house: House, pen: Pen, event: str, *segments: str) -> bytes:
    return pen.message(APPLICATION, f"ADT^{event}", house.number("M"), evn(pen, event), *segments)


ACTS = (
    Act("ADT^A01", 9, lambda house: house.filled < _FULL and len(house.free) > 0, admit),
    Act("ADT^A02", 5, lambda house: len(house.inpatients) > 0 and len(house.free) > 0, transfer),
    Act("ADT^A03", 4, lambda house: house.filled > _SPARSE or not house.outpatients.has_room, discharge),
    Act("ADT^A04", 4, lambda house: house.outpatients.has_room, register),
    Act("ADT^A08", 3, lambda house: house.begun > 0, update),
    Act("ADT^A11", 0.8, lambda house: len(house.fresh) > 0, cancel_admission),
    Act("ADT^A12", 0.8, lambda house: len(house.moved) > 0, cancel_transfer),
    Act("ADT^A13", 0.8, lambda house: len(house.recent) > 0, cancel_discharge),
    Act("ADT^A28", 0.8, lambda house: house.persons.has_room, add_person),
    Act("ADT^A31", 0.8, lambda house: len(house.persons) > 0, update_person),
    Act("ADT^A40", 0.5, lambda house: len(house.persons) > 1, merge),
)
