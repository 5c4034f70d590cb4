"""What ends a segment, where a feed says so: the same answer for its header, its values, its document and its batches."""

from __future__ import annotations

import pytest

from daemon.hl7listener.batch.batch import split_batch
from daemon.hl7listener.judging.finding import Disposition, judge
from daemon.hl7listener.routes.condition import Condition, ValueTest
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.document import document
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import parse_path
from daemon.hl7listener.text.segments import SegmentEnd, first_segment, split_segments
from daemon.public import Public
from tests.support.feeds import feed, route

HEAD = "MSH|^~\\&|APP|FAC|||||ADT^A01|M1|P|2.5"
MIXED = f"{HEAD}\rNTE|1|a\nPV1|x\r\nZZZ|2\n\nZZY|3\r"
ENDS = [
    (SegmentEnd.AUTO, [HEAD, "NTE|1|a", "PV1|x", "ZZZ|2", "ZZY|3"]),
    (SegmentEnd.CR, [HEAD, "NTE|1|a\nPV1|x", "\nZZZ|2\n\nZZY|3"]),
    (SegmentEnd.ANY, [HEAD, "NTE|1|a", "PV1|x", "ZZZ|2", "ZZY|3"]),
    (SegmentEnd.LF, [f"{HEAD}\rNTE|1|a", "PV1|x", "ZZZ|2", "ZZY|3\r"]),
]


@pytest.mark.parametrize(("end", "expected"), ENDS)
def test_segments_end_as_the_feed_says(end: SegmentEnd, expected: list[str]) -> None:
    assert [one for one in split_segments("\r\n" + MIXED, "|", end) if one] == expected
    assert first_segment(MIXED, "|", end) == HEAD  # a header holds no line end, whatever ends a segment


@pytest.mark.parametrize(
    ("end", "text", "comment", "ward"),
    [
        (SegmentEnd.AUTO, f"{HEAD}\rNTE|1||one\ntwo\rPV1|1||W\r", "one\ntwo", "W"),
        (SegmentEnd.CR, f"{HEAD}\rNTE|1||one\nPV1|1||X\rPV1|1||W\r", "one\nPV1", "W"),
        (SegmentEnd.ANY, f"{HEAD}\nNTE|1||one\ntwo\rPV1|1||W\r\n", "one", "W"),
        (SegmentEnd.LF, f"{HEAD}\r\nNTE|1||one\rtwo\nPV1|1||W\n", "one\rtwo", "W"),
    ],
)
def test_values_header_routes_and_document_agree_on_it(end: SegmentEnd, text: str, comment: str, ward: str) -> None:
    in_ward = Condition(tests=(ValueTest(parse_path("PV1-3"), words(ward)),))
    data = text.encode()
    finding = judge(data, feed(route(condition=in_ward), content=Content(end=end)))
    assert finding.disposition is Disposition.ROUTED
    assert finding.header is not None
    assert finding.decoded is not None
    assert (finding.header.control_id, finding.header.version) == (b"M1", (2, 5))
    message = Message(finding.decoded.text, finding.header.delimiters)
    assert [message.get(parse_path(path)) for path in ("NTE-3", "PV1-3", "MSH-12")] == [comment, ward, "2.5"]
    made = document(data, 0, Public("adt"), finding.header, finding.decoded)
    assert (made["version"], made["text"]) == ("2.5", text)


@pytest.mark.parametrize(
    ("end", "count"), [(SegmentEnd.AUTO, 1), (SegmentEnd.CR, 1), (SegmentEnd.ANY, 2), (SegmentEnd.LF, 2)]
)
def test_a_batch_is_cut_where_segments_end(end: SegmentEnd, count: int) -> None:
    second = HEAD.replace("M1", "M2")
    batch = split_batch(f"{HEAD}\rNTE|1||a\n{second}\rPID|1\r".encode(), end=end)
    assert (0 if batch is None else len(list(batch.messages))) == (0 if count == 1 else count)
    own = {SegmentEnd.LF: "\n", SegmentEnd.ANY: "\r\n"}.get(end, "\r")
    whole = split_batch(own.join(("BHS|^~\\&", HEAD, "PID|1", second, "BTS|2", "")).encode(), end=end)
    assert whole is not None
    assert [message.split(b"|")[9] for message in whole.messages] == [b"M1", b"M2"]
    assert (whole.fault, whole.lacks_trailer) == (None, False)


def test_a_line_that_looks_like_msa_in_a_text_makes_no_acknowledgement_where_lf_is_data() -> None:
    data = f"{HEAD}\rNTE|1||one\nMSA|AA|X\r".encode()
    assert judge(data, feed(content=Content(end=SegmentEnd.CR))).disposition is Disposition.ROUTED
    assert judge(data, feed()).verdict.value == ""
