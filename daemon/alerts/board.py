"""What is wrong now, for people: hears what happens, keeps what they did about it, and mutes what they silenced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from daemon.alerts.book import AlertBook, id_of
from daemon.alerts.book_data import read_book, write_book
from daemon.alerts.channels import Channels, host_of
from daemon.alerts.conditions import CONDITIONS
from daemon.alerts.hearing import heard_in
from daemon.alerts.post import place_of
from daemon.clock import Clock
from daemon.deeds import DeedKind
from daemon.desks import AlertKind, AlertRow, By, ChannelRow, Mark, NotThere, Silence
from daemon.events import Warned
from daemon.ports import AuditTrail, Emit
from daemon.public import Public
from daemon.watch_events import AlertFailed, AlertSent
from daemon.whole_file import write_whole

FILE = "alerts.json"
SIZE_LIMIT_BYTES = 16 * 1024 * 1024
LOOK_EVERY_S = 5.0
_TOLD = (AlertKind.FEED, AlertKind.ENTRY, AlertKind.DAEMON)
"""What people are told of over channels."""


class AlertBoard:
    """The alerts of a daemon."""

    name = Public("alert-board")

    def __init__(
        self,
        folder: Path,
        channels: Channels,
        clock: Clock,
        emit: Emit,
        audit: AuditTrail,
        *,
        why: Callable[[str, str], Public | None],
        test: Callable[[str], bool],
    ) -> None:
        """Keep the collaborators; nothing is read here.

        Args:
            folder: the state folder.
            channels: the ways to people.
            clock: the daemon's.
            emit: takes events.
            audit: where it is written down what people do, before it is done.
            why: gives figures of what is wrong with a feed, by its name and the code of the alert.
            test: has a test sent over a channel; says whether there is one of that name.
        """
        self._path = folder / FILE
        self._clock = clock
        self._emit = emit
        self._audit = audit
        self._why = why
        self._test = test
        self._book = AlertBook()
        self._channels = {str(row.name): row for row in _rows_of(channels)}
        self._has_changed = False
        self._is_open = False
        self._stop = anyio.Event()
        self._writing = anyio.Lock()
        self.looked_us = 0

    # -- what is heard -------------------------------------------------------------------------------------------------

    def hear(self, event: object) -> None:
        """Take an event into account."""
        for heard in heard_in(event):
            now_us = self._clock.now_us()
            if heard.is_over:
                if self._book.ended(heard.code, heard.where, now_us, of_family=heard.of_family):
                    self._note()
            else:
                detail = heard.detail or self._why(heard.where, heard.code) or Public("")
                self._book.raised(heard.code, heard.where, now_us, detail=detail, notified=self._ways(heard.code))
                self._note()
        if isinstance(event, (AlertSent, AlertFailed)):
            self._carried(event)

    def observe(self, code: str, found: Mapping[str, str]) -> None:
        """Note where something is wrong at present, with details; elsewhere it is well."""
        if self._book.observed(code, found, self._clock.now_us()):
            self._note()

    def mutes(self, code: str, where: str) -> bool:
        """Say whether nobody is to be told of something."""
        silence = self._book.silences.get(id_of(code, where))
        return silence is not None and silence.until_us > self._clock.now_us()

    def _carried(self, event: AlertSent | AlertFailed) -> None:
        row = self._channels.get(event.channel.value)
        if row is None:
            return
        now_us = self._clock.now_us()
        if isinstance(event, AlertSent):
            self._channels[str(row.name)] = replace(row, ok_us=now_us)
        else:
            self._channels[str(row.name)] = replace(row, failed_us=now_us, reason=event.reason)

    def _ways(self, code: str) -> Sequence[Public]:
        return [row.name for row in self._channels.values()] if CONDITIONS[code].kind in _TOLD else []

    def _note(self) -> None:
        self._has_changed = True

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read what was kept."""
        self._stop = anyio.Event()
        try:
            content = await anyio.to_thread.run_sync(self._read)
            if content:
                self._book.restore(*read_book(content))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            text = Public(f"{FILE} cannot be read; what was silenced is not any more")
            self._emit(Warned(Public("alerts-lost"), Public("alerts"), text))
        self._is_open = True

    async def serve(self) -> None:
        """Keep what changes, and end what is over, until drained."""
        while not self._stop.is_set():
            self.looked_us = self._clock.now_us()
            self._has_changed = self._book.tidied(self.looked_us) or self._has_changed
            await self._write()
            with anyio.move_on_after(LOOK_EVERY_S):
                await self._stop.wait()

    async def drain(self) -> None:
        """Keep the last of it."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            await self._write()

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(SIZE_LIMIT_BYTES)
        except FileNotFoundError:
            return b""

    async def _write(self) -> None:
        async with self._writing:  # else an older state may be the last that is written
            if not self._has_changed or not self._is_open:
                return
            self._has_changed = False
            content = write_book(self._book)
            try:
                await anyio.to_thread.run_sync(write_whole, self._path, content)
            except OSError:
                self._has_changed = True  # a full disk is told of elsewhere; it is tried again

    # -- for people ----------------------------------------------------------------------------------------------------

    def rows(self) -> list[AlertRow]:
        """List those that are open, the gravest first, then those that were closed in the last week, the latest first."""
        return self._book.rows()

    def row(self, alert_id: str) -> AlertRow:
        """Give one.

        Raises:
            NotThere: there is none of that id.
        """
        found = self._book.open.get(alert_id) or self._book.closed.get(alert_id)
        if found is None:
            message = "there is no such alert"
            raise NotThere(message, hint="GET /api/alerts lists them; what is closed is kept for a week")
        return found

    async def acknowledge(self, alert_id: str, by: By, note: Public) -> None:
        """Note that somebody has seen it. What was wrong for a moment only is closed by it.

        Raises:
            NotThere: there is none that is open.
            AuditFailed: it could not be written down; nothing was done.
        """
        row = self._open_row(alert_id)
        before = Public(row.state.value)
        await self._audit.record(
            by.deed(DeedKind.ALERT_SILENCED, row.id, note=note, before=before, after=Public("acknowledged"))
        )
        if alert_id in self._book.open:
            self._book.acknowledged(alert_id, Mark(by.who, self._clock.now_us(), note))
            self._note()

    async def silence(self, alert_id: str, until_us: int, by: By, reason: Public) -> None:
        """Have nobody told of it until then.

        Raises:
            NotThere: there is none that is open.
            AuditFailed: it could not be written down; nothing was done.
        """
        row = self._open_row(alert_id)
        before = Public(row.state.value)
        await self._audit.record(
            by.deed(DeedKind.ALERT_SILENCED, row.id, note=reason, before=before, after=Public("silenced"))
        )
        if alert_id in self._book.open:
            self._book.silenced(alert_id, Silence(by.who, self._clock.now_us(), until_us, reason))
            self._note()

    async def unsilence(self, alert_id: str, by: By) -> None:
        """Have people told of it again.

        Raises:
            NotThere: there is none of that id.
            AuditFailed: it could not be written down; nothing was done.
        """
        row = self.row(alert_id)
        before = Public(row.state.value)
        await self._audit.record(by.deed(DeedKind.ALERT_SILENCED, row.id, before=before, after=Public("not silenced")))
        self._book.unsilenced(alert_id)
        self._note()

    def channels(self) -> list[ChannelRow]:
        """List the ways to people."""
        return list(self._channels.values())

    async def test(self, channel: str, by: By) -> Public:
        """Have a test sent over a channel; say where it goes. What becomes of it shows in ``channels``.

        Raises:
            NotThere: there is no such channel.
            AuditFailed: it could not be written down; nothing was sent.
        """
        row = self._channels.get(channel)
        if row is None:
            message = "there is no such channel"
            raise NotThere(message, hint="[watch] of the site file names them")
        await self._audit.record(by.deed(DeedKind.ALERT_SILENCED, row.name, after=Public("tested")))
        self._test(channel)
        return row.where

    def _open_row(self, alert_id: str) -> AlertRow:
        row = self.row(alert_id)
        if row.closed_us is not None:
            message = "it is closed already"
            raise NotThere(message)
        return row


def _rows_of(channels: Channels) -> list[ChannelRow]:
    found = []
    if channels.webhook is not None:
        found.append(ChannelRow(Public("webhook"), host_of(channels.webhook.url)))
    if channels.mailbox is not None:
        found.append(ChannelRow(Public("email"), place_of(channels.mailbox)))
    return found
