"""Messages and sites for tests. Patients are made up, and marked so that a leak is found."""

from __future__ import annotations

from pathlib import Path

from daemon.hl7listener.wire.framer import frame

CR = b"\r"
MARKER = "ZZPATIENT"
"""Stands in every field that would hold patient data; it must never appear where it does not belong."""


def adt(
    control_id: str = "M1",
    *,
    event: str = "A01",
    version: str = "2.5",
    patient: str = "P1",
    ward: str = "ICU",
    msh: str | None = None,
    accept: str = "",
    application: str = "",
    end: str = "\r",
) -> bytes:
    """Write an ADT message; segments end in ``end``."""
    header = msh or (
        f"MSH|^~\\&|SENDAPP|SENDFAC|RECVAPP|RECVFAC|20261122040506+0100||ADT^{event}^ADT_{event}|{control_id}|P|{version}"
        f"|||{accept}|{application}"
    )
    segments = (
        header,
        f"EVN|{event}|20261122040506+0100",
        f"PID|1||{patient}^^^{MARKER}HOSP^MR||{MARKER}NAME^{MARKER}GIVEN||19700101|F|||{MARKER} STREET",
        f"PV1|1|I|{ward}^101^A",
    )
    return "".join(f"{segment}{end}" for segment in segments).encode()


def framed(*messages: bytes) -> bytes:
    """Put messages into blocks, one after the other."""
    return b"".join(frame(message) for message in messages)


def site_text(
    *,
    name: str = "testsite",
    broker_url: str = "embedded",
    schedule: str = "",
    feeds: str = "",
    celery: str = "",
    site: str = "",
    more: str = "",
    state_dir: str = "state",
) -> str:
    """Write a site file; the API's port is chosen by the system."""
    return f"""
[site]
name = "{name}"
state_dir = "{state_dir}"
{site}

[celery]
broker_url = "{broker_url}"
{celery}

[api]
listen = "127.0.0.1:0"

{schedule}

{feeds}

{more}
"""


ADT_FEED = """
[feed.adt]
listen = "127.0.0.1:0"

[[feed.adt.route]]
type = "ADT"
task = "recording.message"
"""


def write_site(folder: Path, text: str) -> Path:
    """Write a site file into a folder."""
    path = folder / "site.toml"
    path.write_text(text)
    return path
