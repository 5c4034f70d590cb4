"""``[audit]``: the trail of who did what, and where else it goes."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field, PlainSerializer, PlainValidator, field_validator

from daemon.settings.feed.trust import File
from daemon.settings.section import Section
from daemon.settings.values import Address, Size, parse_address, wrong

SMALLEST_FILE_BYTES = 64 * 1024
_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}


class SyslogPlace(NamedTuple):
    """Where records are sent: ``udp``, ``tcp`` or ``tls``, and an address."""

    scheme: str
    address: Address

    def __str__(self) -> str:
        """Write ``tls://host:port``."""
        return f"{self.scheme}://{self.address}"


def _place(value: Any) -> SyslogPlace:
    hint = 'write "tls://logs.example.org:6514", "tcp://…" or "udp://…"'
    if isinstance(value, SyslogPlace):
        return value
    if not isinstance(value, str):
        raise wrong("not an address", hint)
    scheme, mark, rest = value.partition("://")
    if not mark or scheme not in _PORTS or not rest:
        raise wrong(f'"{value[:64]}" is not an address of a log server', hint)
    bare = ":" not in rest or rest.endswith("]")
    address = parse_address(f"{rest}:{_PORTS[scheme]}" if bare else rest)
    if not address.port:
        raise wrong("port 0 cannot be sent to", hint)
    return SyslogPlace(scheme, address)


class AuditSection(Section):
    """``[audit]``."""

    file_limit: Size = 16 * 1024**2
    files: int = Field(default=10, ge=1, le=1000)
    syslog: Annotated[SyslogPlace, PlainValidator(_place), PlainSerializer(str, when_used="json")] | None = None
    syslog_ca: File | None = None

    @field_validator("file_limit")
    @classmethod
    def _holds_records(cls, value: int) -> int:
        if value < SMALLEST_FILE_BYTES:
            raise wrong("too small for a file of records", 'write at least "64KiB"; the default is "16MiB"')
        return value
