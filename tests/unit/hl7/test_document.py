"""What a task receives: every field of the document, and the values a route names."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.document import iso_time, task_arguments
from daemon.hl7listener.finding import judge
from daemon.hl7listener.header import BOM
from daemon.hl7listener.routing import Route
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import START_US
from tests.support.feeds import ADT, feed, route

DATA = (
    b"MSH|^~\\&|SA^1.2^ISO|SF|RA|RF|20261122040506.7+0100||ADT^A01^ADT_A01|ID-1|P^T|2.5.1^DEU\r"
    b"PID|1||P1^^^HOSP^MR~P2||NAME^GIVEN\r"
)


def arguments_of(data: bytes, *routes: Route, received_us: int = START_US) -> dict[str, Any]:
    of = feed(*(routes or (route(None),)))
    found = task_arguments(data, received_us, ADT, judge(data, of))
    assert found is not None
    return found


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
    found = task_arguments(data, START_US, ADT, judge(data, feed()))
    if found is not None:
        document = orjson.loads(orjson.dumps(found))["message"]
        assert base64.b64decode(document["raw_b64"]) == data


# -- values a route names ------------------------------------------------------------------------------------------------


def test_a_route_can_name_the_values_its_task_gets() -> None:
    kwargs = {"mrn": "PID-3.1", "second": "PID-3[2].1", "nothing": "PV1-3.1", "event": "MSH-9.2"}
    assert arguments_of(DATA, route(kwargs=kwargs)) == {"mrn": "P1", "second": "P2", "nothing": None, "event": "A01"}


def test_a_route_that_names_no_value_hands_over_none() -> None:
    assert arguments_of(DATA, route(kwargs={})) == {}


def test_values_are_found_behind_a_byte_order_mark_and_line_ends() -> None:
    assert arguments_of(BOM + b"\r\n" + DATA, route(kwargs={"id": "MSH-10"})) == {"id": "ID-1"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"garbage", id="no header"),
        pytest.param(adt(event="A99"), id="no route"),
        pytest.param(adt(""), id="no control id"),
    ],
)
def test_what_is_no_message_with_a_route_gives_no_arguments(data: bytes) -> None:
    of = feed(route(events=["A01"]))
    assert task_arguments(data, START_US, ADT, judge(data, of)) is None


def test_the_name_of_the_feed_is_plain_text_for_json() -> None:
    found = task_arguments(DATA, START_US, Public("other"), judge(DATA, feed()))
    assert found is not None
    assert type(found["message"]["feed"]) is str
    assert found["message"]["feed"] == "other"


# -- time stamps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("2026", "2026"),
        ("202611", "2026-11"),
        ("20261122", "2026-11-22"),
        ("202611220405", "2026-11-22T04:05"),
        ("20261122040506", "2026-11-22T04:05:06"),
        ("20261122040506.7", "2026-11-22T04:05:06.7"),
        ("20261122040506.1234", "2026-11-22T04:05:06.1234"),
        ("20261122040506+0100", "2026-11-22T04:05:06+01:00"),
        ("20261122040506.12-0530", "2026-11-22T04:05:06.12-05:30"),
        ("202611220405-0000", "2026-11-22T04:05-00:00"),
        ("20261122000000", "2026-11-22T00:00:00"),
        (" 20261122 ", "2026-11-22"),
    ],
)
def test_a_time_stamp_keeps_the_precision_and_offset_it_has(stamp: str, text: str) -> None:
    assert iso_time(stamp) == text


def test_an_hour_alone_gets_its_minutes_because_readers_of_iso_times_want_them() -> None:
    assert iso_time("2026112204+0100") == "2026-11-22T04:00+01:00"


@pytest.mark.parametrize("stamp", ["20261122+0100", "2026+0100"])
def test_a_day_has_no_offset(stamp: str) -> None:
    assert "+" not in str(iso_time(stamp))


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "yesterday",
        "26",
        "20261",
        "2026112",
        "202611220",
        "2026112204050",
        "20261122040506.",
        "20261122040506.12345",
        "20261122040506+01",
        "20261122040506+01:00",
        "20261122040506Z",
        "202611220405.5",
        "2026-11-22",
        "٢٠٢٦",
        "20261122040506+0100x",
        '""',
    ],
)
def test_what_is_no_time_stamp_is_none(stamp: str) -> None:
    assert iso_time(stamp) is None


@pytest.mark.parametrize("stamp", ["00000000", "99991231235959+9999", "20261322", "20260230256199"])
def test_impossible_instants_are_text_and_no_exception(stamp: str) -> None:
    assert iso_time(stamp) is not None


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(timezones=OFFSETS).map(lambda at: at.replace(microsecond=0))


@given(INSTANTS)
def test_an_iso_time_is_the_instant_that_was_written(at: datetime) -> None:
    found = iso_time(f"{at.year:04d}{at:%m%d%H%M%S%z}")
    assert found is not None
    assert datetime.fromisoformat(found) == at
    assert datetime.fromisoformat(found).utcoffset() == at.utcoffset()


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = iso_time(text)
    assert found is None or found[:4].isdigit()
