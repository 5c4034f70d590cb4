"""Probes of character sets: nothing is altered in silence, and no byte makes a listener fall silent (HL7 table 0211)."""

from __future__ import annotations

from functools import partial

from daemon.hl7listener.wire.framer import frame
from daemon.sender.probing.bench import Bench
from daemon.sender.probing.messages import header_of
from daemon.sender.probing.verdict import Outcome, Probe, Severity, deviates, failed, passed

_LATIN, _MIXED = "GRÜNSTEIN", "GRÜNSTEIN ГРАНИТ 花崗岩"


async def _declared(bench: Bench, charset: str, codec: str, family: str) -> Outcome:
    return await bench.answered(bench.compose.message(charset=charset, codec=codec, family=family))


async def _undeclared(bench: Bench, codec: str) -> Outcome:
    return await bench.answered(bench.compose.message(codec=codec, family=_LATIN), as_usual=False)


async def _wrong(bench: Bench) -> Outcome:
    return await _never_accepted(bench, bench.compose.message(charset="UNICODE UTF-8", codec="latin-1", family=_LATIN))


async def _unknown(bench: Bench) -> Outcome:
    message = bench.compose.message(charset="NO SUCH SET", codec="utf-8", family=_LATIN)
    return await bench.answered(message, as_usual=False)


async def _utf16(bench: Bench) -> Outcome:
    return await _never_accepted(bench, bench.compose.message(charset="UNICODE UTF-16"))


async def _never_accepted(bench: Bench, message: bytes) -> Outcome:
    async with bench.call() as call:
        await call.send(frame(message))
        replies = await call.replies(1)
        if not replies:
            return failed(await bench.missing(call, 0, 1))
    if replies[0].is_positive:
        return deviates(f"answers {replies[0].code}: what it makes of the bytes cannot be what was meant")
    return passed(f"answers {replies[0].code}")


async def _echo(bench: Bench) -> Outcome:
    message = bench.compose.message(charset="8859/1", codec="latin-1", facility="SPITÄL")
    async with bench.call() as call:
        await call.send(frame(message))
        replies = await call.replies(1)
        if not replies:
            return failed(await bench.missing(call, 0, 1))
    reply, sent = replies[0].header, header_of(message)
    if reply is None:
        return failed("the answer has no header")
    if reply.raw(6) == sent.raw(4):
        return passed("echoed byte for byte")
    return failed("MSH-6 of the answer is not MSH-4 of the message: written in another character set")


def _set(name: str, charset: str, codec: str, family: str, sent: str) -> Probe[Bench]:
    return Probe(
        f"charset/{name}",
        sent,
        "the answer of a plain message",
        Severity.LOSS,
        partial(_declared, charset=charset, codec=codec, family=family),
    )


PROBES: tuple[Probe[Bench], ...] = (
    _set("utf-8", "UNICODE UTF-8", "utf-8", _MIXED, "UTF-8, declared"),
    _set("latin-1", "8859/1", "iso8859-1", _LATIN, "8859/1, declared"),
    _set("cyrillic", "8859/5", "iso8859-5", "ГРАНИТ", "8859/5, declared"),
    _set("gb18030", "GB 18030-2000", "gb18030", "\u4e02\u6a0b", "GB 18030, with delimiters inside of characters"),
    _set("big5", "BIG-5", "big5", "\u529f\u9910", "Big5, with delimiters inside of characters"),
    _set("iso-2022-jp", "ISO IR87", "iso2022_jp", "花崗岩", "ISO 2022-JP"),
    Probe("charset/utf-8-undeclared", "UTF-8, MSH-18 empty", "an answer", Severity.STANDSTILL, partial(_undeclared, codec="utf-8")),
    Probe("charset/latin-1-undeclared", "8859/1, MSH-18 empty", "an answer", Severity.STANDSTILL, partial(_undeclared, codec="latin-1")),
    Probe("charset/invalid", "bytes that are not UTF-8, declared as such", "AE or AR", Severity.LOSS, _wrong),
    Probe("charset/unknown", "MSH-18 that nobody knows", "an answer", Severity.STANDSTILL, _unknown),
    Probe("charset/utf-16", "MSH-18 says UTF-16, which MLLP cannot carry", "AE or AR", Severity.STYLE, _utf16),
    Probe("charset/echo", "an umlaut in MSH-4, 8859/1", "the same byte in MSH-6", Severity.CONFUSION, _echo),
)  # fmt: skip
