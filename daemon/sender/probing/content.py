"""Probes of content: what the standard allows and senders send (HL7 v2.5 chapter 2, 2.6)."""

from __future__ import annotations

import base64

from daemon.hl7listener.wire.framer import frame
from daemon.sender.probing.bench import Bench
from daemon.sender.probing.facts import read_reply
from daemon.sender.probing.verdict import Outcome, Probe, Severity, deviates, failed, passed

_CUSTOM = "Z"
_SMALL, _DOCUMENT = 100_000, 200_000


async def _lf(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(end="\n"))


async def _crlf(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(end="\r\n"))


async def _no_last_cr(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message().removesuffix(b"\r"))


async def _lf_in_field(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(more="NTE|1||two\nlines\r"))


async def _custom_segment(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(more=f"{_CUSTOM}PR|1|custom\r"))


async def _extra_fields(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(more="NTE|1||a" + "|" * 60 + "b^c^d^e&f~g\r"))


async def _escapes(bench: Bench) -> Outcome:
    return await bench.answered(
        bench.compose.message(more="NTE|1||\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\X0D0A\\ \\.br\\ \\H\\a\\N\\ \\odd\r")
    )


async def _hundred_kb(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(more=f"NTE|1||{'x' * _SMALL}\r"))


async def _document(bench: Bench) -> Outcome:
    content = base64.b64encode(b"%PDF-1.4 probe" + bytes(_DOCUMENT)).decode("ascii")
    return await bench.answered(bench.compose.message(more=f"OBX|1|ED|R^Report^L||P^AP^PDF^Base64^{content}||||||F\r"))


async def _many_segments(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(more="".join(f"NTE|{number}||x\r" for number in range(1, 2001))))


async def _new_version(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(version="2.8.2"))


async def _old_version(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(version="2.1"))


async def _no_version(bench: Bench) -> Outcome:
    message = bench.compose.message(version="2.5").replace(b"|T|2.5\r", b"|T|\r", 1)
    return await bench.answered(message, as_usual=False)


async def _version_3(bench: Bench) -> Outcome:
    return await _refusable(bench, bench.compose.message(version="3.0"), "a version that is not HL7 v2")


async def _unknown_type(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(kind="ZZZ^Z99"), as_usual=False)


async def _no_type(bench: Bench) -> Outcome:
    message = bench.compose.message()
    fields = message.split(b"|")
    fields[8] = b""
    return await _refusable(bench, b"|".join(fields), "a message without MSH-9")


async def _refusable(bench: Bench, message: bytes, what: str) -> Outcome:
    async with bench.call() as call:
        await call.send(frame(message))
        replies = await call.replies(1)
        if not replies:
            return failed(await bench.missing(call, 0, 1))
    code = replies[0].code
    return deviates(f"answers {code} to {what}") if replies[0].is_positive else passed(f"answers {code}")


async def _batch(bench: Bench) -> Outcome:
    members = b"".join(bench.compose.message() for _ in range(3))
    batch_id = bench.compose.control_id().encode()
    head = b"BHS|^~\\&|CARILLON|PROBE|LISTENER|SITE|20260101000000+0000||||" + batch_id + b"\r"
    async with bench.call() as call:
        await call.send(frame(head + members + b"BTS|3\r"))
        replies = await call.replies(1)
        if not replies:
            return failed(await bench.missing(call, 0, 1))
        more = await call.quiet()
    first = read_reply(replies[0].data)
    if more:
        return deviates("a batch of 3 gets more than one block of answers")
    if first.ack.is_batch:
        return passed(f"one block with the answers: {first.code}")
    if first.is_positive:
        return failed(f"answers {first.code} to the block as if it were one message")
    return deviates(f"batches are refused: {first.code}")


PROBES: tuple[Probe[Bench], ...] = (
    Probe("content/lf", "segments that end in LF", "the answer of a plain message", Severity.STANDSTILL, _lf),
    Probe("content/crlf", "segments that end in CR LF", "the answer of a plain message", Severity.STANDSTILL, _crlf),
    Probe("content/no-last-cr", "a last segment without CR", "the answer of a plain message", Severity.STANDSTILL, _no_last_cr),
    Probe("content/lf-inside", "LF as data of a field", "the answer of a plain message", Severity.LOSS, _lf_in_field),
    Probe("content/z-segment", "a segment of the sender's own", "it is passed over", Severity.STANDSTILL, _custom_segment),
    Probe("content/extra-fields", "more fields than the standard has", "they are passed over", Severity.STANDSTILL, _extra_fields),
    Probe("content/escapes", "all escape sequences, and one that is none", "an answer as usual", Severity.STANDSTILL, _escapes),
    Probe("content/100-kb", "a field of 100 kB", "the answer of a plain message", Severity.STANDSTILL, _hundred_kb),
    Probe("content/document", "an embedded document of 267 kB", "the answer of a plain message", Severity.LOSS, _document),
    Probe("content/many-segments", "2,000 segments", "the answer of a plain message", Severity.STANDSTILL, _many_segments),
    Probe("content/version-2.8", "version 2.8.2", "as usual: versions are compatible", Severity.STYLE, _new_version),
    Probe("content/version-2.1", "version 2.1", "as usual: versions are compatible", Severity.STYLE, _old_version),
    Probe("content/no-version", "MSH-12 empty", "an answer", Severity.STANDSTILL, _no_version),
    Probe("content/version-3", "version 3.0", "AR or AE", Severity.STYLE, _version_3),
    Probe("content/unknown-type", "ZZZ^Z99", "an answer", Severity.STANDSTILL, _unknown_type),
    Probe("content/no-type", "MSH-9 empty", "AR or AE", Severity.STYLE, _no_type),
    Probe("content/batch", "BHS, three messages, BTS in one block", "one block with the answers", Severity.CONFUSION, _batch),
)  # fmt: skip
