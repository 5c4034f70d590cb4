"""Probes of framing: however the bytes come, no message is lost, merged or answered twice."""

from __future__ import annotations

from daemon.hl7listener.wire.framer import END, START, frame
from daemon.sender.probing.bench import Bench, End
from daemon.sender.probing.facts import fault_of_form
from daemon.sender.probing.verdict import Outcome, Probe, Severity, deviates, failed, passed

PIPELINED = 200


def _blocks(*messages: bytes) -> bytes:
    return b"".join(frame(message) for message in messages)


async def plain(bench: Bench) -> Outcome:
    """Also learn what this listener usually answers."""
    message = bench.compose.message()
    async with bench.call() as call:
        await call.send(frame(message))
        return await bench.judged(call, (message,), as_usual=False)


async def _in_turn(bench: Bench) -> Outcome:
    messages = [bench.compose.message() for _ in range(3)]
    async with bench.call() as call:
        for number, message in enumerate(messages, 1):
            await call.send(frame(message))
            outcome = await bench.judged(call, (message,))
            if outcome.verdict.value == "fail":
                return failed(f"message {number} of 3: {outcome.observation}")
    return passed("3 messages, 3 answers")


async def _one_packet(bench: Bench) -> Outcome:
    return await bench.answered(bench.compose.message(), bench.compose.message())


async def _pipelined(bench: Bench) -> Outcome:
    return await bench.answered(*(bench.compose.message() for _ in range(PIPELINED)))


async def _bytewise(bench: Bench) -> Outcome:
    message = bench.compose.message()
    block = frame(message)
    async with bench.call() as call:
        await call.send(*(block[place : place + 1] for place in range(len(block))), pause_s=0.001)
        return await bench.judged(call, (message,))


async def _split_end(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    block = frame(first)
    return await bench.answered(first, second, packets=(block[:-1], block[-1:], frame(second)))


async def _split_across(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    stream = _blocks(first, second)
    middle = len(frame(first))
    return await bench.answered(first, second, packets=(stream[:1], stream[1 : middle + 9], stream[middle + 9 :]))


async def _interleaved(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    one, two = frame(first), frame(second)
    async with bench.call() as left, bench.call() as right:
        await left.send(one[:40])
        await right.send(two[:70])
        await left.send(one[40:])
        await right.send(two[70:])
        outcomes = (await bench.judged(left, (first,)), await bench.judged(right, (second,)))
    return next((outcome for outcome in outcomes if outcome.verdict.value == "fail"), outcomes[0])


async def _noise(bench: Bench) -> Outcome:
    message = bench.compose.message()
    return await bench.answered(message, packets=(b"noise" + frame(message),))


async def _line_ends(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    return await bench.answered(first, second, packets=(frame(first) + b"\r\n", frame(second) + b"\n"))


async def _nuls(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    return await bench.answered(first, second, packets=(frame(first) + b"\x00\x00" + frame(second),))


async def _lf_end(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    return await bench.answered(first, second, packets=(_with_end(first, b"\x1c\n"), _with_end(second, b"\x1c\n")))


async def _no_cr(bench: Bench) -> Outcome:
    first, second = bench.compose.message(), bench.compose.message()
    return await bench.answered(first, second, packets=(_with_end(first, END[:1]) + frame(second),))


async def _no_cr_alone(bench: Bench) -> Outcome:
    message = bench.compose.message()
    async with bench.call() as call:
        await call.send(_with_end(message, END[:1]))
        if await call.replies(1):
            return passed("answered without the CR")
        if call.end is not End.SILENCE:
            return failed("not answered; " + (call.end.value if call.end else "nothing came"))
        await call.send(b"\r")
        if await call.replies(1):
            return deviates("answered only when the CR came")
        return failed("not answered, not even when the CR came")


async def _double_start(bench: Bench) -> Outcome:
    message = bench.compose.message()
    return await bench.answered(message, packets=(START + frame(message),))


async def _begun_anew(bench: Bench) -> Outcome:
    message = bench.compose.message()
    return await bench.answered(message, packets=(START + bench.compose.message()[:60], frame(message)))


async def _reply_form(bench: Bench) -> Outcome:
    async with bench.call() as call:
        await call.send(frame(bench.compose.message()))
        replies = await call.replies(1)
        if not replies:
            return failed(await bench.missing(call, 0, 1))
        if bytes(call.received) != frame(replies[0].data):
            return failed("there are bytes outside of VT … FS CR")
    fault = fault_of_form(replies[0])
    return failed(fault) if fault else passed("VT, segments that end in CR, FS CR")


def _with_end(message: bytes, end: bytes) -> bytes:
    return START + message + end


PLAIN: Probe[Bench] = Probe("framing/plain", "one message", "one answer to it", Severity.LOSS, plain)

PROBES: tuple[Probe[Bench], ...] = (
    PLAIN,
    Probe("framing/in-turn", "three messages on one connection, each after the answer", "an answer to each", Severity.LOSS, _in_turn),
    Probe("framing/one-packet", "two blocks in one packet", "both are answered, in order", Severity.LOSS, _one_packet),
    Probe("framing/pipelined", f"{PIPELINED} blocks without waiting", "all are answered, in order", Severity.LOSS, _pipelined),
    Probe("framing/bytewise", "one byte a packet", "an answer", Severity.LOSS, _bytewise),
    Probe("framing/split-end", "CR in a packet of its own, then another block", "both are answered", Severity.LOSS, _split_end),
    Probe("framing/split-across", "packets that end within the next block", "both are answered", Severity.LOSS, _split_across),
    Probe("framing/interleaved", "two connections, halves in turn", "each gets its own answer", Severity.LOSS, _interleaved),
    Probe("framing/reply", "one message", "the answer is VT, segments ending in CR, FS CR", Severity.STANDSTILL, _reply_form),
    Probe("framing/noise", "five letters before VT", "they are passed over", Severity.STANDSTILL, _noise),
    Probe("framing/line-ends", "CR LF, LF after blocks", "they are passed over", Severity.STANDSTILL, _line_ends),
    Probe("framing/nuls", "NUL bytes between blocks", "they are passed over", Severity.LOSS, _nuls),
    Probe("framing/lf-after-fs", "blocks that end in FS LF", "both are answered", Severity.STANDSTILL, _lf_end),
    Probe("framing/no-cr", "a block that ends in FS, then another", "both are answered", Severity.LOSS, _no_cr),
    Probe("framing/no-cr-alone", "a block that ends in FS, then nothing", "an answer after a moment", Severity.STYLE, _no_cr_alone),
    Probe("framing/double-vt", "VT VT at the start", "an answer", Severity.STANDSTILL, _double_start),
    Probe("framing/begun-anew", "half a block, then a whole one", "the whole one is answered", Severity.LOSS, _begun_anew),
)  # fmt: skip
