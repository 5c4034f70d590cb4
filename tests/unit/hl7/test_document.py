"""What a task receives: every field of the document, and the values a route names."""

from __future__ import annotations

import base64
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.judging.finding import judge
from daemon.hl7listener.routes.arguments import task_arguments
from daemon.hl7listener.routes.routing import Route
from daemon.hl7listener.text.base64_text import Base64Text
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.document import LARGE_BYTES, document
from daemon.hl7listener.text.header import BOM
from daemon.public import Public
from tests.support.clock import START_US
from tests.support.feeds import ADT, feed, route

DATA = (
    b"MSH|^~\\&|SA^1.2^ISO|SF|RA|RF|20261122040506.7+0100||ADT^A01^ADT_A01|ID-1|P^T|2.5.1^DEU\r"
    b"PID|1||P1^^^HOSP^MR~P2||NAME^GIVEN\r"
)


def arguments_of(data: bytes, *routes: Route, received_us: int = START_US, name: Public = ADT) -> dict[str, Any]:
    of = feed(*(routes or (route(None),)))
    finding = judge(data, of)
    assert finding.header is not None
    assert finding.decoded is not None
    args, kwargs = task_arguments(
        finding.routes[0].arguments, data, received_us, name, finding.header, finding.decoded, of.content
    )
    assert args == []
    return kwargs


def document_of(data: bytes, received_us: int = START_US) -> dict[str, Any]:
    found = arguments_of(data, received_us=received_us)
    assert list(found) == ["message"]
    message: dict[str, Any] = found["message"]
    return message


def test_the_document_has_every_field_the_design_promises() -> None:
    assert document_of(DATA) == {
        "feed": "adt",
        "received_at": "2026-09-21T14:13:20.000000+00:00",
        "control_id": "ID-1",
        "type": "ADT",
        "event": "A01",
        "structure": "ADT_A01",
        "version": "2.5.1",
        "processing_id": "P",
        "sending_application": "SA^1.2^ISO",
        "sending_facility": "SF",
        "receiving_application": "RA",
        "receiving_facility": "RF",
        "message_time": "2026-11-22T04:05:06.7+01:00",
        "time_zone": "+01:00",
        "charset": "ascii",
        "charset_source": "ascii",
        "text": DATA.decode(),
        "raw_b64": base64.b64encode(DATA).decode(),
    }


def test_fields_that_are_not_there_are_empty_text_and_no_time() -> None:
    document = document_of(b"MSH|^~\\&|||||||ADT|ID")
    assert {name: document[name] for name in ("event", "structure", "version", "processing_id")} == {
        "event": "",
        "structure": "",
        "version": "",
        "processing_id": "",
    }
    assert document["message_time"] is None


def test_the_instant_of_arrival_keeps_its_microseconds() -> None:
    assert document_of(DATA, START_US + 1)["received_at"] == "2026-09-21T14:13:20.000001+00:00"


@pytest.mark.parametrize(
    ("charset", "codec", "source"),
    [("8859/1", "iso8859-1", "declared"), ("", "cp1252", "feed-default"), ("X", "cp1252", "feed-default")],
)
def test_text_is_decoded_and_the_bytes_are_exact(charset: str, codec: str, source: str) -> None:
    data = f"MSH|^~\\&|KÜCHE||||||ADT^A01|ß|P|2.5||||||{charset}\rPID|1||É\r".encode("latin-1")
    document = document_of(data)
    assert (document["charset"], document["charset_source"]) == (codec, source)
    assert document["text"] == data.decode("latin-1")
    assert (document["sending_application"], document["control_id"]) == ("KÜCHE", "ß")
    assert base64.b64decode(document["raw_b64"]) == data


def test_a_byte_order_mark_stays_in_the_bytes_and_not_in_the_text() -> None:
    document = document_of(BOM + DATA)
    assert document["text"] == DATA.decode()
    assert base64.b64decode(document["raw_b64"]) == BOM + DATA


@pytest.mark.parametrize("before", ["\r", "\n", "\r\n"])
def test_line_ends_in_front_do_not_hide_the_header(before: str) -> None:
    assert document_of(before.encode() + DATA)["control_id"] == "ID-1"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_the_header_ends_where_its_segment_does(end: str) -> None:
    document = document_of(DATA.replace(b"\r", end.encode()))
    assert document["version"] == "2.5.1"


def test_only_the_first_repetition_of_the_type_counts_as_it_did_for_the_route() -> None:
    document = document_of(DATA.replace(b"ADT^A01^ADT_A01", b"ADT^A01~ORU^R01^X"))
    assert (document["type"], document["event"], document["structure"]) == ("ADT", "A01", "")


def test_delimiters_are_those_of_the_message() -> None:
    document = document_of(b"MSH$@%/;$A@B$$$$2026$$ADT@A08@ADT_A01$ID$P@T$2.3@x\r")
    assert (document["type"], document["event"], document["structure"]) == ("ADT", "A08", "ADT_A01")
    assert (document["sending_application"], document["version"], document["processing_id"]) == ("A@B", "2.3", "P")


@given(st.binary(max_size=60))
def test_every_document_can_be_written_as_json_and_its_bytes_read_back(more: bytes) -> None:
    data = DATA + more
    if judge(data, feed()).routes:
        document = orjson.loads(orjson.dumps(arguments_of(data, route())))["message"]
        assert base64.b64decode(document["raw_b64"]) == data


# -- values a route names ------------------------------------------------------------------------------------------------


def test_a_route_can_name_the_values_its_task_gets() -> None:
    kwargs = {"mrn": "PID-3.1", "second": "PID-3[2].1", "nothing": "PV1-3.1", "event": "MSH-9.2"}
    assert arguments_of(DATA, route(kwargs=kwargs)) == {"mrn": "P1", "second": "P2", "nothing": None, "event": "A01"}


def test_a_route_that_names_no_value_hands_over_none() -> None:
    assert arguments_of(DATA, route(kwargs={})) == {}


def test_values_are_found_behind_a_byte_order_mark_and_line_ends() -> None:
    assert arguments_of(BOM + b"\r\n" + DATA, route(kwargs={"id": "MSH-10"})) == {"id": "ID-1"}


def test_the_name_of_the_feed_is_plain_text_for_json() -> None:
    found = arguments_of(DATA, name=Public("other"))
    assert type(found["message"]["feed"]) is str
    assert found["message"]["feed"] == "other"


# -- times ---------------------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")


def times_of(stamp: str, zone: tzinfo | None = None, version: str = "2.5") -> tuple[str | None, str | None]:
    data = f"MSH|^~\\&|A|B|||{stamp}||ADT^A01|ID|P|{version}\rPID|1\r".encode()
    finding = judge(data, feed(route(None)))
    assert finding.header is not None
    assert finding.decoded is not None
    found = document(data, START_US, ADT, finding.header, finding.decoded, Content(zone=zone))
    return found["message_time"], found["time_zone"]


@pytest.mark.parametrize(
    ("stamp", "zone", "time", "where"),
    [
        ("20261122040506+0100", None, "2026-11-22T04:05:06+01:00", "+01:00"),
        ("20261122040506+0100", BERLIN, "2026-11-22T04:05:06+01:00", "+01:00"),
        ("20261122040506", BERLIN, "2026-11-22T04:05:06+01:00", "Europe/Berlin"),
        ("20260722040506", BERLIN, "2026-07-22T04:05:06+02:00", "Europe/Berlin"),
        ("20261122", BERLIN, "2026-11-22", "Europe/Berlin"),
        ("20261122+0100", None, "2026-11-22", "+01:00"),
        ("20261122040506", None, "2026-11-22T04:05:06", None),
        ("20261122040506^S", None, "2026-11-22T04:05:06", None),
        ("20261122000000^D", None, "2026-11-22", None),
        ("", BERLIN, None, "Europe/Berlin"),
        ("yesterday", None, None, None),
        ("99999999999999+9999", BERLIN, None, "Europe/Berlin"),
    ],
)
def test_the_time_of_a_message_says_as_much_as_was_sent_and_where(
    stamp: str, zone: tzinfo | None, time: str | None, where: str | None
) -> None:
    assert times_of(stamp, zone) == (time, where)


def test_from_2_9_on_an_offset_may_be_said_not_to_be_known() -> None:
    assert times_of("20261122040506-0000") == ("2026-11-22T04:05:06+00:00", "+00:00")
    assert times_of("20261122040506-0000", version="2.9") == ("2026-11-22T04:05:06-00:00", None)


def test_a_very_long_stamp_is_no_time() -> None:
    assert times_of("2" * 10_000) == (None, None)


# -- charset -------------------------------------------------------------------------------------------------------------


def test_what_a_document_says_of_damaged_text() -> None:
    data = b"MSH|^~\\&|A|B|||2026||ADT^A01|ID|P|2.5||||||UNICODE UTF-8\rPID|1||\xe4\r"
    finding = judge(data, feed(route(None), content=Content(keeps_damaged=True)))
    assert finding.header is not None
    assert finding.decoded is not None
    found = document(data, START_US, ADT, finding.header, finding.decoded)
    assert found["charset_source"] == "damaged"
    assert "\\XE4\\" in found["text"]
    assert base64.b64decode(found["raw_b64"]) == data


# -- size ----------------------------------------------------------------------------------------------------------------


def test_the_bytes_of_a_large_message_are_made_when_they_are_sent() -> None:
    start = b"MSH|^~\\&|A|B|||2026||ORU^R01|ID|P|2.5\rOBX|1|ED|||"
    for size, is_large in ((LARGE_BYTES, False), (LARGE_BYTES + 1, True)):
        data = start + b"x" * (size - len(start))
        finding = judge(data, feed(route(None)))
        assert finding.header is not None
        assert finding.decoded is not None
        raw = document(data, START_US, ADT, finding.header, finding.decoded)["raw_b64"]
        assert isinstance(raw, Base64Text) is is_large
        assert base64.b64decode("".join(raw.pieces()) if is_large else raw) == data
