"""Stored messages: found and described without what is in them, and given on the record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from daemon.deeds import DeedKind
from daemon.desks import (
    By,
    CopyRow,
    DeskRefused,
    Exported,
    ExportForm,
    MessageDetail,
    MessageFilter,
    MessagePage,
    MessageRow,
    MessageState,
    MessageTask,
    NotThere,
    Revealed,
    Unavailable,
)
from daemon.errors import SpoolFailed
from daemon.hl7listener.desk.giving import Unreadable, exported, places_of, segments_of, values_at
from daemon.hl7listener.desk.structure import answer_of, outline_of
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.order import destinations
from daemon.hl7listener.spool import Flag
from daemon.hl7listener.spool.query import Found, Query, State, StoredMessage
from daemon.hl7listener.spool.rows import Row
from daemon.hl7listener.spool.search import Search, open_search
from daemon.keys import message_id
from daemon.plural import numbered
from daemon.ports import AuditTrail
from daemon.public import Public

T = TypeVar("T")
READERS = 2
"""How many questions are answered at once: each takes the interpreter from those who answer senders."""

MOST_LOOKED_AT = 2000
COPIES_SHOWN = 100
EXPORT_LIMIT_BYTES = 16 * 1024 * 1024
WHOLE, ANSWER = "whole", "answer"
_WITH_TASKS = (State.WAITING, State.ENQUEUED)


class Archive:
    """Reads the spool for people."""

    def __init__(
        self, site: Public, feeds: Sequence[Feed], folder: Path, audit: AuditTrail, *, secret: Callable[[], bytes]
    ) -> None:
        """Keep the collaborators.

        Args:
            site: its name, which is part of the ids of tasks.
            feeds: of the site.
            folder: the state folder.
            audit: where it is written down who looks, before anything is given.
            secret: gives the secret of the site's pseudonyms.
        """
        self._site = site
        self._feeds = {str(feed.name): feed for feed in feeds}
        self._folder = folder
        self._audit = audit
        self._secret = secret
        self._turns = anyio.CapacityLimiter(READERS)

    # -- finding -------------------------------------------------------------------------------------------------------

    async def find(self, wanted: MessageFilter, *, before: int | None, limit: int) -> MessagePage:
        """Find messages, the newest first."""
        query = _query(wanted)
        page = await self._ask(lambda search: search.find(query, before_seq=before, limit=limit, most=MOST_LOOKED_AT))
        return MessagePage([self._row(one) for one in page.found], page.next_before)

    async def find_patient(
        self, wanted: MessageFilter, by: By, reason: Public, *, before: int | None, limit: int
    ) -> MessagePage:
        """Find the messages of one patient, after it was written down who looks.

        Raises:
            AuditFailed: it could not be written down.
        """
        secret = await anyio.to_thread.run_sync(self._secret)
        digest = hashlib.blake2b(wanted.patient.encode("utf-8", "replace"), digest_size=8, key=secret[:64]).hexdigest()
        about = Public("messages of one patient")
        note = Public(f"patient {digest}; {reason}")
        await self._audit.record(by.deed(DeedKind.MESSAGES_SEARCHED, about, note=note))
        return await self.find(wanted, before=before, limit=limit)

    async def rows(self, sequences: Collection[int]) -> list[MessageRow]:
        """Give messages by their numbers; those that are not there are missing."""

        def ask(search: Search) -> list[Found]:
            found = (search.show(sequence) for sequence in sequences)
            return [one for one in found if one is not None]

        return [self._row(one) for one in await self._ask(ask)]

    # -- showing -------------------------------------------------------------------------------------------------------

    async def show(self, sequence: int) -> MessageDetail:
        """Describe one message.

        Raises:
            NotThere: there is no such message.
        """
        return await self._ask(partial(self._detail, sequence))

    def _detail(self, sequence: int, search: Search) -> MessageDetail:
        message = _there(search.message(sequence), sequence)
        found = message.found
        outline = outline_of(message.data)
        tasks, entries = self._destinations(message)
        copies = (search.show(one) for one in search.members(sequence)[:COPIES_SHOWN])
        return MessageDetail(
            self._row(found),
            outline.header,
            outline.segments,
            outline.left_out,
            answer_of(message.ack),
            tasks,
            entries,
            [
                CopyRow(one.seq, one.received_us, MessageState(one.state.value), Flag.REPLAY in one.flags)
                for one in copies
                if one is not None
            ],
        )

    def _destinations(self, message: StoredMessage) -> tuple[list[MessageTask], list[Public]]:
        """Say which tasks and entries a message becomes by the routes of today; its first task is known without them."""
        found = message.found
        if found.state not in _WITH_TASKS:
            return [], []
        feed = self._feeds.get(found.feed)
        row = Row(found.seq, found.epoch, Public(found.feed), found.received_us, message.data, is_whole=found.is_whole)
        ways = [] if feed is None or not found.is_whole else destinations(row, feed, self._site)
        if not ways:
            unknown = Public("")
            return [MessageTask(self._first_task(found), unknown, unknown, None)], []
        tasks = [
            MessageTask(
                way.task_id, Public(f"{way.route.number + 1} {way.route.task}"), way.route.task, way.route.queue
            )
            for way in ways
            if way.route.task is not None
        ]
        return tasks, [way.route.entry for way in ways if way.route.entry is not None]

    # -- giving --------------------------------------------------------------------------------------------------------

    async def reveal(self, sequence: int, scope: str, by: By, reason: Public) -> Revealed:
        """Give a field, the whole message or its answer, after it was written down who sees it.

        Raises:
            NotThere: there is no such message.
            DeskRefused: the scope is none of these, or the message cannot be read.
            AuditFailed: it could not be written down; nothing is given.
        """
        path = None if scope in (WHOLE, ANSWER) else places_of(scope)
        shown = Public(scope if path is None else str(path))
        message = await self._ask(lambda search: _there(search.message(sequence), sequence))
        about = Public(f"message {sequence}")
        await self._audit.record(by.deed(DeedKind.MESSAGE_REVEALED, about, note=Public(f"{shown}; {reason}")))
        if path is None:
            data = message.ack if scope == ANSWER else message.data
            return Revealed(sequence, shown, segments=await anyio.to_thread.run_sync(segments_of, data), raw=data)
        feed = self._feeds.get(message.found.feed)
        values = await anyio.to_thread.run_sync(values_at, message.data, path, None if feed is None else feed.content)
        if isinstance(values, Unreadable):
            text = "the message cannot be read well enough to find a field in it"
            raise DeskRefused(text, hint="reveal the whole of it", field="scope")
        return Revealed(sequence, shown, values=values)

    async def export(
        self, sequences: Sequence[int], form: ExportForm, by: By, reason: Public, *, is_deidentified: bool
    ) -> Exported:
        """Write messages into a file, after it was written down who takes them.

        Raises:
            DeskRefused: they are too large together.
            AuditFailed: it could not be written down; nothing is given.
        """
        rows = await self.rows(sequences)
        if sum(row.size_bytes for row in rows) > EXPORT_LIMIT_BYTES:
            text = f"together they have more than {EXPORT_LIMIT_BYTES >> 20} MiB"
            raise DeskRefused(text, hint="export fewer at once, or use carillon hl7 export", field="sequences")
        note = Public(f"{'de-identified' if is_deidentified else 'as they came'}; {reason}")
        about = numbered([row.sequence for row in rows])
        await self._audit.record(by.deed(DeedKind.MESSAGES_EXPORTED, about, count=len(rows), note=note))
        secret = await anyio.to_thread.run_sync(self._secret) if is_deidentified else None

        def write(search: Search) -> Exported:
            messages = [found for row in rows if (found := search.message(row.sequence)) is not None]
            return exported(messages, form, secret)

        return await self._ask(write)

    # -- reading -------------------------------------------------------------------------------------------------------

    def _row(self, found: Found) -> MessageRow:
        return MessageRow(
            found.seq,
            found.received_us,
            found.feed,
            found.type,
            found.event,
            found.control_id,
            found.application,
            found.facility,
            found.version,
            found.size_bytes,
            MessageState(found.state.value),
            found.reason,
            found.code,
            [flag.name.lower() for flag in found.flags if flag.name],
            found.origin_seq,
            found.is_whole,
            found.is_answer_pending,
            found.peer,
            self._first_task(found) if found.state in _WITH_TASKS else "",
        )

    def _first_task(self, found: Found) -> str:
        return message_id(self._site, found.feed, found.epoch, found.seq)

    async def _ask(self, question: Callable[[Search], T]) -> T:
        def ask() -> T:
            with open_search(self._folder) as search:
                return question(search)

        try:
            return await anyio.to_thread.run_sync(ask, limiter=self._turns)
        except SpoolFailed as error:
            raise Unavailable(str(error), hint=error.hint) from None


def _query(wanted: MessageFilter) -> Query:
    return Query(
        feed=wanted.feed,
        type=wanted.type,
        event=wanted.event,
        control_id=wanted.control_id,
        application=wanted.application,
        facility=wanted.facility,
        code=wanted.code,
        peer=wanted.peer,
        patient=wanted.patient,
        state=None if wanted.state is None else State(wanted.state.value),
        is_trouble=wanted.errors_only,
        since_us=wanted.since_us,
        until_us=wanted.until_us,
    )


def _there(message: StoredMessage | None, sequence: int) -> StoredMessage:
    if message is None:
        text = f"there is no message {sequence}"
        raise NotThere(text, hint="it may have been pruned; GET /api/messages lists which there are")
    return message
