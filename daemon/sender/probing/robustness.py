"""Probes of robustness: whatever comes, the connection answers or ends, and others are served."""

from __future__ import annotations

import anyio

from daemon.hl7listener.wire.framer import frame
from daemon.sender.probing.bench import Bench, End
from daemon.sender.probing.messages import header_of
from daemon.sender.probing.verdict import Outcome, Probe, Severity, deviates, failed, passed, skipped

_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(190)
_REQUEST = b"GET / HTTP/1.1\r\nHost: probe\r\n\r\n"
_QUIET_S = 2.0
_REFUSED = frozenset(("AE", "AR", "CE", "CR"))


async def _refused(bench: Bench, data: bytes, *, may_close: bool = True) -> Outcome:
    """Send a block that cannot be accepted; it is to be refused, or the connection ended."""
    async with bench.call() as call:
        await call.send(frame(data))
        replies = await call.replies(1)
        if not replies:
            if call.has_ended and may_close:
                serves = await bench.still_serves()
                return deviates("closed without an answer") if serves else failed("closed, and serves nobody any more")
            return failed(await bench.missing(call, 0, 1))
        code = replies[0].code
        if code in _REFUSED:
            after = bench.compose.message()
            await call.send(frame(after))
            if not await call.replies(1) and not call.has_ended:
                return failed(f"answers {code}, then nothing more on this connection")
            return passed(f"answers {code}")
        return failed(f"answers {code} to what is no message")


async def _empty(bench: Bench) -> Outcome:
    message = bench.compose.message()
    wanted = header_of(message).control_id.decode("ascii")
    async with bench.call() as call:
        await call.send(frame(b"") + frame(message))
        replies = await call.replies(1)
        if replies and replies[0].ack.control_id != wanted:
            if replies[0].is_positive:
                return failed(f"answers {replies[0].code} to an empty block")
            replies += await call.replies(1)
        if replies and replies[-1].ack.control_id == wanted:
            return passed("answers " + " ".join(reply.code for reply in replies))
        if call.has_ended:
            return deviates("ends the connection without an answer")
        return failed(await bench.missing(call, 0, 1))


async def _no_msh(bench: Bench) -> Outcome:
    return await _refused(bench, b"PID|1||0^^^PROBE^MR||PROBE^NOBODY\r")


async def _short_msh(bench: Bench) -> Outcome:
    return await _refused(bench, b"MSH|^~\\&|\r")


async def _no_text(bench: Bench) -> Outcome:
    return await _refused(bench, b"\x00\xff\xfe\x80probe\x00" * 20)


async def _bad_delimiters(bench: Bench) -> Outcome:
    return await _refused(bench, bench.compose.message().replace(b"|^~\\&|", b"|||||", 1))


async def _no_control_id(bench: Bench) -> Outcome:
    control_id = bench.compose.control_id()
    message = bench.compose.message(control_id).replace(control_id.encode(), b"", 1)
    return await _refused(bench, message)


async def _reset_inside(bench: Bench) -> Outcome:
    async with bench.call() as call:
        await call.send(frame(bench.compose.message())[:80])
        call.reset()
    return await _served_after(bench, "a broken connection")


async def _reset_after(bench: Bench) -> Outcome:
    async with bench.call() as call:
        await call.send(frame(bench.compose.message()))
        call.reset()
    return await _served_after(bench, "a broken connection")


async def _half_close(bench: Bench) -> Outcome:
    if bench.speaks_tls:
        return skipped("TLS has no half-closed connections")
    message = bench.compose.message()
    async with bench.call() as call:
        await call.send(frame(message))
        call.shut()
        replies = await call.replies(1)
    if not replies:
        return failed("no answer once the sender has shut its side")
    return passed(f"answers {replies[0].code}")


async def _held_open(bench: Bench) -> Outcome:
    message = bench.compose.message()
    async with bench.call() as slow, bench.call() as call:
        await slow.send(frame(bench.compose.message())[:80])
        await call.send(frame(message))
        return await bench.judged(call, (message,))


async def _quiet_spell(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    async with bench.call() as call:
        await call.send(frame(first))
        outcome = await bench.judged(call, (first,))
        if outcome.verdict.value == "fail":
            return outcome
        await anyio.sleep(_QUIET_S)
        await call.send(frame(second))
        return await bench.judged(call, (second,))


async def _tls_hello(bench: Bench) -> Outcome:
    if bench.speaks_tls:
        return await _foreign(bench, frame(bench.compose.message()), "a plain message to the TLS port")
    return await _foreign(bench, _HELLO, "a TLS hello")


async def _http(bench: Bench) -> Outcome:
    if bench.speaks_tls:
        return skipped("is sent in clear only")
    return await _foreign(bench, _REQUEST, "an HTTP request")


async def _foreign(bench: Bench, data: bytes, what: str) -> Outcome:
    async with bench.call(plain=True) as call:
        await call.send(data)
        await call.replies(1)
        ended = call.has_ended
        end = call.end
    if not await bench.still_serves():
        return failed(f"serves nobody any more after {what}")
    if ended:
        return passed("tells it apart and ends the connection" if end is not End.RESET else "ends the connection")
    return deviates("holds the connection open and says nothing")


async def _served_after(bench: Bench, what: str) -> Outcome:
    if await bench.still_serves():
        return passed("the next connection is served")
    return failed(f"serves nobody any more after {what}")


PROBES: tuple[Probe[Bench], ...] = (
    Probe("robustness/empty", "an empty block, then a message", "the message is answered", Severity.STANDSTILL, _empty),
    Probe("robustness/no-msh", "a block without MSH", "AR or AE", Severity.LOSS, _no_msh),
    Probe("robustness/short-msh", "MSH and nothing after MSH-2", "AR or AE", Severity.LOSS, _short_msh),
    Probe("robustness/no-text", "bytes that are no text", "AR or AE", Severity.STANDSTILL, _no_text),
    Probe("robustness/delimiters", "delimiters that are all the same", "AR or AE", Severity.STANDSTILL, _bad_delimiters),
    Probe("robustness/no-control-id", "a message without MSH-10", "AE or AR", Severity.CONFUSION, _no_control_id),
    Probe("robustness/reset-inside", "a connection broken within a block", "others are served", Severity.STANDSTILL, _reset_inside),
    Probe("robustness/reset-after", "a connection broken before the answer", "others are served", Severity.STANDSTILL, _reset_after),
    Probe("robustness/half-close", "the sender shuts its side after a message", "an answer", Severity.LOSS, _half_close),
    Probe("robustness/held-open", "half a block on another connection", "others are served", Severity.STANDSTILL, _held_open),
    Probe("robustness/quiet-spell", f"nothing for {_QUIET_S:g} s between messages", "both are answered", Severity.STANDSTILL, _quiet_spell),
    Probe("robustness/tls", "the other one of TLS and plain", "the connection is ended", Severity.STYLE, _tls_hello),
    Probe("robustness/http", "an HTTP request", "the connection is ended", Severity.STYLE, _http),
)  # fmt: skip
