"""How a sink answers: a code, late, or in one of the ways in which answers go missing. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.ack.writer import Code, acknowledge, codes_due
from daemon.hl7listener.judging.finding import Disposition, Finding, Hl7Error, Verdict, is_acknowledgement
from daemon.hl7listener.text.header import Header, HeaderFault, parse_header
from daemon.sender.expecting import CODES

_MSH, _NONE, _DROP, _CLOSE, _DELAY = "msh", "none", "drop", "close", "delay"
WORDS = "AA AE AR CA CE CR, msh, none, drop, close, delay=2s"
_ACCEPTED = "AA"
_VERDICTS = {"A": Verdict.ACCEPT, "E": Verdict.ERROR, "R": Verdict.REJECT}
_ERRORS = {
    Verdict.ERROR: (Hl7Error(101, "Required field missing"),),
    Verdict.REJECT: (Hl7Error(207, "Application internal error"),),
}
_NO_HEADER = Hl7Error(100, "Segment sequence error", "MSH")
_LARGEST_ROW = 1_000_000


class AnswerInvalid(ValueError):
    """There is no such way to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One way to answer.

    Attributes:
        word: what it is called.
        code: the acknowledgement code; empty for what MSH-15 and MSH-16 ask for, or if nothing is answered.
        delay_s: how late.
        is_silent: whether nothing is answered.
        ends: whether the connection is closed afterwards; with ``is_silent``, broken instead of an answer.
        every: for each message whose number it divides.
    """

    word: str
    code: str = _ACCEPTED
    delay_s: float = 0.0
    is_silent: bool = False
    ends: bool = False
    every: int = 1


def parse_answer(text: str, duration_s: Callable[[str], float]) -> Answer:
    """Read ``AA``, ``10:AE`` (each tenth message), ``none``, ``delay=2s``.

    Raises:
        AnswerInvalid: something else.
    """
    head, colon, word = text.partition(":")
    if not colon:
        head, word = "1", text
    if not (head.isascii() and head.isdecimal() and 0 < int(head[:8]) <= _LARGEST_ROW):
        raise AnswerInvalid(text)
    every = int(head)
    name, _, span = word.partition("=")
    if word.upper() in CODES:
        return Answer(word.upper(), word.upper(), every=every)
    match name:
        case "msh" if not span:
            return Answer(_MSH, "", every=every)
        case "none" if not span:
            return Answer(_NONE, "", is_silent=True, every=every)
        case "drop" if not span:
            return Answer(_DROP, "", is_silent=True, ends=True, every=every)
        case "close" if not span:
            return Answer(_CLOSE, ends=True, every=every)
        case "delay" if span:
            return Answer(_DELAY, delay_s=duration_s(span), every=every)
    raise AnswerInvalid(text)


def answer_for(number: int, answers: tuple[Answer, ...]) -> Answer:
    """Choose for the message with this number: the rarest that is its turn, the last one given of equals."""
    turn = [one for one in answers if number % one.every == 0]
    return max(reversed(turn), key=lambda one: one.every, default=Answer(_ACCEPTED))


def write_answer(
    data: bytes, answer: Answer, *, stamp: bytes, new_control_id: Callable[[], str]
) -> tuple[bytes, tuple[str, ...]]:
    """Write the framed answer to a message, and say which codes are in it; a message that answers another gets none."""
    header = parse_header(data)
    if answer.is_silent or (isinstance(header, Header) and is_acknowledgement(data, header)):
        return b"", ()
    if isinstance(header, HeaderFault):
        finding = Finding(Disposition.QUARANTINED, Verdict.REJECT, None, errors=(_NO_HEADER,))
        codes: tuple[Code, ...] = (Code("A", "R"),)
    elif not answer.code:
        finding = Finding(Disposition.ROUTED, Verdict.ACCEPT, header)
        codes = codes_due(finding, AckMode.MSH)
    else:
        verdict = _VERDICTS[answer.code[1]]
        finding = Finding(Disposition.ROUTED, verdict, header, errors=_ERRORS.get(verdict, ()))
        codes = (Code(answer.code[0], answer.code[1]),)
    block = acknowledge(finding, codes, stamp=stamp, new_control_id=new_control_id)
    return block, tuple(str(code) for code in codes)
