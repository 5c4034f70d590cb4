"""Which acknowledgements are due (HL7 v2.5 chapter 2, 2.9; tables 0008 and 0155)."""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.judging.verdict import Verdict
from daemon.hl7listener.text.header import Header
from daemon.public import Public

_ALWAYS, _NEVER, _SUCCESS, _ERROR = b"AL", b"NE", b"SU", b"ER"
_CONDITIONS = frozenset((b"", _ALWAYS, _NEVER, _SUCCESS, _ERROR))


@dataclass(frozen=True, slots=True)
class Code:
    """An acknowledgement code of table 0008: ``A`` application or ``C`` accept, then ``A``, ``E`` or ``R``."""

    family: str
    letter: str
    text: bytes = field(init=False)
    shown: Public = field(init=False)

    def __post_init__(self) -> None:
        """Write it once: it is sent with each message, and counted."""
        object.__setattr__(self, "shown", Public(self.family + self.letter))
        object.__setattr__(self, "text", self.shown.encode())

    def __str__(self) -> str:
        """Write the two letters."""
        return self.shown


_ANSWERED = [verdict for verdict in Verdict if verdict is not Verdict.SILENT]
_ACCEPT = {verdict: (Code("C", verdict.value),) for verdict in _ANSWERED}
_APPLICATION = {verdict: (Code("A", verdict.value),) for verdict in _ANSWERED}
_NONE: tuple[Code, ...] = ()
_MSH = AckMode.MSH
_GOOD = Verdict.ACCEPT
_AA = _APPLICATION[Verdict.ACCEPT]


def codes_of(verdict: Verdict, header: Header | None, mode: AckMode) -> tuple[Code, ...]:
    """Decide which acknowledgements are due for a verdict: none, one, or the accept and then the application one.

    Both MSH-15 and MSH-16 empty means original mode. Else MSH-15 rules the accept acknowledgement and MSH-16 the
    application one; an empty one counts as NE, an unknown word as AL.
    """
    if verdict is _GOOD and mode is _MSH and header is not None:  # nearly all there are
        fields = header.fields
        if not fields[13] and not fields[14]:
            return _AA
    if verdict is Verdict.SILENT or mode is AckMode.NONE:
        return _NONE
    if mode is AckMode.ALWAYS_AA:
        return _APPLICATION[Verdict.ACCEPT]
    accept, application = (b"", b"") if header is None else header.fields[13:15]
    if not accept and not application:
        return _ACCEPT[verdict] if mode is AckMode.ENHANCED else _APPLICATION[verdict]
    if mode is AckMode.ORIGINAL:
        return _APPLICATION[verdict]
    first = _ACCEPT[verdict] if _is_due(accept, verdict) else _NONE
    return first + _APPLICATION[verdict] if _is_due(application, verdict) else first


def may_follow(header: Header, mode: AckMode) -> bool:
    """Say whether an application acknowledgement is due for some outcome of an accepted message."""
    if mode in (AckMode.NONE, AckMode.ALWAYS_AA):
        return False
    if mode is AckMode.ORIGINAL:
        return True
    accept, application = header.fields[13:15]
    if not accept and not application:
        return mode is AckMode.MSH
    return application not in (b"", _NEVER)


def has_unknown_condition(header: Header) -> bool:
    """Say whether MSH-15 or MSH-16 holds a word of no table."""
    return not _CONDITIONS.issuperset(header.fields[13:15])


def _is_due(condition: bytes, verdict: Verdict) -> bool:
    if condition in (b"", _NEVER):
        return False
    if condition == _SUCCESS:
        return verdict is Verdict.ACCEPT
    if condition == _ERROR:
        return verdict is not Verdict.ACCEPT
    return True
