"""Random cases for the proof of clock changes: an expression, a zone, and an instant near a change of its clocks."""

from __future__ import annotations

import random
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from tests.support.wall_scan import changes

YEARS = range(2015, 2041)
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class Case:
    """An expression, a zone, and two instants on whole minutes."""

    text: str
    zone: str
    start_s: int
    end_s: int


@cache
def changing_zones() -> tuple[str, ...]:
    """Give every IANA zone whose clocks were changed, or will be, between 2015 and 2040."""
    names = sorted(name for name in zoneinfo.available_timezones() if name not in ("localtime", "Factory"))
    return tuple(name for name in names if any(changes(name, year) for year in YEARS))


def draw_case(chance: random.Random, zone: str) -> Case:
    """Draw a case about one of the zone's clock changes, or in a tenth of the cases about any instant."""
    years = [year for year in YEARS if changes(zone, year)]
    at = chance.choice(changes(zone, chance.choice(years)))
    if chance.random() < 0.1:
        at = int(datetime(chance.choice(YEARS), 1, 1, tzinfo=UTC).timestamp()) + chance.randrange(366 * 1440) * 60
    before, after = chance.choice(((0, 4), (2, 3), (5, 5), (8, 12), (26, 30)))
    start = at - before * 3600 + chance.randrange(-90, 90) * 60
    return Case(_expression(chance, zone, at), zone, start, max(start, at) + after * 3600)


def _expression(chance: random.Random, zone: str, at: int) -> str:
    info = ZoneInfo(zone)
    walls = [datetime.fromtimestamp(near, info) for near in (at - 60, at)]
    hours = sorted({(wall.hour + step) % 24 for wall in walls for step in (-1, 0, 1)} | {chance.randrange(24)})
    fields = []
    for place, near in enumerate(([0, 30, walls[0].minute], hours, [w.day for w in walls], [w.month for w in walls],
                                  [w.isoweekday() % 7 for w in walls])):  # fmt: skip
        rare = place >= 2
        if chance.random() < (0.75, 0.5)[not rare]:
            fields.append("*")
        else:
            fields.append(",".join(_item(chance, place, near) for _ in range(chance.choice((1, 1, 2, 3)))))
    return " ".join(fields)


def _item(chance: random.Random, place: int, near: list[int]) -> str:
    low, high = _BOUNDS[place]

    def some() -> int:
        return chance.choice(near) if chance.random() < 0.7 else chance.randint(low, high)

    kind = chance.randrange(6)
    if kind < 3:
        return _written(chance, place, some())
    if kind == 3:
        return f"*/{chance.randint(1, 12)}"
    first, last = sorted((some(), some()))
    step = f"/{chance.randint(1, 12)}" if kind == 5 else ""
    return f"{_written(chance, place, first)}-{_written(chance, place, last)}{step}"


def _written(chance: random.Random, place: int, value: int) -> str:
    names = {3: MONTHS, 4: _WEEKDAYS}.get(place)
    if names and chance.random() < 0.3:
        return names[value - _BOUNDS[place][0]]
    return str(value)
