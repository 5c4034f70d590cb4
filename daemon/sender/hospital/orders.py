"""The laboratory and the pharmacy: orders, results, corrections, reports (HL7 chapters 4 and 7). Pure."""

from __future__ import annotations

import base64

from daemon.sender.hospital.chance import Chance
from daemon.sender.hospital.house import Act, House
from daemon.sender.hospital.people import DRUGS, PANELS, LabOrder, Test, new_doctor
from daemon.sender.hospital.writing import Pen, pid, pv1, stamp_of

ORDERING, LABORATORY, PHARMACY = "SIMORDER", "SIMLAB", "SIMPHARM"
_RDE_O11 = (2, 4)
_PRELIMINARY, _REPORT, _OUT_OF_RANGE = 0.25, 0.06, 0.2
_REPORT_BYTES = (1_000, 24_000)


def order_panel(house: House, pen: Pen) -> bytes:
    """ORM^O01: a panel is ordered for somebody who is here."""
    visit = house.any_visit()
    order = LabOrder(house.number("P"), visit, house.chance.choice(PANELS), pen.at)
    visit.open_orders += 1
    visit.person.ties += 1
    house.orders.add(order)
    panel = order.panel
    return pen.message(
        ORDERING, "ORM^O01", house.number("M"), pid(pen, visit.person), pv1(visit),
        f"ORC|NW|{order.placer}|||||||{pen.stamp}|||{visit.doctor}",
        f"OBR|1|{order.placer}||{panel.code}^{panel.name}^L|||{pen.stamp}|||||||||{visit.doctor}",
    )  # fmt: skip


def report_results(house: House, pen: Pen) -> bytes:
    """ORU^R01: what the laboratory found, at once final or first preliminary."""
    order = house.orders.pick(house.chance)
    order.filler = order.filler or house.number("F")
    order.values = tuple(_value(test, house.chance) for test in order.panel.tests)
    if not order.stage and house.chance.random() < _PRELIMINARY:
        order.stage = "P"
        return _report(house, pen, order)
    order.stage = "F"
    house.orders.remove(order)
    order.visit.open_orders -= 1
    order.visit.person.ties -= 1
    house.reported.add(order)
    return _report(house, pen, order)


def correct_results(house: House, pen: Pen) -> bytes | None:
    """ORU^R01 again: one of the values was wrong."""
    order = house.reported.take(house.chance)
    visit = order.visit
    if visit.person not in house.persons and visit not in house.inpatients and visit not in house.outpatients:
        return None  # the number may have been merged away in the meantime
    place = house.chance.randrange(len(order.values))
    values = list(order.values)
    values[place] = _value(order.panel.tests[place], house.chance)
    order.values, order.stage = tuple(values), "C"
    return _report(house, pen, order)


def order_drug(house: House, pen: Pen) -> bytes:
    """RDE^O11, up to 2.3.1 O01: a drug is ordered for an inpatient."""
    visit = house.inpatients.pick(house.chance)
    code, name, dose, units, route = house.chance.choice(DRUGS)
    hours = house.chance.choice((6, 8, 12, 24))
    placer = house.number("R")
    timing = f"1^Q{hours}H^^{pen.stamp}"
    event = "O11" if pen.numbers >= _RDE_O11 else "O01"
    return pen.message(
        PHARMACY, f"RDE^{event}", house.number("M"), pid(pen, visit.person), pv1(visit),
        f"ORC|NW|{placer}|||||{timing}||{pen.stamp}|||{new_doctor(house.chance)}",
        f"RXE|{timing}|{code}^{name}^L|{dose}||{units}",
        f"RXR|{route}",
    )  # fmt: skip


def _report(house: House, pen: Pen, order: LabOrder) -> bytes:
    panel, visit = order.panel, order.visit
    head = f"{order.placer}|{order.filler}|{panel.code}^{panel.name}^L"
    segments = [
        pid(pen, visit.person),
        pv1(visit),
        f"ORC|RE|{order.placer}|{order.filler}",
        f"OBR|1|{head}|||{stamp_of(order.ordered_at)}|||||||||{visit.doctor}||||||{pen.stamp}||LAB|{order.stage}",
    ]
    for number, (test, value) in enumerate(zip(panel.tests, order.values, strict=True), 1):
        shown = f"{value:.{test.digits}f}"
        flag = "L" if value < test.low else "H" if value > test.high else "N"
        segments.append(
            f"OBX|{number}|NM|{test.code}^{test.name}^L||{shown}|{test.units}"
            f"|{test.low:g}-{test.high:g}|{flag}|||{order.stage}|||{pen.stamp}"
        )
    if "H" in (segment.split("|")[8] for segment in segments[4:]):
        segments.append("NTE|1|L|Repeat if clinically indicated (R\\T\\D sample kept)")
    if house.chance.random() < _REPORT:
        segments.append(
            f"OBX|{len(panel.tests) + 1}|ED|REPORT^Report^L||{LABORATORY}^AP^PDF^Base64^{_document(house.chance)}"
            f"||||||{order.stage}|||{pen.stamp}"
        )
    return pen.message(LABORATORY, "ORU^R01", house.number("M"), *segments)


def _value(test: Test, chance: Chance) -> float:
    width = test.high - test.low
    if chance.random() < _OUT_OF_RANGE:
        away = chance.uniform(0.02, 0.6) * width
        value = test.high + away if chance.random() < 0.5 else max(test.low - away, 0)  # noqa: PLR2004
    else:
        value = chance.uniform(test.low, test.high)
    return round(value, test.digits)


def _document(chance: Chance) -> str:
    """Make something of a report's size that begins as a PDF does."""
    content = b"%PDF-1.4\n% a simulated report, without meaning\n" + chance.randbytes(chance.randint(*_REPORT_BYTES))
    return base64.b64encode(content + b"\n%%EOF\n").decode("ascii")


ACTS = (
    Act("ORM^O01", 6, lambda house: house.orders.has_room and house.begun > 0, order_panel),
    Act("ORU^R01", 6, lambda house: len(house.orders) > 0, report_results),
    Act("ORU^R01", 0.5, lambda house: len(house.reported) > 0, correct_results),
    Act("RDE^O11", 3, lambda house: len(house.inpatients) > 0, order_drug),
)
