"""Messages as the API shows them: headers, outlines and states, what who asks may do, and the way each went. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.api.http.caller import Role
from daemon.clock import SECOND_US, instant
from daemon.desks import (
    AnswerShape,
    HeaderField,
    MessageDetail,
    MessagePage,
    MessageRow,
    MessageState,
    SegmentShape,
    TaskSeen,
)
from daemon.public import Public


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message in one line; see ``daemon.desks.MessageRow``."""

    sequence: int
    received_at: datetime
    feed: str
    type: str
    event: str
    control_id: str
    application: str
    facility: str
    version: str
    size_bytes: int
    state: MessageState
    reason: str
    code: str
    flags: Sequence[str]
    origin: int | None
    is_whole: bool
    is_answer_pending: bool
    peer: str
    task_id: str | None
    allowed_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class MessagePageView:
    """Messages, the newest first, of the window that was looked through. A page may be short and not the last."""

    items: Sequence[MessageView]
    next: str | None
    since_at: datetime | None
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task that a message becomes, and where it stands; ``not-asked`` if nobody tells."""

    task_id: str
    route: str
    name: str
    queue: str | None
    state: str
    worker: str | None


@dataclass(frozen=True, slots=True)
class CopyView:
    """A message made of another: one of a batch, or by hand."""

    sequence: int
    received_at: datetime
    state: MessageState
    is_replay: bool


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a message's way; ``gap_s`` since the step before whose instant is known.

    Attributes:
        is_done: it has been taken, even if nobody knows when.
    """

    step: str
    is_done: bool
    at: datetime | None
    gap_s: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class MessageDetailView:
    """All that may be shown of a message; see ``daemon.desks.MessageDetail``."""

    message: MessageView
    header: Sequence[HeaderField]
    segments: Sequence[SegmentShape]
    segments_left_out: int
    answer: AnswerShape
    tasks: Sequence[TaskView]
    entries: Sequence[str]
    copies: Sequence[CopyView]
    path: Sequence[StepView]


@dataclass(frozen=True, slots=True)
class Sight:
    """What who asks may do.

    Attributes:
        role: as which; a viewer's where nothing may be changed.
        feeds: whose contents may be revealed; ``None``: all; empty: none.
    """

    role: Role
    feeds: frozenset[str] | None


def message_view(row: MessageRow, sight: Sight) -> MessageView:
    """Show a message."""
    return MessageView(
        row.sequence,
        instant(row.received_us),
        row.feed,
        row.type,
        row.event,
        row.control_id,
        row.application,
        row.facility,
        row.version,
        row.size_bytes,
        row.state,
        row.reason,
        row.code,
        row.flags,
        row.origin or None,
        row.is_whole,
        row.is_answer_pending,
        row.peer,
        row.task_id or None,
        _actions(row, sight),
    )


def page_view(
    page: MessagePage, sight: Sight, word: str | None, since_us: int | None, until_us: int | None
) -> MessagePageView:
    """Show a page."""
    items = [message_view(row, sight) for row in page.rows]
    return MessagePageView(items, word, _instant(since_us), _instant(until_us))


def detail_view(found: MessageDetail, seen: Mapping[str, TaskSeen], sight: Sight) -> MessageDetailView:
    """Show all that may be shown of a message."""
    tasks = [
        TaskView(one.task_id, one.route, one.name, one.queue, seen[one.task_id].state.lower(), seen[one.task_id].worker)
        for one in found.tasks
    ]
    return MessageDetailView(
        message=message_view(found.row, sight),
        header=found.header,
        segments=found.segments,
        segments_left_out=found.segments_left_out,
        answer=found.answer,
        tasks=tasks,
        entries=found.entries,
        copies=[CopyView(one.sequence, instant(one.received_us), one.state, one.is_replay) for one in found.copies],
        path=path_of(found, seen),
    )


def path_of(found: MessageDetail, seen: Mapping[str, TaskSeen]) -> list[StepView]:
    """Tell the way of a message and of its first task, with the time between steps where both are known."""
    row = found.row
    first = seen.get(found.tasks[0].task_id) if found.tasks else None
    answered = " and ".join(found.answer.codes) or ("still to come" if row.is_answer_pending else "nothing")
    steps: list[tuple[str, bool, int | None, str]] = [
        ("received", True, row.received_us, row.peer),
        ("answered", not row.is_answer_pending, None, answered),
        (row.state.value, True, None, row.reason),
    ]
    if first is not None and row.state is MessageState.ENQUEUED:
        steps += [
            ("task-received", first.received_us is not None, first.received_us, first.worker or ""),
            ("started", first.started_us is not None, first.started_us, ""),
            ("ended", first.ended_us is not None, first.ended_us, first.state if first.ended_us else Public("")),
        ]
    path: list[StepView] = []
    before_us: int | None = None
    for step, is_done, at_us, detail in steps:
        gap_s = None if at_us is None or before_us is None else (at_us - before_us) / SECOND_US
        path.append(StepView(step, is_done, _instant(at_us), gap_s, detail))
        before_us = before_us if at_us is None else at_us
    return path


def _actions(row: MessageRow, sight: Sight) -> list[str]:
    found: list[str] = []
    if sight.role >= Role.OPERATOR:
        if row.state is MessageState.PARKED:
            found.append("release")
        if row.is_whole and row.state is not MessageState.BATCH:
            found += ["replay", "export"]
    if sight.feeds is None or row.feed in sight.feeds:
        found.append("reveal")
    return found


def _instant(at_us: int | None) -> datetime | None:
    return None if at_us is None else instant(at_us)
