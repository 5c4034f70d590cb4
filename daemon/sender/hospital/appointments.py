"""Appointments in the clinics (HL7 chapter 10). Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.sender.hospital.house import CLINICS, Act, House
from daemon.sender.hospital.people import Appointment, new_doctor
from daemon.sender.hospital.writing import Pen, pid, stamp_of

APPLICATION = "SIMSCHED"
_LENGTHS = (10, 15, 20, 30, 45)
_DAYS = 60
_FIRST_HOUR, _LAST_HOUR = 8, 16


def book(house: House, pen: Pen) -> bytes:
    """S12: an appointment is made."""
    person = house.persons.pick(house.chance) if len(house.persons) else house.new_person(pen.at)
    if person not in house.persons:
        house.remember(person)
    appointment = Appointment(
        house.number("A"),
        person,
        house.chance.choice(CLINICS),
        new_doctor(house.chance),
        _some_day(house, pen.at),
        house.chance.choice(_LENGTHS),
    )
    person.ties += 1
    house.appointments.add(appointment)
    return _write(house, pen, "S12", appointment, "Booked")


def move(house: House, pen: Pen) -> bytes:
    """S13: an appointment gets another day."""
    appointment = house.appointments.pick(house.chance)
    appointment.at = _some_day(house, pen.at)
    return _write(house, pen, "S13", appointment, "Booked")


def change(house: House, pen: Pen) -> bytes:
    """S14: an appointment is with somebody else, and as long as that takes."""
    appointment = house.appointments.pick(house.chance)
    appointment.doctor, appointment.minutes = new_doctor(house.chance), house.chance.choice(_LENGTHS)
    return _write(house, pen, "S14", appointment, "Booked")


def cancel(house: House, pen: Pen) -> bytes:
    """S15: an appointment is given up."""
    return _write(house, pen, "S15", _done_with(house), "Cancelled")


def miss(house: House, pen: Pen) -> bytes:
    """S26: nobody came."""
    return _write(house, pen, "S26", _done_with(house), "Noshow")


def _done_with(house: House) -> Appointment:
    appointment = house.appointments.take(house.chance)
    appointment.person.ties -= 1
    return appointment


def _some_day(house: House, at: datetime) -> datetime:
    day = at + timedelta(days=house.chance.randint(1, _DAYS))
    hour, minute = house.chance.randint(_FIRST_HOUR, _LAST_HOUR), house.chance.choice((0, 15, 30, 45))
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _write(house: House, pen: Pen, event: str, one: Appointment, status: str) -> bytes:
    begin, end = stamp_of(one.at), stamp_of(one.at + timedelta(minutes=one.minutes))
    return pen.message(
        APPLICATION, f"SIU^{event}", house.number("M"),
        f"SCH|{one.number}|{one.number}|||||ROUTINE^Routine^L|NORMAL^Normal^L|{one.minutes}|MIN"
        f"|^^{one.minutes}^{begin}^{end}|||||||||||||{_contact(one)}|||||{status}",
        pid(pen, one.person),
        f"PV1|1|O|{one.clinic}",
        "RGS|1",
        f"AIL|1||{one.clinic}",
        f"AIP|1||{one.doctor}",
    )  # fmt: skip


def _contact(one: Appointment) -> str:
    return f"CLERK^{one.clinic}"


ACTS = (
    Act("SIU^S12", 3, lambda house: house.appointments.has_room, book),
    Act("SIU^S13", 0.8, lambda house: len(house.appointments) > 0, move),
    Act("SIU^S14", 0.6, lambda house: len(house.appointments) > 0, change),
    Act("SIU^S15", 1.0, lambda house: len(house.appointments) > 0, cancel),
    Act("SIU^S26", 0.6, lambda house: len(house.appointments) > 0, miss),
)
