"""What holds for any bytes at all, of every part that meets bytes from outside. Each target raises when it does not hold.

A target that needs two inputs takes them out of one: what stands before the first NUL, and the rest.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import cast
from zoneinfo import ZoneInfo

import orjson

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.ack.writer import codes_due
from daemon.hl7listener.batch.batch import split_batch
from daemon.hl7listener.batch.taking import BatchTaking
from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding, judge, judge_oversized
from daemon.hl7listener.lanes.order import work_of
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.spool.rows import Row
from daemon.hl7listener.text.charset import Decoded, Undecodable, decode
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import parse_path
from daemon.hl7listener.text.timestamp import parse_timestamp
from daemon.hl7listener.wire.framer import PREFIX_BYTES, Block, Broken, Event, Framer, Oversized, frame
from daemon.public import Public
from daemon.sender.acknowledgement import read_acknowledgement
from daemon.sender.files import UnfinishedBlock, blocks_in, messages_in
from tests.support.feeds import answer, control_ids, feed, route

LIMIT_BYTES = 200
FIELDS, KINDS_SHOWN = 21, 64
EXACT_CODECS = frozenset(("ascii", "utf-8", "iso8859-1", "iso8859-2", "iso8859-15", "cp1252"))
"""Codecs that have one way only to write a text."""

KWARGS = {"number": "PID-3.1", "name": "PID-5[2].1.1", "note": "NTE[3]-3", "marks": "MSH-2", "value": "OBX[*]-5[*]"}
ZONES = (None, UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Apia"))
FEEDS: tuple[Feed, ...] = (
    feed(route(types=None)),
    feed(route(kwargs=KWARGS), route(("O?U", "SIU*"), ("R*",)), parks_unrouted=True),
    feed(route(types=None, kwargs=KWARGS), ack=AckMode.ORIGINAL, content=Content("shift_jis", keeps_damaged=True)),
)


# -- framing -----------------------------------------------------------------------------------------------------------


def cut(stream: bytes, chance: random.Random) -> Iterator[bytes]:
    """Cut bytes into packets."""
    most = chance.choice((1, 2, 7, 300))
    place = 0
    while place < len(stream):
        size = chance.randint(1, most)
        yield stream[place : place + size]
        place += size


def framer(data: bytes) -> None:
    """However the bytes are cut, the same events come, and no more is kept than one block of the largest size."""
    chance, stream = random.Random(data[:2]), data[2:]
    whole = Framer(LIMIT_BYTES)
    events = whole.feed(stream)
    pieces = Framer(LIMIT_BYTES)
    found: list[Event] = []
    for piece in cut(stream, chance):
        found += pieces.feed(piece)
        assert pieces.held_bytes <= LIMIT_BYTES + 1
    assert _merged(found) == _merged(events)
    assert pieces.is_open == whole.is_open
    for event in events:
        if isinstance(event, Block):
            assert len(event.data) <= LIMIT_BYTES
            assert event.data in stream
        elif isinstance(event, Oversized):
            assert len(event.prefix) <= PREFIX_BYTES
            assert event.prefix in stream
        assert not isinstance(event, Broken) or event is events[-1]


def flushing(data: bytes) -> None:
    """Whenever the time for a CR is over, what came is cut there; nothing is invented, and nothing more is kept."""
    chance, stream = random.Random(data[:2]), data[2:]
    pieces = Framer(LIMIT_BYTES)
    for piece in cut(stream, chance):
        found = pieces.feed(piece)
        if chance.random() < 0.3:
            found += pieces.flush()
            assert not pieces.awaits_cr
        assert pieces.held_bytes <= LIMIT_BYTES + 1
        assert all(event.data in stream for event in found if isinstance(event, Block))


def naive(data: bytes) -> None:
    """What the framer would be if it looked for the end of a block in each packet by itself. It does not hold."""
    chance, stream = random.Random(data[:2]), data[2:]
    found = [piece.count(b"\x1c\r") for piece in cut(stream, chance)]
    assert sum(found) == stream.count(b"\x1c\r")


def _merged(events: list[Event]) -> list[str]:
    return [repr(event) + (event.data.hex() if isinstance(event, Block) else "") for event in events]


# -- judging and answering ---------------------------------------------------------------------------------------------


def header(data: bytes) -> None:
    """A header is read or refused; its fields can be asked for, whatever they hold, and it shows none of them."""
    found = parse_header(data)
    if not isinstance(found, Header):
        return
    assert repr(found) == "Header(…)"
    marks = found.delimiters.field + found.delimiters.encoding
    assert len(set(marks)) == len(marks)
    assert found.raw(2) == found.delimiters.encoding
    for number in range(2, FIELDS + 1):
        assert found.delimiters.field not in found.raw(number)
        for component in (1, 2, 9):
            assert found.delimiters.component not in found.component(number, component)
    assert b"\r" not in found.control_id
    assert all(0 <= part < 1000 for part in found.version)


def judged(data: bytes) -> None:
    """Any block is judged, shown without its content, answered in whole blocks, and becomes a task that can be written."""
    for one in FEEDS:
        finding = judge(data, one)
        assert len(repr(finding)) <= KINDS_SHOWN * 3
        check_answer(finding, one.answering.mode)
        work = work_of(Row(seq=1, epoch="e", feed=one.name, received_us=0, data=data), one, Public("site"), 0)
        for item in work.items if work is not None else ():
            orjson.dumps((item.args, item.kwargs))
    check_answer(judge_oversized(data), AckMode.MSH)


def answers(data: bytes) -> None:
    """Whatever stands in a header, its answers are whole messages in whole blocks, in every mode."""
    finding = judge(b"MSH|^~\\&|" + data, FEEDS[0])
    for mode in AckMode:
        check_answer(finding, mode)


def check_answer(finding: Finding, mode: AckMode) -> None:
    codes = codes_due(finding, mode)
    for block, code in zip(blocks_of(answer(finding, mode)), codes, strict=True):
        assert isinstance(parse_header(block), Header)
        about = read_acknowledgement(block)
        assert about.code == str(code)
        if finding.header is not None:
            echoed = finding.header.control_id.translate(None, b"\x0b\x1c")
            # A line feed is data in a header, and an end of line for readers that are lenient about ends; a delimiter may be
            # half of a character that this reader does not know.
            is_plain = b"\n" not in echoed and finding.header.delimiters.field not in echoed
            assert about.control_id == echoed.decode("latin-1") or not is_plain


def blocks_of(reply: bytes) -> list[bytes]:
    """Cut what we send into blocks; there is nothing else in it, however it is read."""
    reader = Framer(len(reply) + 1)
    events = reader.feed(reply)
    assert not reader.is_open
    assert [type(event) for event in events] == [Block] * len(events)
    assert reply.count(b"\x0b") == reply.count(b"\x1c") == len(events)
    return [cast("Block", event).data for event in events]


def batches(data: bytes) -> None:
    """A block is no batch, or is cut into messages that stand in it.

    It is answered in one block, or refused like a message; messages with nothing around them are answered each by itself.
    """
    for number, one in enumerate(FEEDS):
        batch = split_batch(data, limit=50, is_strict=bool(number))
        if batch is None:
            return
        found = list(batch.messages)
        assert all(message in data for message in found)
        assert len(repr(batch)) < KINDS_SHOWN
        arrival, _ = BatchTaking(one, control_ids()).take(data, batch, lambda message: judge(message, FEEDS[0]), 0, "")
        assert len(arrival.members) in (0, len(found))
        answers = sum(len(blocks_of(member.ack)) for member in arrival.members)
        most = 2 if batch.fault is not None else answers if batch.is_bare else 1
        assert len(blocks_of(arrival.ack)) <= most


# -- content -----------------------------------------------------------------------------------------------------------


def charset(data: bytes) -> None:
    """Bytes are text or refused; text can be written as UTF-8, and nothing of it was replaced."""
    declared, _, rest = data.partition(b"\x00")
    message = b"MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||" + declared + b"\rPID|" + rest
    found = parse_header(message)
    assert isinstance(found, Header)
    for default in ("cp1252", "utf-8", "shift_jis", "gb18030"):
        decoded = decode(message, found, Content(default))
        if isinstance(decoded, Decoded):
            assert "PID" not in repr(decoded)
            assert decoded.damaged_bytes == 0
            decoded.text.encode()
            assert "\ufffd" not in decoded.text or decoded.codec in ("utf-8", "gb18030")
            if decoded.codec in EXACT_CODECS:
                assert decoded.text.encode(decoded.codec) == message
        for forced in (False, True):
            kept = decode(message, found, Content(default, is_forced=forced, keeps_damaged=True))
            if isinstance(kept, Undecodable):
                assert kept.is_unsupported
            else:
                kept.text.encode()


def path(data: bytes) -> None:
    """A path is read or refused, is written in one way, and finds texts or nothing in any message."""
    place, _, message = data.partition(b"\x00")
    found = parse_header(message)
    marks = found if isinstance(found, Header) else parse_header(b"MSH|^~\\&|")
    assert isinstance(marks, Header)
    text = message.decode("latin-1")
    segments = Message(text, marks.delimiters)
    for name in (place.decode("latin-1"), *KWARGS.values()):
        try:
            wanted = parse_path(name)
        except PathInvalid:
            continue
        assert parse_path(str(wanted)) == wanted
        value, every = segments.get(wanted), segments.get_all(wanted)
        assert value is None or value
        assert value == Message(text, marks.delimiters).get(wanted)
        assert value == next((one for one in every if one is not None), None)


def stamp(data: bytes) -> None:
    """A time stamp is understood or is none; one that is understood can be written and placed."""
    text = data.decode("latin-1")
    for zone in ZONES:
        for version in ((), (2, 9)):
            found = parse_timestamp(text, zone, version=version)
            if found is not None:
                assert found.iso()[:4].isdecimal()
                assert found.instant() is None or found.offset is not None
                assert found.day() is None or found.day() == found.local.date()


def glob(data: bytes) -> None:
    """A glob matches what a slow table of all its ends says it does."""
    pattern, _, word = data[:80].decode("latin-1").partition("\x00")
    if pattern:
        assert words([pattern]).match(word) == _matches(pattern, word)
    assert words(["*"]).match(word)


def _matches(pattern: str, word: str) -> bool:
    ends = {0}
    for mark in pattern:
        if mark == "*":
            ends = set(range(min(ends), len(word) + 1)) if ends else ends
        else:
            ends = {end + 1 for end in ends if end < len(word) and mark in ("?", word[end])}
    return len(word) in ends


# -- the sending side --------------------------------------------------------------------------------------------------


def files(data: bytes) -> None:
    """A file holds messages or is refused; what was put into blocks comes out again."""
    try:
        found = messages_in(data, as_it_is=True)
        found += blocks_in(data, as_it_is=True, keeps_batches=True)
        blocks_in(data, keeps_batches=True)
    except UnfinishedBlock:
        return
    for message in found:
        assert message.rstrip(b"\r\n") in data


def replies(data: bytes) -> None:
    """Something can be said of any reply."""
    about = read_acknowledgement(data)
    assert not (about.is_positive and not about.code)
    assert frame(data)[1:-2] == data


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (framer, flushing, header, judged, answers, batches, charset, path, stamp, glob, files, replies)
}


def each(data: bytes) -> None:
    """Give an input to the target that its first byte names."""
    if data:
        names = tuple(TARGETS)
        TARGETS[names[data[0] % len(names)]](data[1:])
