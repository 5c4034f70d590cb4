"""Stored messages handed on once more: read from the spool, judged anew, and stored as new ones behind what waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import anyio

from daemon.clock import Clock
from daemon.deeds import DeedKind
from daemon.desks import By, NotNow, NotThere, Replay, Replayed
from daemon.errors import SpoolFailed
from daemon.hl7listener.deidentify import Deidentified, deidentify
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Disposition, Finding, Reason, judge
from daemon.hl7listener.lanes.parking import RELEASED
from daemon.hl7listener.spool import Arrival, Flag, NotStored, Spool, Stored
from daemon.hl7listener.spool.query import Found, State, StoredMessage
from daemon.hl7listener.spool.search import open_search
from daemon.hl7listener.text.message import Message
from daemon.plural import numbered
from daemon.ports import AuditTrail
from daemon.public import Public, escaped

NO_REASON = Public("")
_GONE = Public("there is no such message")
_DAMAGED = Public("its bytes are not what was stored")
_NO_FEED = Public("its feed is no longer in the site file; --to-feed names another")
_NOT_PARKED = Public("it is not parked")
_BLOCK = Public("it is the block that a batch came in; its messages stand apart")
_HANDED_ON = Public("it was handed on already; to run it again, replay it")
_UNDER_WAY = Public("it is released already, and waits its turn")
_UNREADABLE = Public("it cannot be read well enough to be sure that nothing of a patient is left in it")
_REPLAY = "replay"
_NOTE_LIMIT_S = 10.0
_OF_NO_LANE = frozenset(reason.value for reason in Reason)
"""Why messages are parked when they come; a lane has others."""


class Messages:
    """Has stored messages handed on once more."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        spool: Spool,
        folder: Path,
        clock: Clock,
        audit: AuditTrail,
        *,
        secret: Callable[[], bytes],
    ) -> None:
        """Keep the collaborators.

        Args:
            feeds: of the site.
            spool: where messages are.
            folder: the state folder.
            clock: the daemon's.
            audit: where a replay is written down before it is made.
            secret: gives the secret of the site's pseudonyms, at least 16 bytes.
        """
        self._feeds = {str(feed.name): feed for feed in feeds}
        self._spool = spool
        self._folder = folder
        self._clock = clock
        self._audit = audit
        self._secret = secret
        self._releasing = anyio.Lock()

    async def replay(self, replay: Replay, by: By) -> Replayed:
        """Store messages anew, as they came; each becomes a task of its own.

        Raises:
            NotThere: there is no such feed.
            NotNow: nothing can be stored at present.
            AuditFailed: it could not be written down; nothing was done.
        """
        target = None if replay.to_feed is None else self._feed(replay.to_feed)
        form = "de-identified" if replay.is_deidentified else "as they came"
        note = Public(f"{form}; {escaped(replay.reason)}" if replay.reason else form)
        meant = numbered(replay.sequences)
        about = meant if target is None else Public(f"{meant}, to {target.name}")
        count = len(replay.sequences)
        await self._audit.record(by.deed(DeedKind.MESSAGES_REPLAYED, about, count=count, note=note))
        return await self._again(replay.sequences, partial(self._copy, target, replay))

    async def release(self, sequences: Sequence[int], by: By, reason: Public = NO_REASON) -> Replayed:
        """Hand parked messages on once more.

        Raises:
            NotNow: nothing can be stored at present.
            AuditFailed: it could not be written down; nothing was done.
        """
        about, count = numbered(sequences), len(sequences)
        await self._audit.record(by.deed(DeedKind.MESSAGES_RELEASED, about, count=count, note=reason))
        async with self._releasing:  # or two that come at once would both find a message parked
            return await self._again(sequences, self._released, is_release=True)

    async def _again(
        self,
        sequences: Sequence[int],
        copy: Callable[[StoredMessage], Arrival | Public],
        *,
        is_release: bool = False,
    ) -> Replayed:
        stored: dict[int, int] = {}
        left_out: dict[int, Public] = {}
        for sequence in sequences:
            found, copies = await anyio.to_thread.run_sync(partial(self._read, sequence, is_release=is_release))
            if isinstance(found, Public):
                left_out[sequence] = found
                continue
            made = await anyio.to_thread.run_sync(copy, found)  # seconds, for one of 32 MiB
            if isinstance(made, Public):
                left_out[sequence] = made
                continue
            if is_release and self._is_handed_on(
                found, copies
            ):  # a process ended between copy and note, or it was replayed
                left_out[sequence] = _HANDED_ON
            else:
                stored[sequence] = await self._store(made)
            if is_release and (found.found.reason in _OF_NO_LANE or not _keeps_place(made.finding)):
                await self._note_released(sequence)
        return Replayed(stored, left_out)

    def _read(self, sequence: int, *, is_release: bool) -> tuple[StoredMessage | Public, list[Found]]:
        """Give a message, or why it is not handed on; and if it is to be released, what was made of it before."""
        try:
            with open_search(self._folder) as search:
                found = search.message(sequence)
                shown = [search.show(one) for one in search.members(sequence)] if is_release else []
        except SpoolFailed as error:
            raise NotNow(str(error), hint=error.hint) from None
        copies = [copy for copy in shown if copy is not None]
        if found is None:
            return _GONE, copies
        if found.found.state is State.BATCH:
            return _BLOCK, copies
        if found.found.state is State.PARKED and any(copy.state is State.WAITING for copy in copies):
            return _UNDER_WAY, copies
        return found if found.found.is_whole else _DAMAGED, copies

    @staticmethod
    def _is_handed_on(message: StoredMessage, copies: Sequence[Found]) -> bool:
        """Say whether a message became a task of its own feed already, though it counts as parked."""
        return any(copy.state is State.ENQUEUED and copy.feed == message.found.feed for copy in copies)

    def _copy(self, target: Feed | None, replay: Replay, message: StoredMessage) -> Arrival | Public:
        feed = target or self._feeds.get(message.found.feed)
        if feed is None:
            return _NO_FEED
        data = message.data
        if replay.is_deidentified:
            clean = deidentify(data, self._secret())
            if not isinstance(clean, Deidentified):
                return _UNREADABLE
            data = clean.data
        return self._arrival(feed, data, message)

    def _released(self, message: StoredMessage) -> Arrival | Public:
        if message.found.state is not State.PARKED:
            return _NOT_PARKED
        feed = self._feeds.get(message.found.feed)
        return _NO_FEED if feed is None else self._arrival(feed, message.data, message)

    def _arrival(self, feed: Feed, data: bytes, message: StoredMessage) -> Arrival | Public:
        finding = judge(data, feed)
        if finding.disposition is not Disposition.ROUTED:
            return _still(finding)
        return Arrival(
            feed.name,
            self._clock.now_us(),
            data,
            b"",
            finding,
            peer=_REPLAY,
            flags=Flag.REPLAY,
            origin_seq=message.found.seq,
        )

    async def _store(self, arrival: Arrival) -> int:
        answers: list[Stored | NotStored] = []
        done = anyio.Event()

        def told(answer: Stored | NotStored) -> None:
            answers.append(answer)
            done.set()

        self._spool.store(arrival, told)
        await done.wait()
        [answer] = answers
        if isinstance(answer, NotStored):
            message = "nothing can be stored at present"
            raise NotNow(message, hint="what was replayed before it stays replayed; look at the disk")
        return answer.seq

    async def _note_released(self, sequence: int) -> None:
        noted: list[bool] = []
        told = anyio.Event()

        def done(is_on_disk: bool) -> None:  # noqa: FBT001 - a callback with one meaning
            noted.append(is_on_disk)
            told.set()

        self._spool.park(sequence, RELEASED, done)
        with anyio.move_on_after(_NOTE_LIMIT_S):
            await told.wait()
        if noted != [True]:
            message = f"{sequence} was handed on once more, and it could not be noted that it is no longer parked"
            raise NotNow(message, hint="look at the disk before it is released again: it would run twice")

    def _feed(self, name: str) -> Feed:
        feed = self._feeds.get(name)
        if feed is None:
            message = f"there is no feed {name}"
            raise NotThere(message, hint=f"there are: {', '.join(self._feeds)}")
        return feed


def _keeps_place(finding: Finding) -> bool:
    """Say whether others wait in a lane behind a parked message: then the lane notes when its place is free."""
    header, decoded = finding.header, finding.decoded
    assert header is not None  # a finding with routes has both
    assert decoded is not None
    message = Message(decoded.text, header.delimiters, decoded.codec)
    keys = [route.lane_key for route in finding.routes if route.lane_key is not None]
    return any(key.holds and key.of(message) is not None for key in keys)


def _still(finding: Finding) -> Public:
    """Say why a message would not become a task now either."""
    if finding.disposition is Disposition.QUARANTINED and finding.reason is not None:
        return Public(f"it is refused still: {finding.reason.value}")
    return Public("no route of the feed makes a task of it")
