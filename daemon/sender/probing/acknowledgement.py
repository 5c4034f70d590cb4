"""Probes of acknowledgement: the right ones, in the right form, once (HL7 v2.5 chapter 2, 2.9)."""

from __future__ import annotations

from daemon.hl7listener.wire.framer import frame
from daemon.sender.probing.bench import Bench, End
from daemon.sender.probing.facts import Reply, fault_of_type, faults_of_parties
from daemon.sender.probing.messages import header_of
from daemon.sender.probing.verdict import Outcome, Probe, Severity, deviates, failed, passed, skipped

_OLD = "2.3"


async def _reply_to(bench: Bench, message: bytes) -> Reply | Outcome:
    async with bench.call() as call:
        await call.send(frame(message))
        replies = await call.replies(1)
        return replies[0] if replies else failed(await bench.missing(call, 0, 1))


async def _parties(bench: Bench) -> Outcome:
    message = bench.compose.message()
    reply = await _reply_to(bench, message)
    if isinstance(reply, Outcome):
        return reply
    faults = faults_of_parties(reply, header_of(message))
    return failed("; ".join(faults)) if faults else passed("swapped, with all components")


async def _own_id(bench: Bench) -> Outcome:
    messages = [bench.compose.message() for _ in range(2)]
    async with bench.call() as call:
        await call.send(*(frame(message) for message in messages))
        replies = await call.replies(2)
        if len(replies) < len(messages):
            return failed(await bench.missing(call, len(replies), 2))
    ids = [reply.own_id for reply in replies]
    if not all(ids):
        return failed("MSH-10 of the answer is empty")
    if ids == [header_of(message).control_id for message in messages]:
        return failed("MSH-10 of the answer is the one of the message")
    if ids[0] == ids[1]:
        return failed("two answers have the same MSH-10")
    return passed("each answer has a control id of its own")


async def _type(bench: Bench) -> Outcome:
    message = bench.compose.message()
    reply = await _reply_to(bench, message)
    if isinstance(reply, Outcome):
        return reply
    fault = fault_of_type(reply, header_of(message))
    return deviates(fault) if fault else passed("ACK^event^ACK")


async def _old_type(bench: Bench) -> Outcome:
    message = bench.compose.message(version=_OLD)
    reply = await _reply_to(bench, message)
    if isinstance(reply, Outcome):
        return reply
    fault = fault_of_type(reply, header_of(message))
    return deviates(fault) if fault else passed("ACK alone")


async def _echo(bench: Bench) -> Outcome:
    message = bench.compose.message(version="2.4")
    reply = await _reply_to(bench, message)
    if isinstance(reply, Outcome):
        return reply
    if reply.header is None:
        return failed("the answer has no header")
    sent = header_of(message)
    wrong = [f"MSH-{number}" for number in (11, 12) if reply.header.raw(number) != sent.raw(number)]
    return failed(f"{' and '.join(wrong)} of the message not echoed") if wrong else passed("MSH-11 and MSH-12 echoed")


async def _exact_id(bench: Bench) -> Outcome:
    control_id = f"{bench.compose.control_id()} a.b-c"
    return await bench.answered(bench.compose.message(control_id), as_usual=False)


async def _no_conditions(bench: Bench) -> Outcome:
    reply = await _reply_to(bench, bench.compose.message())
    if isinstance(reply, Outcome):
        return reply
    if reply.header is None:
        return failed("the answer has no header")
    asked = {reply.header.raw(15), reply.header.raw(16)} - {b"", b"NE"}
    return failed("the answer asks for an answer") if asked else passed("MSH-15 and MSH-16 ask for nothing")


async def _enhanced(bench: Bench, accept: str, application: str, wanted: tuple[str, ...]) -> Outcome:
    """Ask for acknowledgements by MSH-15 and MSH-16; ``wanted`` are the families, C or A, of those due."""
    message = bench.compose.message(accept=accept, application=application)
    async with bench.call() as call:
        await call.send(frame(message))
        replies = await call.replies(len(wanted)) if wanted else []
        replies += await call.quiet()
        ended = call.end is not End.SILENCE
    families = tuple(reply.code[:1] for reply in replies)
    codes = " ".join(reply.code for reply in replies) or "nothing"
    if families == wanted:
        return passed(f"answers {codes}")
    if not replies and ended:
        return failed("closed without an answer")
    if families == ("A",):
        return deviates(f"answers {codes}, as if nothing had been asked for")
    return failed(f"answers {codes}")


async def _accept_only(bench: Bench) -> Outcome:
    return await _enhanced(bench, "AL", "NE", ("C",))


async def _application_only(bench: Bench) -> Outcome:
    return await _enhanced(bench, "NE", "AL", ("A",))


async def _both(bench: Bench) -> Outcome:
    return await _enhanced(bench, "AL", "AL", ("C", "A"))


async def _neither(bench: Bench) -> Outcome:
    return await _enhanced(bench, "NE", "NE", ())


async def _on_error(bench: Bench) -> Outcome:
    if bench.usual not in ("AA", "CA"):
        return skipped("this listener refuses the message anyway")
    return await _enhanced(bench, "ER", "NE", ())


async def _of_an_ack(bench: Bench) -> Outcome:
    header = bench.compose.message(kind="ACK").split(b"\r")[0]
    async with bench.call() as call:
        await call.send(frame(header + b"\rMSA|AA|" + bench.compose.control_id().encode() + b"\r"))
        if replies := await call.quiet():
            return failed(f"answers {replies[0].code} to an acknowledgement")
        if call.has_ended:
            return deviates("closes the connection")
        message = bench.compose.message()
        await call.send(frame(message))
        outcome = await bench.judged(call, (message,))
    return passed("not answered, and goes on") if outcome.verdict.value == "pass" else outcome


async def _resend(bench: Bench) -> Outcome:
    message = bench.compose.message()
    async with bench.call() as call:
        await call.send(frame(message))
        first = await call.replies(1)
        await call.send(frame(message))
        second = await call.replies(1)
        if not first or not second:
            return failed(await bench.missing(call, len(first) + len(second), 2))
    return _compared(first[0], second[0])


async def _resend_elsewhere(bench: Bench) -> Outcome:
    message = bench.compose.message()
    first = await _reply_to(bench, message)
    second = await _reply_to(bench, message)
    if isinstance(first, Outcome) or isinstance(second, Outcome):
        return first if isinstance(first, Outcome) else failed("the second time there was no answer")
    return _compared(first, second)


def _compared(first: Reply, second: Reply) -> Outcome:
    if first.data == second.data:
        return passed("the same answer, byte for byte")
    if first.code == second.code:
        return deviates(f"{second.code} again, but another answer: taken for a new message")
    return failed(f"first {first.code}, then {second.code}")


async def _delimiters(bench: Bench) -> Outcome:
    message = bench.compose.message().translate(bytes.maketrans(b"|^~\\&", b"#*!?%"))
    async with bench.call() as call:
        await call.send(frame(message))
        replies = await call.replies(1)
        if not replies:
            return failed(await bench.missing(call, 0, 1))
    if not replies[0].data.startswith(b"MSH#*!?%#"):
        return failed(f"answers {replies[0].code} in delimiters of its own")
    return passed(f"answers {replies[0].code} in the message's delimiters")


async def _located(bench: Bench) -> Outcome:
    control_id = bench.compose.control_id()
    message = bench.compose.message(control_id).replace(f"|{control_id}|".encode(), b"||", 1)
    reply = await _reply_to(bench, message)
    if isinstance(reply, Outcome):
        return reply
    if reply.is_positive:
        return skipped("it accepts what was meant to be refused")
    return passed(f"{reply.code} with ERR") if reply.has_err else deviates(f"{reply.code} without ERR")


PROBES: tuple[Probe[Bench], ...] = (
    Probe("acknowledgement/parties", "a message", "MSH-3 to 6 of the message, swapped", Severity.CONFUSION, _parties),
    Probe("acknowledgement/own-id", "two messages", "answers with control ids of their own", Severity.CONFUSION, _own_id),
    Probe("acknowledgement/type", "a message of version 2.5", "MSH-9 is ACK^event^ACK", Severity.STYLE, _type),
    Probe("acknowledgement/old-type", "a message of version 2.3", "MSH-9 is ACK", Severity.CONFUSION, _old_type),
    Probe("acknowledgement/echo", "a message of version 2.4, processing id T", "MSH-11 and 12 echoed", Severity.CONFUSION, _echo),
    Probe("acknowledgement/exact-id", "a control id with blanks and dots", "MSA-2 is exactly that", Severity.LOSS, _exact_id),
    Probe("acknowledgement/asks-nothing", "a message", "the answer asks for no answer", Severity.CONFUSION, _no_conditions),
    Probe("acknowledgement/al-ne", "MSH-15 AL, MSH-16 NE", "CA alone", Severity.CONFUSION, _accept_only),
    Probe("acknowledgement/ne-al", "MSH-15 NE, MSH-16 AL", "AA alone", Severity.CONFUSION, _application_only),
    Probe("acknowledgement/al-al", "MSH-15 AL, MSH-16 AL", "CA, then AA", Severity.CONFUSION, _both),
    Probe("acknowledgement/ne-ne", "MSH-15 NE, MSH-16 NE", "nothing", Severity.STYLE, _neither),
    Probe("acknowledgement/er-ne", "MSH-15 ER, MSH-16 NE", "nothing, as there is no error", Severity.STYLE, _on_error),
    Probe("acknowledgement/of-an-ack", "an acknowledgement", "nothing", Severity.STANDSTILL, _of_an_ack),
    Probe("acknowledgement/resend", "the same bytes again", "the same answer, byte for byte", Severity.STYLE, _resend),
    Probe("acknowledgement/resend-elsewhere", "the same on another connection", "the same answer", Severity.STYLE, _resend_elsewhere),
    Probe("acknowledgement/delimiters", "other delimiters than usual", "an answer in those", Severity.CONFUSION, _delimiters),
    Probe("acknowledgement/err", "a message without MSH-10", "the refusal has an ERR segment", Severity.STYLE, _located),
)  # fmt: skip
