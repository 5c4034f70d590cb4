"""The messages probes send: nobody in them exists, processing id T, control ids that are recognised. Pure."""

from __future__ import annotations

from daemon.hl7listener.text.header import Header, parse_header

PREFIX = "CPROBE"
_STAMP = "20260101000000+0000"


class Composer:
    """Writes messages, each with a control id of its own.

    Attributes:
        run: what tells this run from others, within the control ids.
    """

    def __init__(self, kind: str, run: str) -> None:
        """Write messages of this kind, as ``ADT^A01``."""
        self._code, _, self._event = kind.partition("^")
        self.run = run
        self._count = 0

    def control_id(self) -> str:
        """Give a control id that was not given before."""
        self._count += 1
        return f"{PREFIX}{self.run}{self._count:05d}"

    def message(
        self,
        control_id: str | None = None,
        *,
        kind: str = "",
        version: str = "2.5",
        accept: str = "",
        application: str = "",
        charset: str = "",
        family: str = "PROBE",
        facility: str = "PROBE",
        more: str = "",
        codec: str = "ascii",
        end: str = "\r",
    ) -> bytes:
        """Write a message; ``more`` stands after the last segment and has ends of its own."""
        code, _, event = kind.partition("^") if kind else (self._code, "", self._event)
        structure = f"^{code}_{event}" if event and version not in ("2.1", "2.2", "2.3") else ""
        tail = f"|||{accept}|{application}||{charset}".rstrip("|")
        segments = (
            (
                f"MSH|^~\\&|CARILLON^1.2.3^ISO|{facility}|LISTENER^4.5.6^ISO|SITE|{_STAMP}||{code}^{event}{structure}"
                f"|{control_id or self.control_id()}|T|{version}{tail}"
            ),
            f"EVN|{event}|{_STAMP}",
            f"PID|1||0^^^PROBE^MR||{family}^NOBODY||19000101|U",
            "PV1|1|N",
        )
        return ("".join(f"{segment}{end}" for segment in segments) + more).encode(codec)


def header_of(message: bytes) -> Header:
    """Read the header of a message of ours."""
    header = parse_header(message)
    assert isinstance(header, Header)
    return header
