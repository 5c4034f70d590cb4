"""Acknowledgements of other people's messages and of made-up ones: every rule holds, and python-hl7 reads them the same."""

from __future__ import annotations

import hl7
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.ack.writer import codes_due
from daemon.hl7listener.judging.finding import Finding, Reason, Verdict, judge, judge_oversized
from daemon.hl7listener.text.charset import Decoded
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import parse_path
from daemon.hl7listener.wire.framer import Block, Framer, frame
from daemon.sender.acknowledgement import read_acknowledgement
from daemon.sender.files import messages_in
from tests.support.acks import check_header_rules, read_ack
from tests.support.corpus import corpus
from tests.support.feeds import answer, feed, route

EVERYTHING = feed(route(None))
NOTHING = feed(route(["NONE"]))


def acks_of(finding: Finding, mode: AckMode = AckMode.MSH) -> list[bytes]:
    """Give the data of each acknowledgement, out of the blocks the sender gets."""
    events = Framer(1_000_000).feed(answer(finding, mode))
    assert all(isinstance(event, Block) for event in events)
    return [event.data for event in events if isinstance(event, Block)]


def check(finding: Finding, mode: AckMode = AckMode.MSH) -> None:
    codes = [str(code) for code in codes_due(finding, mode)]
    acks = acks_of(finding, mode)
    assert len(acks) == len(codes)
    for code, ack in zip(codes, acks, strict=True):
        header = finding.header
        assert isinstance(header, Header)
        written = read_ack(ack)
        check_header_rules(written, header)
        assert written.msa[1] == code.encode()
        assert (written.err is not None) == (code[1] != "A")
        ours = read_acknowledgement(ack)
        assert (ours.code, ours.control_id.encode("latin-1")) == (code, header.control_id)
        theirs = hl7.parse(ack.decode("latin-1"))
        assert str(theirs["MSA"][0][1]) == code
        assert str(theirs["MSA"][0][2]).encode("latin-1") == header.control_id
        assert str(theirs["MSH"][0][12]).encode("latin-1") == (header.raw(12) or b"2.5")


# -- other people's messages ---------------------------------------------------------------------------------------------


def clean_messages() -> dict[str, bytes]:
    """Give the messages of the corpus that have a header with a control id and a version we take."""
    found = {}
    for name, data in corpus().items():
        header = parse_header(data)
        if isinstance(header, Header) and header.control_id and header.version[:1] in ((2,), ()):
            found[name] = data
    return found


@pytest.mark.parametrize("mode", [AckMode.MSH, AckMode.ORIGINAL, AckMode.ENHANCED, AckMode.ALWAYS_AA])
def test_each_sample_message_gets_an_acknowledgement_that_keeps_every_rule(mode: AckMode) -> None:
    messages = clean_messages()
    assert len(messages) > 700
    for name, data in messages.items():
        try:
            check(judge(data, EVERYTHING), mode)
            check(judge(data, NOTHING), mode)
            check(judge_oversized(data[:4096]), mode)
        except AssertionError as error:
            error.add_note(name)
            raise


def test_sample_messages_are_accepted_unless_the_policy_says_otherwise() -> None:
    refused = {}
    for name, data in clean_messages().items():
        finding = judge(data, EVERYTHING)
        if finding.verdict is not Verdict.ACCEPT:
            refused[name] = finding.reason
    assert set(refused.values()) <= {Reason.ACKNOWLEDGEMENT, Reason.CHARSET}


def test_sample_messages_are_read_as_python_hl7_reads_them() -> None:
    agreed = 0
    for name, data in clean_messages().items():
        finding = judge(data, EVERYTHING)
        if not isinstance(finding.decoded, Decoded) or finding.header is None or b"\n" in data:
            continue  # python-hl7 wants CR
        segments = Message(finding.decoded.text, finding.header.delimiters)
        theirs = hl7.parse(finding.decoded.text)
        for place in ("MSH-10", "MSH-9", "MSH-3", "MSH-7"):
            number = int(place[4:])
            fields = theirs.segment("MSH")
            expected = str(fields[number]) if number < len(fields) else ""
            assert _whole(segments, finding.header, number) == expected, (name, place)
        ours = segments.get(parse_path("PID-3.1.1"))
        if "PID" in [str(segment[0]) for segment in theirs]:
            field = theirs.extract_field("PID", 1, 3, 1, 1, 1)
            assert (ours or "") == field, name
            agreed += 1
    assert agreed > 500


def _whole(segments: Message, header: Header, number: int) -> str:
    """Give a field with all its repetitions."""
    repetition = header.delimiters.repetition.decode()
    found = []
    for count in range(1, 50):
        value = segments.get(parse_path(f"MSH-{number}[{count}]"))
        if value is None:
            break
        found.append(value)
    return repetition.join(found)


def test_sample_messages_come_out_of_any_stream_as_they_went_in() -> None:
    messages = list(corpus().values())
    stream = b"".join(frame(message) for message in messages)
    framer = Framer(10_000_000)
    events = [event for start in range(0, len(stream), 1000) for event in framer.feed(stream[start : start + 1000])]
    assert events == [Block(message) for message in messages]


def test_a_file_of_sample_messages_is_cut_where_they_begin() -> None:
    messages = [data for data in clean_messages().values() if data.startswith(b"MSH") and data.count(b"MSH|") == 1]
    assert len(messages) > 600
    joined = b"\r".join(message.rstrip(b"\r\n") for message in messages) + b"\r"
    found = messages_in(joined, as_it_is=True)
    assert [message.rstrip(b"\r\n") for message in found] == [message.rstrip(b"\r\n") for message in messages]


# -- made-up messages ----------------------------------------------------------------------------------------------------

# A point would delimit the version we give where there is none; whatever delimits cannot be a version's or our own words'.
MARKS = st.permutations(list(b"|^~\\&!#$%*/:;<=>?@_`{}'\",()+-[]")).map(bytes)
VALUES = st.binary(max_size=12).map(lambda value: value.translate(None, b"\r\n\x0b\x1c"))
VERSIONS = st.sampled_from([b"", *(b"2.%d" % minor for minor in range(1, 10)), b"2.3.1", b"2.5.1", b"2.7.1", b"2.8.2"])
CONDITIONS = st.sampled_from([b"", b"", b"AL", b"NE", b"SU", b"ER", b"??"])


@st.composite
def made_up(draw: st.DrawFn) -> bytes:
    """Write a message with any delimiters, and anything in the fields that are echoed."""
    marks = draw(MARKS)
    separator, encoding = marks[:1], marks[1 : 1 + draw(st.integers(2, 5))]

    def value() -> bytes:
        # python-hl7 strips what it takes for white space from both ends of a message.
        return draw(VALUES).translate(None, separator).decode("latin-1").strip().encode("latin-1")

    kind = encoding[:1].join((b"ADT", *([b"A01"] if draw(st.booleans()) else [])))
    control_id = value()
    fields = [*(value() for _ in range(5)), b"", kind, control_id, value(), draw(VERSIONS), b"", b""]
    fields += [draw(CONDITIONS), draw(CONDITIONS), b"", draw(st.sampled_from([b"", b"8859/1", b"UNICODE UTF-8"]))]
    return separator.join((b"MSH", encoding, *fields)) + b"\rPID" + separator + b"1\r"


@given(made_up(), st.sampled_from(AckMode), st.sampled_from([EVERYTHING, NOTHING]))
def test_a_made_up_message_gets_an_acknowledgement_that_keeps_every_rule(
    data: bytes, mode: AckMode, to: object
) -> None:
    finding = judge(data, EVERYTHING if to is EVERYTHING else NOTHING)
    assume(finding.header is not None)
    assert finding.header is not None
    assume(len(finding.header.delimiters.encoding) >= 4)  # python-hl7 makes up the others, maybe one that is taken
    check(finding, mode)


@given(st.binary(max_size=300), st.sampled_from(AckMode))
def test_any_block_gets_an_answer_that_can_be_read_or_none(data: bytes, mode: AckMode) -> None:
    for finding in (judge(data, EVERYTHING), judge_oversized(data)):
        for ack in acks_of(finding, mode):
            assert read_acknowledgement(ack).code in ("AA", "AE", "AR", "CA", "CE", "CR")
