"""From a feed's keys to what it accepts and how it answers."""

from __future__ import annotations

from daemon.hl7listener.ack.answering import AckMode, AckType, AckWhen, Answering, Fallback, NoHeader
from daemon.settings import Problem, Severity
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath

_MODES = ("P", "D", "T")


def read_answering(path: KeyPath, section: FeedSection) -> tuple[Answering, list[Problem]]:
    """Read what the feed at ``path`` accepts and how it answers."""
    answering = Answering(
        mode=AckMode(section.ack),
        when=AckWhen(section.ack_when),
        deadline_s=section.ack_deadline,
        fallback=Fallback(section.ack_fallback),
        pending=section.ack_pending,
        ack_type=AckType(section.ack_type),
        processing_ids=_bytes(section.processing_id),
        versions=_bytes(section.versions),
        makes_control_id=section.control_id == "made",
        no_header=NoHeader(section.no_header),
        refuses_same_id=section.same_id == "refuse",
        rejects_when_full=section.disk_full == "reject",
        is_shared=section.shared,
        has_sequence=section.sequence,
    )
    return answering, [*_lists(path, section), *_contradictions(path, section)]


def _lists(path: KeyPath, section: FeedSection) -> list[Problem]:
    problems = []
    for number, text in enumerate(section.processing_id or ()):
        if text not in ("", *_MODES):
            hint = 'write "P", "D" or "T", or "" for messages that say none'
            problems.append(Problem((*path, "processing_id", number), f'"{text[:20]}" is no processing id', hint))
    for number, text in enumerate(section.versions or ()):
        if text and not (text.startswith("2.") and text.replace(".", "").isdecimal() and text.isascii()):
            hint = 'write "2.5.1", or "" for messages that say none'
            problems.append(Problem((*path, "versions", number), f'"{text[:20]}" is no version of HL7 2', hint))
    nothing = [key for key in ("processing_id", "versions") if getattr(section, key) == []]
    return problems + [
        Problem((*path, key), "no message could be accepted", "leave it out to accept all") for key in nothing
    ]


def _contradictions(path: KeyPath, section: FeedSection) -> list[Problem]:
    problems = []
    if section.ack_when != "stored" and section.ack in ("always-aa", "none"):
        text = f'with ack = "{section.ack}" nothing depends on what became of a message'
        problems.append(Problem((*path, "ack_when"), text, 'leave it out, or write ack = "msh"'))
    if section.sequence and section.ack in ("always-aa", "none"):
        text = f'ack = "{section.ack}" cannot tell the sender which number is expected'
        problems.append(Problem((*path, "sequence"), text, 'write ack = "original"'))
    if section.sequence and section.ack_when != "stored":
        text = "a number is accepted when its message is stored, whatever becomes of its task"
        problems.append(Problem((*path, "ack_when"), text, 'write ack_when = "stored"'))
    if section.sequence and section.shared:
        text = "each daemon would count its own numbers"
        problems.append(Problem((*path, "shared"), text, "give the sender one address, or leave sequence out"))
    if section.shared and section.ack_when != "stored":
        text = "what became of a message that another daemon enqueued is not known here"
        problems.append(Problem((*path, "ack_when"), text, 'write ack_when = "stored", or leave shared out'))
    if section.disk_full == "reject":
        text = "many senders skip a message that is rejected, and it is lost"
        hint = 'disk_full = "withhold" makes them keep it'
        problems.append(Problem((*path, "disk_full"), text, hint, Severity.WARNING))
    return problems


def _bytes(texts: list[str] | None) -> frozenset[bytes] | None:
    return None if texts is None else frozenset(text.encode() for text in texts)
