"""What is asked of stored messages, in query strings and bodies. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from daemon.api.http.asked import Body
from daemon.api.http.moment import MomentUs
from daemon.api.http.page import CURSOR_LIMIT, ITEMS_LIMIT, Paged, keys_of
from daemon.clock import SECOND_US
from daemon.desks import BadRequest, ExportForm, MessageFilter, MessageState

SEQUENCES_LIMIT = 1000
EXPORT_LIMIT = 200
TEXT_LIMIT = 1000
SEQUENCE_LIMIT = 2**63 - 1
WINDOW_US = 3600 * SECOND_US
"""How far back is looked if nobody says."""

Sequence = Annotated[int, Field(ge=1, le=SEQUENCE_LIMIT)]
Sequences = Annotated[list[Sequence], Field(min_length=1, max_length=SEQUENCES_LIMIT)]
Word = Annotated[str, Field(max_length=200)]
Reason = Annotated[str, Field(max_length=TEXT_LIMIT)]
NeededReason = Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT, pattern=r"\S")]


class Wanted(BaseModel):
    """Which messages are wanted; what is empty counts for all."""

    since: Annotated[MomentUs | None, Field(description="From then on; an hour back unless control_id is given.")] = (
        None
    )
    until: Annotated[MomentUs | None, Field(description="Before then.")] = None
    feed: Word = ""
    type: Annotated[Word, Field(description="MSH-9.1")] = ""
    event: Annotated[Word, Field(description="MSH-9.2")] = ""
    state: MessageState | None = None
    control_id: Annotated[Word, Field(description="MSH-10, exactly")] = ""
    application: Annotated[Word, Field(description="MSH-3.1")] = ""
    facility: Annotated[Word, Field(description="MSH-4.1")] = ""
    code: Annotated[Word, Field(description="Of the answer, such as AA.")] = ""
    peer: Annotated[Word, Field(description="The address it came from.")] = ""
    errors_only: Annotated[bool, Field(description="Those that were refused, or could not be handed on.")] = False


class MessageQuery(Wanted, Paged):
    """Which messages are listed."""


class SearchBody(Wanted, Body):
    """Which messages of one patient are listed."""

    patient: Annotated[str, Field(min_length=1, max_length=200, description="PID-3.1 of any repetition")]
    reason: NeededReason
    limit: Annotated[int, Field(ge=1, le=ITEMS_LIMIT)] = 50
    after: Annotated[str, Field(max_length=CURSOR_LIMIT)] = ""


class RevealBody(Body):
    """What is shown, and why."""

    scope: Annotated[str, Field(max_length=64, description='A place such as PID-3 or OBX[2]-5, "whole", or "answer".')]
    reason: NeededReason


class PreviewBody(Body):
    """Which messages would be handed on once more."""

    sequences: Sequences
    to_feed: Annotated[str, Field(max_length=64)] | None = None


class ReplayBody(Body):
    """Which messages are handed on once more, and how."""

    sequences: Sequences
    to_feed: Annotated[str, Field(max_length=64)] | None = None
    deidentify: bool = False
    reason: Reason = ""
    confirm: Annotated[int, Field(description="How many; needed for more than one.")] | None = None


class ReleaseBody(Body):
    """Which parked messages are handed on."""

    sequences: Sequences
    reason: Reason = ""


class ExportBody(Body):
    """Which messages are given as a file."""

    sequences: Annotated[list[Sequence], Field(min_length=1, max_length=EXPORT_LIMIT)]
    deidentify: bool = True
    format: ExportForm = ExportForm.MLLP
    reason: NeededReason


def filter_of(wanted: Wanted, now_us: int, after: list[object] | None, *, patient: str = "") -> MessageFilter:
    """Say what is looked for; a page that follows keeps the window of the first."""
    since_us, until_us = wanted.since, wanted.until
    if after is not None and isinstance(after[1], int):
        since_us = after[1] if after[1] >= 0 else None
    elif since_us is None and not wanted.control_id and not patient:
        since_us = (now_us if until_us is None else until_us) - WINDOW_US
    return MessageFilter(
        feed=wanted.feed,
        type=wanted.type,
        event=wanted.event,
        control_id=wanted.control_id,
        application=wanted.application,
        facility=wanted.facility,
        code=wanted.code.upper(),
        peer=wanted.peer,
        patient=patient,
        state=wanted.state,
        errors_only=wanted.errors_only,
        since_us=since_us,
        until_us=until_us,
    )


def place_of(after: str) -> list[object] | None:
    """Read where a page begins: before which message, and since when (-1: without a beginning).

    Raises:
        BadRequest: no page gave this word.
    """
    keys = keys_of(after, 2)
    if keys is not None and not all(isinstance(key, int) and -1 <= key <= SEQUENCE_LIMIT for key in keys):
        message = '"after" is no word that a page gave'
        raise BadRequest(message, hint="leave it out for the first page", field="after")
    return keys
