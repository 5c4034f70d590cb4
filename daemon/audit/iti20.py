"""Deeds as IHE ITI-20 wants them: the AuditMessage of DICOM PS3.15 A.5, in a syslog line of RFC 5424. Pure."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple
from xml.etree import ElementTree as ET

from daemon.clock import instant
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.public import Public

_DCM = "DCM"
_SEVERITY_NOTICE, _SEVERITY_WARNING = 5, 4
_FACILITY_AUTHORISATION = 10
_HEADER_LIMITS = {"host": 255, "app": 48, "pid": 128}
_MESSAGE_ID = "IHE+RFC-3881"
_BOM = b"\xef\xbb\xbf"


class Source(NamedTuple):
    """Who keeps the trail."""

    site: Public
    host: Public
    pid: int


class _Code(NamedTuple):
    code: str
    text: str


class _Shape(NamedTuple):
    """How a kind of deed is told: event, its type, and the action (create, read, update, delete, execute)."""

    event: _Code
    kind: _Code | None
    action: str


_ACTIVITY = _Code("110100", "Application Activity")
_ALERT = _Code("110113", "Security Alert")
_SHAPES = {
    DeedKind.NODE_REFUSED: _Shape(_ALERT, _Code("110126", "Node Authentication"), "E"),
    DeedKind.SENDER_REFUSED: _Shape(_ALERT, _Code("110126", "Node Authentication"), "E"),
    DeedKind.DAEMON_STARTED: _Shape(_ACTIVITY, _Code("110120", "Application Start"), "E"),
    DeedKind.DAEMON_STOPPED: _Shape(_ACTIVITY, _Code("110121", "Application Stop"), "E"),
    DeedKind.CERTIFICATE_CHANGED: _Shape(_ALERT, _Code("110129", "Security Configuration"), "U"),
    DeedKind.MESSAGES_SEARCHED: _Shape(_Code("110112", "Query"), None, "E"),
    DeedKind.MESSAGE_REVEALED: _Shape(_Code("110110", "Patient Record"), None, "R"),
    DeedKind.MESSAGES_EXPORTED: _Shape(_Code("110106", "Export"), None, "R"),
    DeedKind.MESSAGES_REPLAYED: _Shape(_Code("110106", "Export"), None, "R"),
    DeedKind.TASK_REVEALED: _Shape(_Code("110110", "Patient Record"), None, "R"),
    DeedKind.QUEUE_REVEALED: _Shape(_Code("110110", "Patient Record"), None, "R"),
    DeedKind.SIGNED_IN: _Shape(_Code("110114", "User Authentication"), _Code("110122", "Login"), "E"),
    DeedKind.SIGNED_OUT: _Shape(_Code("110114", "User Authentication"), _Code("110123", "Logout"), "E"),
    DeedKind.SIGN_IN_REFUSED: _Shape(_Code("110114", "User Authentication"), _Code("110122", "Login"), "E"),
    DeedKind.TOKEN_ADDED: _Shape(_ALERT, _Code("110137", "User Security Attributes Changed"), "C"),
    DeedKind.TOKEN_REMOVED: _Shape(_ALERT, _Code("110137", "User Security Attributes Changed"), "D"),
}
_USE = _Shape(_ALERT, _Code("110132", "Use of Restricted Function"), "E")
_SERIOUS = "4"
_FINE = "0"


def audit_message(deed: Deed, source: Source, at_us: int) -> str:
    """Write the AuditMessage of a deed."""
    shape = _SHAPES.get(deed.kind, _USE)
    refused = deed.outcome is Outcome.REFUSED
    root = ET.Element("AuditMessage")
    event = ET.SubElement(
        root,
        "EventIdentification",
        EventActionCode=shape.action,
        EventDateTime=instant(at_us).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=_SERIOUS if refused else _FINE,
    )
    _coded(event, "EventID", shape.event)
    if shape.kind is not None:
        _coded(event, "EventTypeCode", shape.kind)
    if deed.reason:
        ET.SubElement(event, "EventOutcomeDescription").text = _clean(deed.reason)
    _participants(root, deed, source)
    ET.SubElement(
        root, "AuditSourceIdentification", AuditSourceID=f"carillon@{source.host}", AuditEnterpriseSiteID=source.site
    )
    _object(root, deed)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'


def syslog_line(message: str, deed: Deed, source: Source, at_us: int) -> bytes:
    """Write a syslog line that holds an AuditMessage (RFC 5424)."""
    severity = _SEVERITY_WARNING if deed.outcome is Outcome.REFUSED else _SEVERITY_NOTICE
    at = instant(at_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    host, app, pid = (
        _word(text)[: _HEADER_LIMITS[name]] or "-"
        for name, text in (("host", source.host), ("app", "carillon"), ("pid", str(source.pid)))
    )
    head = f"<{_FACILITY_AUTHORISATION * 8 + severity}>1 {at} {host} {app} {pid} {_MESSAGE_ID} - "
    return head.encode("ascii") + _BOM + message.encode()


def octets_counted(line: bytes) -> bytes:
    """Frame a line for a stream: its length stands before it (RFC 5425)."""
    return b"%d %b" % (len(line), line)


def _coded(parent: ET.Element, name: str, code: _Code) -> None:
    ET.SubElement(parent, name, {"csd-code": code.code, "codeSystemName": _DCM, "originalText": code.text})


def _participants(root: ET.Element, deed: Deed, source: Source) -> None:
    """Name who did it, and this daemon."""
    is_peer = bool(deed.address)
    if deed.who or is_peer:
        values = {"UserID": _clean(deed.who or deed.address), "UserIsRequestor": "true"}
        if is_peer:
            values["NetworkAccessPointID"] = _clean(deed.address)
            values["NetworkAccessPointTypeCode"] = "2"  # an IP address
        ET.SubElement(root, "ActiveParticipant", values)
    own = ET.SubElement(
        root,
        "ActiveParticipant",
        UserID=f"carillon@{source.host}",
        AlternativeUserID=str(source.pid),
        UserIsRequestor="false",
        NetworkAccessPointID=source.host,
        NetworkAccessPointTypeCode="1",  # the name of a machine
    )
    _coded(own, "RoleIDCode", _Code("110150", "Application"))


def _object(root: ET.Element, deed: Deed) -> None:
    """Name what it was done to."""
    if not deed.about:
        return
    about = ET.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_clean(deed.about),
        ParticipantObjectTypeCode="2",  # a system
        ParticipantObjectTypeCodeRole="13",  # a security resource
    )
    _coded(about, "ParticipantObjectIDTypeCode", _Code("110182", "Node ID"))
    if deed.count > 1:
        detail = {"type": "count", "value": _base64(str(deed.count))}
        ET.SubElement(about, "ParticipantObjectDetail", detail)
    if deed.note:
        ET.SubElement(about, "ParticipantObjectDetail", {"type": "note", "value": _base64(deed.note)})


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "replace")).decode()


def _clean(text: str) -> str:
    """Take out what XML cannot hold."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)


def _word(text: str) -> str:
    return "".join(mark if "!" <= mark <= "~" else "-" for mark in text)
