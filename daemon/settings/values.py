"""Types of single values in a site file: names, durations, sizes, addresses, zones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, PlainSerializer, PlainValidator
from pydantic_core import PydanticCustomError

from daemon.public import Public, escaped
from daemon.settings.problems import did_you_mean

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d{1,18})\s*(B|KiB|MiB|GiB|TiB)?", re.ASCII)
_SIZE_BYTES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
LONGEST_S = 3660 * 86400.0
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_PORT_LIMIT = 65535
_LABEL_LIMIT = 255
_CUT = 64


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error a validator raises; the hint travels beside the message."""
    return PydanticCustomError("value", "{message}", {"message": message, "hint": hint})


def _cut(value: str) -> str:
    """Show a text that may be anything, in a line."""
    return escaped(value[:_CUT]) + "…" * (len(value) > _CUT)


def _name(value: Any) -> Public:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        what = f'"{_cut(value)}"' if isinstance(value, str) else "this"
        raise wrong(f"{what} is not a name", "1 to 64 of a-z, 0-9, dot, dash, underscore; a letter or digit first")
    return Public(value)


def _printable(value: Any) -> Public:
    if not isinstance(value, str) or not 0 < len(value) <= _LABEL_LIMIT or not value.isprintable():
        raise wrong("1 to 255 printable characters are needed")
    return Public(value)


def _labels(value: Any) -> tuple[Public, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise wrong("at least one word is needed", "leave the key out to match all")
    return tuple(_printable(item) for item in items)


def parse_duration_s(value: Any) -> float:
    """Read ``"1h30m"``, ``"250ms"`` or a number of seconds.

    Raises:
        PydanticCustomError: not a duration, not above zero, or longer than ten years.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise wrong("not a duration", 'write "15m", "1h30m", "250ms", or seconds as a number')
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if not parts or "".join(number + unit for number, unit in parts) != value.replace(" ", ""):
            raise wrong(f'"{value[:40]}" is not a duration', 'write "15m", "1h30m", "250ms"; units ms s m h d w')
        seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    else:
        seconds = value
    if not 0 < seconds <= LONGEST_S:
        raise wrong("a duration must be above zero and at most ten years")
    return float(seconds)


def show_duration(seconds: float) -> str | float:
    """Write a duration so that it is read back as the same one: with units, or as a number if they do not reach."""
    text, left_ms = "", round(seconds * 1000)
    for unit, length_s in sorted(_UNIT_S.items(), key=lambda pair: -pair[1]):
        count, left_ms = divmod(left_ms, round(length_s * 1000))
        text += f"{count}{unit}" if count else ""
    return text if text and parse_duration_s(text) == seconds else seconds


def _size_bytes(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong("not a size", 'write "16MiB", "20GiB", or a number of bytes')
    return int(match[1]) * _SIZE_BYTES[match[2]]


@cache
def _known_zones() -> frozenset[str]:
    """Give the names of all time zones of this machine; listing them walks a folder, so it is done once."""
    return frozenset(available_timezones())


def parse_zone(value: Any) -> Public:
    """Read the name of an IANA time zone.

    Raises:
        PydanticCustomError: there is no such zone.
    """
    if not isinstance(value, str) or not value:
        raise wrong("not a time zone", 'write "America/New_York" or "UTC"')
    # Only names that are listed are opened: a name is a path inside the zone data.
    if value not in _known_zones():
        raise wrong(f'"{value[:64]}" is not a known time zone', did_you_mean(value, sorted(_known_zones())))
    ZoneInfo(value)
    return Public(value)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write ``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Say whether only this machine can connect. Of names, only ``localhost`` is believed."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def collides(self, other: Address) -> bool:
        """Say whether both cannot be listened on at once."""
        if self.port != other.port or self.port == 0:
            return False
        wildcards = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
        return self.host == other.host or self.host in wildcards or other.host in wildcards


def parse_address(value: Any) -> Address:
    """Read ``host:port`` or ``[v6]:port``.

    Raises:
        PydanticCustomError: no port, or one out of range.
    """
    hint = 'write "127.0.0.1:2575", "0.0.0.0:2575" or "[::1]:2575"'
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise wrong("not an address", hint)
    host, colon, port = value.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > _PORT_LIMIT:
        raise wrong(f'"{value[:64]}" has no port between 0 and {_PORT_LIMIT}', hint)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or not host:
        raise wrong(f'"{value[:64]}" is not an address', hint)
    return Address(host, int(port))


Name = Annotated[Public, PlainValidator(_name)]
"""A name given in the site file: of the site, an entry, a feed."""

Label = Annotated[Public, PlainValidator(_printable)]
"""A name used elsewhere: of a task, a queue."""

AS_LIST = PlainSerializer(list, return_type=list[str], when_used="json")
"""Writes a tuple of texts."""

Labels = Annotated[tuple[Public, ...], PlainValidator(_labels), AS_LIST]
"""One such name or a list of them."""

Duration = Annotated[float, PlainValidator(parse_duration_s), PlainSerializer(show_duration, when_used="json")]
"""Seconds, written with units."""

Size = Annotated[int, PlainValidator(_size_bytes)]
"""Bytes, written with units."""

Zone = Annotated[Public, PlainValidator(parse_zone)]
"""Name of an IANA time zone."""

ListenAddress = Annotated[Address, PlainValidator(parse_address), PlainSerializer(str)]
"""An address to listen on."""


def _priority(value: int) -> int:
    if not 0 <= value <= 9:  # noqa: PLR2004 - the range of Celery's Redis transport
        raise wrong("priority is 0 to 9", "0 is served first on Redis, 9 last")
    return value


Priority = Annotated[int, AfterValidator(_priority)]
"""0, served first on Redis, to 9."""
