"""A small hospital that admits, moves and discharges patients who do not exist. Pure: the same seed gives the same days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

WARDS = {"ICU": 12, "MED": 28, "SURG": 24, "PED": 16, "MAT": 14}
_FAMILY = (
    "AMBER",
    "BASALT",
    "CEDAR",
    "DELTA",
    "EMBER",
    "FJORD",
    "GRANITE",
    "HAZEL",
    "INDIGO",
    "JASPER",
    "KELP",
    "LARCH",
)
_GIVEN = ("ALPHA", "BRAVO", "CHARLIE", "ECHO", "FOXTROT", "GOLF", "HOTEL", "JULIET", "KILO", "LIMA", "MIKE", "OSCAR")
_SPARSE, _FULL = 0.3, 0.8


@dataclass(frozen=True, slots=True)
class _Patient:
    number: str
    family: str
    given: str
    born: str
    sex: str
    visit: str


class Hospital:
    """Makes ADT messages, one after the other, that fit together: nobody is moved who was not admitted."""

    def __init__(self, seed: int) -> None:
        """Start with empty beds."""
        self._chance = random.Random(seed)  # noqa: S311 - synthetic patients, not secrets
        self._prefix = f"{seed % 0xFFFF:04X}"
        self._count = 0
        self._patients = 0
        self._places: dict[tuple[str, int], _Patient] = {}

    def messages(self, clock: Iterator[datetime]) -> Iterator[bytes]:
        """Give messages for ever, each at the next instant of ``clock``."""
        for at in clock:
            yield self.next_message(at)

    def next_message(self, at: datetime) -> bytes:
        """Let something happen and write the message about it; segments end in CR."""
        filled = len(self._places) / sum(WARDS.values())
        likely: list[tuple[int, Callable[[datetime], bytes]]] = []
        if filled < _FULL:
            likely.append((9, self._admit))
        if filled > _SPARSE:
            likely.append((4, self._discharge))
        if self._places:
            likely += [(5, self._transfer), (3, self._update)]
        [(_, happen)] = self._chance.choices(likely, [weight for weight, _ in likely])
        return happen(at)

    def _admit(self, at: datetime) -> bytes:
        self._patients += 1
        patient = _Patient(
            number=f"{self._prefix}{self._patients:06d}",
            family=self._chance.choice(_FAMILY),
            given=self._chance.choice(_GIVEN),
            born=f"{self._chance.randint(1930, 2020)}{self._chance.randint(1, 12):02d}{self._chance.randint(1, 28):02d}",
            sex=self._chance.choice("FM"),
            visit=f"V{self._prefix}{self._patients:06d}",
        )
        place = self._free_bed()
        self._places[place] = patient
        return self._write("A01", at, patient, place)

    def _transfer(self, at: datetime) -> bytes:
        old = self._someone()
        patient = self._places.pop(old)
        new = self._free_bed()
        self._places[new] = patient
        return self._write("A02", at, patient, new, before=old)

    def _discharge(self, at: datetime) -> bytes:
        place = self._someone()
        return self._write("A03", at, self._places.pop(place), place)

    def _update(self, at: datetime) -> bytes:
        place = self._someone()
        return self._write("A08", at, self._places[place], place)

    def _someone(self) -> tuple[str, int]:
        return self._chance.choice(list(self._places))

    def _free_bed(self) -> tuple[str, int]:
        free = [
            (ward, bed) for ward, beds in WARDS.items() for bed in range(1, beds + 1) if (ward, bed) not in self._places
        ]
        return self._chance.choice(free)

    def _write(
        self,
        event: str,
        at: datetime,
        patient: _Patient,
        place: tuple[str, int],
        *,
        before: tuple[str, int] | None = None,
    ) -> bytes:
        self._count += 1
        stamp = at.strftime("%Y%m%d%H%M%S%z")
        prior = f"{before[0]}^^{before[1]}" if before else ""
        structure = "ADT_A01" if event in ("A01", "A08") else f"ADT_{event}"
        segments = (
            f"MSH|^~\\&|SIMHIS|SIMULATED|CARILLON|DEMO|{stamp}||ADT^{event}^{structure}|{self._prefix}{self._count:08d}|T|2.5",
            f"EVN|{event}|{stamp}",
            f"PID|1||{patient.number}^^^SIM^MR||{patient.family}^{patient.given}||{patient.born}|{patient.sex}",
            f"PV1|1|I|{place[0]}^^{place[1]}|||{prior}|||||||||||||{patient.visit}",
        )
        return "".join(f"{segment}\r" for segment in segments).encode("ascii")
