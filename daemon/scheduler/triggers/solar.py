"""When the sun rises, stands highest, sets, and how far twilight reaches: the nine events of Celery's ``solar``.

ephem reckons them, and its answer shifts by a tenth of a second with the instant the search begins at. An occurrence needs
one instant on every daemon, so each search begins at local midnight and its answer is rounded to the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from daemon.clock import SECOND_US
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.trigger import Trigger

SEARCH_DAYS = 368
"""Near the poles some events come once a year."""

_DAY_S = 86_400
_SECONDS_A_DEGREE = 240
_EPHEM_EPOCH_DAYS = 25_567.5
"""1970-01-01 in ephem's days, which count from noon of 1899-12-31."""

_DAYS_KEPT = 16_384
_LATITUDE_LIMIT, _LONGITUDE_LIMIT = 90, 180


@dataclass(frozen=True, slots=True)
class _Event:
    search: str
    horizon: str = "-0:34"
    is_of_centre: bool = False


EVENTS = {
    "dawn_astronomical": _Event("next_rising", "-18", is_of_centre=True),
    "dawn_nautical": _Event("next_rising", "-12", is_of_centre=True),
    "dawn_civil": _Event("next_rising", "-6", is_of_centre=True),
    "sunrise": _Event("next_rising"),
    "solar_noon": _Event("next_transit", "0"),
    "sunset": _Event("next_setting"),
    "dusk_civil": _Event("next_setting", "-6", is_of_centre=True),
    "dusk_nautical": _Event("next_setting", "-12", is_of_centre=True),
    "dusk_astronomical": _Event("next_setting", "-18", is_of_centre=True),
}


@dataclass(frozen=True, slots=True)
class Solar(Trigger):
    """An event of the sun at a place on the sea, in a vacuum, as Celery has it; degrees north and east."""

    event: str
    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        """Check the place, and that ephem is there.

        Raises:
            TriggerInvalid: no such event or place, or ephem is not installed.
        """
        if self.event not in EVENTS:
            message = f'"{self.event}" is not an event of the sun'
            raise TriggerInvalid(message, hint=f"it knows {', '.join(EVENTS)}")
        if not abs(self.latitude) <= _LATITUDE_LIMIT:
            raise TriggerInvalid("a latitude is -90 to 90", hint="degrees, north above zero")
        if not abs(self.longitude) <= _LONGITUDE_LIMIT:
            raise TriggerInvalid("a longitude is -180 to 180", hint="degrees, east above zero")
        try:
            import_module("ephem")
        except ImportError:
            raise TriggerInvalid("solar needs ephem", hint="pip install 'carillond[solar]'") from None

    def next_after(self, after_us: int) -> int | None:
        """Give the first event after ``after_us``, whole seconds as microseconds."""
        after_s = after_us // SECOND_US
        today = (after_s + round(self.longitude * _SECONDS_A_DEGREE)) // _DAY_S
        for day in range(today, today + SEARCH_DAYS):
            for at_s in _on_day(self.event, self.latitude, self.longitude, day):
                if at_s > after_s:
                    return at_s * SECOND_US
        return None

    def describe(self) -> str:
        """Write event and place."""
        return f"solar {self.event} at {float(self.latitude)!r} {float(self.longitude)!r}"


@lru_cache(maxsize=_DAYS_KEPT)
def _on_day(event: str, latitude: float, longitude: float, day: int) -> tuple[int, ...]:
    """Give the events from one local mean midnight to the next, in seconds; there may be two, or none."""
    ephem: Any = import_module("ephem")
    of = EVENTS[event]
    place, sun = ephem.Observer(), ephem.Sun()
    place.lat, place.lon, place.elev, place.pressure, place.horizon = str(latitude), str(longitude), 0, 0, of.horizon
    centre = {"use_center": True} if of.is_of_centre else {}
    begin_s = day * _DAY_S - round(longitude * _SECONDS_A_DEGREE)
    found: list[int] = []
    at_s = begin_s - 1  # what is rounded up to midnight belongs to this day
    while True:
        start = ephem.Date(at_s / _DAY_S + _EPHEM_EPOCH_DAYS)
        try:
            there = getattr(place, of.search)(sun, start=start, **centre)
            has_come = True
        except ephem.CircumpolarError:
            # Not before the sun stands lowest; a first or last event of the season may come right after.
            there, has_come = place.next_antitransit(sun, start=start), False
        at_s = round((float(there) - _EPHEM_EPOCH_DAYS) * _DAY_S)
        if at_s >= begin_s + _DAY_S:
            return tuple(found)
        if has_come and at_s >= begin_s:
            found.append(at_s)
        at_s += 60  # past the event itself; two are further apart
