"""Deeds as ITI-20 wants them: the schema of DICOM PS3.15 A.5.1 as far as we use it, and the rules of its events."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.audit.iti20 import Source, audit_message, octets_counted, syslog_line
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.public import Public
from tests.support.clock import START_US

HERE = Source(Public("ward-7"), Public("carillon.example.org"), 4711)
REFUSED = Deed(
    DeedKind.NODE_REFUSED,
    Public("CN=lab,O=A & B"),
    Public("adt"),
    Outcome.REFUSED,
    Public("not-tls"),
    Public("10.1.2.3"),
)
CODED = {"csd-code", "codeSystemName", "originalText"}
REQUIRED = {
    "EventIdentification": {"EventDateTime", "EventOutcomeIndicator"},
    "ActiveParticipant": {"UserID", "UserIsRequestor"},
    "AuditSourceIdentification": {"AuditSourceID"},
    "ParticipantObjectIdentification": {"ParticipantObjectID"},
    "ParticipantObjectDetail": {"type", "value"},
    "EventID": CODED,
    "EventTypeCode": CODED,
    "RoleIDCode": CODED,
    "ParticipantObjectIDTypeCode": CODED,
    "EventOutcomeDescription": set(),
}
WITHIN = {
    "AuditMessage": [
        "EventIdentification",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
    ],
    "EventIdentification": ["EventID", "EventTypeCode", "EventOutcomeDescription"],
    "ActiveParticipant": ["RoleIDCode"],
    "AuditSourceIdentification": [],
    "ParticipantObjectIdentification": ["ParticipantObjectIDTypeCode", "ParticipantObjectDetail"],
}


def checked(deed: Deed) -> ET.Element:
    """Parse the message of a deed and hold it to the schema."""
    root = ET.fromstring(audit_message(deed, HERE, START_US))
    for element in root.iter():
        names = WITHIN.get(element.tag, [])
        order = [names.index(child.tag) for child in element]  # raises for one that does not belong there
        assert order == sorted(order)
        assert REQUIRED.get(element.tag, set()) <= element.attrib.keys()
        assert "" not in element.attrib.values()
    event = root[0]
    assert event.get("EventActionCode") in set("CRUDE")
    assert event.get("EventOutcomeIndicator") in {"0", "4", "8", "12"}
    at = datetime.fromisoformat(event.get("EventDateTime", ""))
    assert at.tzinfo is not None
    for one in root.findall("ActiveParticipant"):
        assert one.get("UserIsRequestor") in {"true", "false"}
        assert one.get("NetworkAccessPointTypeCode", "1") in {"1", "2", "3", "4", "5"}
        assert (one.get("NetworkAccessPointID") is None) == (one.get("NetworkAccessPointTypeCode") is None)
    return root


def test_a_refused_node_is_a_security_alert_of_node_authentication() -> None:
    root = checked(REFUSED)
    event = root[0]
    assert event.get("EventActionCode") == "E"
    assert event.get("EventOutcomeIndicator") == "4"
    assert [
        (code.get("csd-code"), code.get("codeSystemName")) for code in event.iter() if "csd-code" in code.attrib
    ] == [
        ("110113", "DCM"),
        ("110126", "DCM"),
    ]
    assert event.findtext("EventOutcomeDescription") == "not-tls"
    peer, own = root.findall("ActiveParticipant")
    assert (peer.get("UserID"), peer.get("NetworkAccessPointID")) == ("CN=lab,O=A & B", "10.1.2.3")
    assert (own.get("UserID"), own.get("AlternativeUserID")) == ("carillon@carillon.example.org", "4711")
    source = root.find("AuditSourceIdentification")
    assert source is not None
    assert source.get("AuditEnterpriseSiteID") == "ward-7"
    about = root.find("ParticipantObjectIdentification")
    assert about is not None
    assert about.get("ParticipantObjectID") == "adt"


def test_a_node_that_has_said_nothing_is_known_by_its_address() -> None:
    peer = checked(replace(REFUSED, who=Public(""))).findall("ActiveParticipant")[0]
    assert peer.get("UserID") == "10.1.2.3"


def test_how_often_it_happened_is_a_detail() -> None:
    detail = checked(replace(REFUSED, count=95)).find(".//ParticipantObjectDetail")
    assert detail is not None
    assert b64decode(detail.get("value", "")) == b"95"


@pytest.mark.parametrize("kind", DeedKind)
def test_every_kind_of_deed_has_a_message(kind: DeedKind) -> None:
    for deed in (
        replace(REFUSED, kind=kind),
        Deed(kind, Public("root"), Public("adt"), note=Public("why")),
        Deed(kind, Public(""), Public("")),
    ):
        checked(deed)


@given(st.text(max_size=50))
def test_whatever_a_name_holds_the_message_is_well_formed(text: str) -> None:
    word = Public(text or "x")
    checked(replace(REFUSED, who=word, about=word, reason=word, note=word))


def test_a_syslog_line_is_one_of_rfc_5424() -> None:
    message = audit_message(REFUSED, HERE, START_US)
    line = syslog_line(message, REFUSED, HERE, START_US)
    head, _, text = line.partition(b" - ")
    assert re.fullmatch(rb"<84>1 2026-09-21T14:13:20\.000000Z carillon\.example\.org carillon 4711 IHE\+RFC-3881", head)
    assert text.startswith(b"\xef\xbb\xbf<?xml")
    assert text[3:].decode() == message
    assert octets_counted(line).startswith(b"%d <84>1 " % len(line))


def test_a_host_with_an_odd_name_breaks_no_line() -> None:
    line = syslog_line("<x/>", REFUSED, Source(Public("a"), Public("odd höst\n" * 100), 1), START_US)
    host = line.split(b" ")[2]
    assert re.fullmatch(rb"[!-~]{1,255}", host)
