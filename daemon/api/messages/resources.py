"""What can be asked of stored messages."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Capability, Role
from daemon.api.http.page import cursor
from daemon.api.http.resource import Resource
from daemon.api.messages.asking import (
    SEQUENCE_LIMIT,
    ExportBody,
    MessageQuery,
    PreviewBody,
    ReleaseBody,
    ReplayBody,
    RevealBody,
    SearchBody,
    filter_of,
    place_of,
)
from daemon.api.messages.views import (
    MessageDetailView,
    MessagePageView,
    MessageView,
    Sight,
    detail_view,
    message_view,
    page_view,
)
from daemon.api.roles import acting, feeds_seen
from daemon.desks import (
    DeskRefused,
    MessageArchive,
    MessageDesk,
    MessagePage,
    MessageRow,
    MessageState,
    NotPermitted,
    NotThere,
    Replay,
    Replayed,
    TaskStates,
)
from daemon.public import Public

SAMPLE = 10
MANY = 100
"""More than so many at once, or to another feed, is for admins."""

_PHI = frozenset((Capability.PHI,))
_NO_STORE = {"Cache-Control": "no-store"}
_BYTES = "application/octet-stream"
_PATH = "/api/messages"
_HANDED_ON = (MessageState.ENQUEUED, MessageState.WAITING)


@dataclass(frozen=True, slots=True)
class RevealedView:
    """Contents: the values of a field, or segments and ``raw_b64`` of the whole message or its answer."""

    sequence: int
    scope: str
    values: Sequence[str | None] = field(repr=False)
    segments: Sequence[str] = field(repr=False)
    raw_b64: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay would do.

    Attributes:
        missing: numbers of no message.
        enqueued_before: how many became tasks before, or are about to; these would run twice.
        tier: 3 if it takes an admin and the count typed.
    """

    count: int
    missing: Sequence[int]
    enqueued_before: int
    size_bytes: int
    sample: Sequence[MessageView]
    tier: int


class MessageHandlers:
    """Answers what is asked of messages."""

    def __init__(
        self, archive: MessageArchive, desk: MessageDesk, tasks: TaskStates, now_us: Callable[[], int]
    ) -> None:
        """Keep the desks."""
        self._archive = archive
        self._desk = desk
        self._tasks = tasks
        self._now_us = now_us

    # -- finding and showing -------------------------------------------------------------------------------------------

    async def rows(self, asked: Asked) -> Any:
        """List messages."""
        wanted = asked.asks(MessageQuery)
        after = place_of(wanted.after)
        meant = filter_of(wanted, self._now_us(), after)
        page = await self._archive.find(meant, before=_before(after), limit=wanted.limit)
        return page_view(page, _sight(asked), _word(page, meant.since_us), meant.since_us, meant.until_us)

    async def search(self, asked: Asked) -> Any:
        """List the messages of one patient."""
        wanted = asked.says(SearchBody)
        feeds = asked.caller.feeds
        if feeds is not None and wanted.feed not in feeds:
            message = "contents of these feeds alone may be searched by you; name one of them"
            raise NotPermitted(message, hint=", ".join(sorted(feeds)), field="feed")
        after = place_of(wanted.after)
        meant = filter_of(wanted, self._now_us(), after, patient=wanted.patient)
        page = await self._archive.find_patient(
            meant, asked.by, named(wanted.reason), before=_before(after), limit=wanted.limit
        )
        view = page_view(page, _sight(asked), _word(page, meant.since_us), meant.since_us, meant.until_us)
        return Answer(view, headers=_NO_STORE)

    async def detail(self, asked: Asked) -> Any:
        """Show a message and where its tasks stand."""
        found = await self._archive.show(_sequence(asked))
        seen = await self._tasks.seen([one.task_id for one in found.tasks])
        return detail_view(found, seen, _sight(asked))

    # -- contents ------------------------------------------------------------------------------------------------------

    async def reveal(self, asked: Asked) -> Any:
        """Show contents, on the record."""
        sequence, wanted = _sequence(asked), asked.says(RevealBody)
        rows = await self._archive.rows([sequence])
        _may_see(asked, rows)
        found = await self._archive.reveal(sequence, wanted.scope, asked.by, named(wanted.reason))
        raw_b64 = b64encode(found.raw).decode()
        view = RevealedView(found.sequence, found.scope, found.values, found.segments, raw_b64)
        return Answer(view, headers=_NO_STORE)

    async def export(self, asked: Asked) -> Any:
        """Give messages as a file, on the record."""
        wanted = asked.says(ExportBody)
        if not wanted.deidentify:
            _may_see(asked, await self._archive.rows(wanted.sequences))
        found = await self._archive.export(
            wanted.sequences, wanted.format, asked.by, named(wanted.reason), is_deidentified=wanted.deidentify
        )
        headers = {
            **_NO_STORE,
            "Content-Disposition": f'attachment; filename="messages.{wanted.format.value}"',
            "X-Carillon-Left-Out": str(len(wanted.sequences) - found.count),
        }
        return Answer(found.content, headers=headers, media_type=_BYTES)

    # -- once more -----------------------------------------------------------------------------------------------------

    async def preview(self, asked: Asked) -> Any:
        """Say what a replay would do."""
        wanted = asked.says(PreviewBody)
        rows = await self._archive.rows(dict.fromkeys(wanted.sequences))
        there = {row.sequence for row in rows}
        sight = _sight(asked)
        return Preview(
            len(rows),
            [one for one in dict.fromkeys(wanted.sequences) if one not in there],
            sum(row.state in _HANDED_ON for row in rows),
            sum(row.size_bytes for row in rows),
            [message_view(row, sight) for row in rows[:SAMPLE]],
            3 if _takes_admin(wanted.sequences, wanted.to_feed) else 2,
        )

    async def replay(self, asked: Asked) -> Any:
        """Hand messages on once more."""
        wanted = asked.says(ReplayBody)
        if _takes_admin(wanted.sequences, wanted.to_feed) and not asked.caller.may(Role.ADMIN):
            message = f"more than {MANY} messages at once, and messages to another feed, are for admins"
            raise NotPermitted(message)
        if len(wanted.sequences) > 1 and wanted.confirm != len(wanted.sequences):
            message = "how many messages are meant has to be said as well"
            raise DeskRefused(message, hint='"confirm": their number; replay/preview shows them', field="confirm")
        if wanted.deidentify and not wanted.to_feed:
            message = "de-identified messages do not belong among the real ones"
            raise DeskRefused(message, hint="name another feed in to_feed", field="to_feed")
        order = Replay(wanted.sequences, wanted.to_feed or None, wanted.deidentify, named(wanted.reason))
        return await self._desk.replay(order, asked.by)

    async def release(self, asked: Asked) -> Any:
        """Hand parked messages on."""
        wanted = asked.says(ReleaseBody)
        return await self._desk.release(wanted.sequences, asked.by, named(wanted.reason))


def message_resources(
    archive: MessageArchive, desk: MessageDesk, tasks: TaskStates, now_us: Callable[[], int]
) -> tuple[Resource, ...]:
    """List what can be asked of messages."""
    at = MessageHandlers(archive, desk, tasks, now_us)
    return (*_looking(at), *_handing_on(at))


def _looking(at: MessageHandlers) -> tuple[Resource, ...]:
    tag, one = "messages", f"{_PATH}/{{sequence}}"
    return (
        Resource("GET", _PATH, at.rows, "List messages", tag, query=MessageQuery, answers=MessagePageView),
        Resource(
            "POST",
            f"{_PATH}/search",
            at.search,
            "List the messages of one patient",
            tag,
            needs=_PHI,
            body=SearchBody,
            answers=MessagePageView,
            is_reading=True,
        ),
        Resource("GET", one, at.detail, "Show a message", tag, answers=MessageDetailView, problems=(404,)),
        Resource(
            "POST",
            f"{one}/reveal",
            at.reveal,
            "Show what is in a message",
            tag,
            needs=_PHI,
            body=RevealBody,
            answers=RevealedView,
            problems=(404,),
            is_reading=True,
        ),
    )


def _handing_on(at: MessageHandlers) -> tuple[Resource, ...]:
    steer: dict[str, Any] = {"tag": "messages", "role": Role.OPERATOR}
    again: dict[str, Any] = {**steer, "answers": Replayed, "is_creation": True, "problems": (404, 409)}
    return (
        Resource(
            "POST",
            f"{_PATH}/replay/preview",
            at.preview,
            "Say what a replay would do",
            body=PreviewBody,
            answers=Preview,
            is_reading=True,
            **steer,
        ),
        Resource("POST", f"{_PATH}/replay", at.replay, "Hand messages on once more", body=ReplayBody, **again),
        Resource("POST", f"{_PATH}/release", at.release, "Hand parked messages on", body=ReleaseBody, **again),
        Resource(
            "POST",
            f"{_PATH}/export",
            at.export,
            "Give messages as a file, de-identified or as they came",
            body=ExportBody,
            media_type=_BYTES,
            is_reading=True,
            **steer,
        ),
    )


def _sequence(asked: Asked) -> int:
    text = asked.parts["sequence"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(SEQUENCE_LIMIT)) else 0
    if not 0 < number <= SEQUENCE_LIMIT:
        message = "messages have numbers"
        raise NotThere(message, hint="GET /api/messages lists which there are")
    return number


def _sight(asked: Asked) -> Sight:
    return Sight(acting(asked.caller), feeds_seen(asked.caller))


def _may_see(asked: Asked, rows: Sequence[MessageRow]) -> None:
    """Refuse contents of feeds that who asks may not see.

    Raises:
        NotPermitted: one is among them.
    """
    for row in rows:
        if not asked.caller.may_see(row.feed):
            message = f"contents of messages of feed {Public(row.feed)} may not be seen by you"
            raise NotPermitted(message, hint="it takes the capability phi for this feed")


def _takes_admin(sequences: Sequence[int], to_feed: str | None) -> bool:
    return len(sequences) > MANY or bool(to_feed)


def _before(after: list[object] | None) -> int | None:
    return after[0] if after is not None and isinstance(after[0], int) else None


def _word(page: MessagePage, since_us: int | None) -> str | None:
    return None if page.next_before is None else cursor(page.next_before, -1 if since_us is None else since_us)
