"""Keeps the audit trail while the daemon runs: what is heard of is written in groups, and what must be first, first."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from daemon.audit.flood import WINDOW_S, Flood
from daemon.audit.forwarding import Forwarding
from daemon.audit.iti20 import audit_message, syslog_line
from daemon.audit.trail_file import TrailFile, here
from daemon.clock import Clock
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.errors import AuditFailed
from daemon.events import DaemonReady, DaemonStopping
from daemon.ports import Emit
from daemon.public import Public, reason
from daemon.settings.audit_section import AuditSection
from daemon.trust_events import AuditHead, AuditLost, NodeRefused

QUEUE_LIMIT = 1000
BATCH = 100
HEAD_EVERY_S = 86_400.0
FINISH_LIMIT_S = 3.0
_NOTHING = Public("")


_TELLING = frozenset((Deed, NodeRefused, DaemonReady, DaemonStopping))


def deed_of(event: object) -> Deed | None:
    """Say which deed an event tells of."""
    if isinstance(event, Deed):
        return event
    if isinstance(event, NodeRefused):
        code = Public(event.reason.value)
        return Deed(DeedKind.NODE_REFUSED, event.subject, event.feed, Outcome.REFUSED, code, event.address)
    if isinstance(event, DaemonReady):
        return Deed(DeedKind.DAEMON_STARTED, _NOTHING, event.site, note=event.version)
    if isinstance(event, DaemonStopping):
        return Deed(DeedKind.DAEMON_STOPPED, _NOTHING, _NOTHING, reason=event.why)
    return None


class Trail:
    """A service, and the way for those whose deeds are kept before they are done."""

    name = Public("audit")

    def __init__(self, folder: Path, site: Public, section: AuditSection, clock: Clock, emit: Emit) -> None:
        """Open nothing yet."""
        self._clock = clock
        self._emit = emit
        self._source = here(site)
        self._file = TrailFile(folder, self._source, section)
        self._forwarding = None
        if section.syslog is not None:
            self._forwarding = Forwarding(section.syslog, section.syslog_ca, emit)
        self._flood = Flood()
        self._waiting: deque[Deed] = deque()
        self._lost = 0
        self._entered = anyio.Event()
        self._stop = anyio.Event()
        self._one_at_a_time = anyio.Lock()

    # -- what is taken in ----------------------------------------------------------------------------------------------

    def hear(self, event: object) -> None:
        """Take in what happened; nobody waits. Most events, each message's among them, are none of the trail's."""
        if type(event) not in _TELLING:
            return
        deed = deed_of(event)
        if deed is not None:
            for one in self._flood.take(deed, self._clock.monotonic_s()):
                self._enter(one)

    async def record(self, deed: Deed) -> None:
        """Keep a deed on disk before it is done.

        Raises:
            AuditFailed: it is not on disk.
        """
        await self._write([deed])

    def _enter(self, deed: Deed) -> None:
        if len(self._waiting) >= QUEUE_LIMIT:
            self._lost += deed.count
            return
        self._waiting.append(deed)
        self._entered.set()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read how far the trail is, and say so. One that cannot be read stops nothing."""
        self._stop = anyio.Event()
        await self._tell_head()

    async def serve(self) -> None:
        """Write and send what is taken in until drained, then what is left, for a moment."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write_always)
            tasks.start_soon(self._tell_always)
            if self._forwarding is not None:
                tasks.start_soon(self._forwarding.run)
            await self._stop.wait()
            with anyio.move_on_after(FINISH_LIMIT_S):
                for deed in self._flood.due(self._clock.monotonic_s(), at_once=True):
                    self._enter(deed)
                while self._waiting or (self._forwarding is not None and not self._forwarding.is_idle):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    async def drain(self) -> None:
        """Write what is left."""
        self._stop.set()

    # -- within --------------------------------------------------------------------------------------------------------

    async def _write_always(self) -> None:
        while True:
            with anyio.move_on_after(WINDOW_S if self._flood.is_holding else None):
                await self._entered.wait()
            self._entered = anyio.Event()
            for deed in self._flood.due(self._clock.monotonic_s()):
                self._enter(deed)
            while self._waiting:
                await self._write_group([self._waiting[place] for place in range(min(BATCH, len(self._waiting)))])
            if self._lost:
                lost, self._lost = self._lost, 0
                self._emit(AuditLost(lost, Public("more was to be written than there is room for")))

    async def _write_group(self, deeds: Sequence[Deed]) -> None:
        try:
            await self._write(deeds)
        except AuditFailed as error:
            self._emit(AuditLost(sum(deed.count for deed in deeds), reason(error)))
        for _ in deeds:
            self._waiting.popleft()

    async def _write(self, deeds: Sequence[Deed]) -> None:
        now_us = self._clock.now_us()
        try:
            async with self._one_at_a_time:
                await to_thread.run_sync(partial(self._file.append, deeds, now_us))
        finally:
            self._forward(deeds, now_us)

    def _forward(self, deeds: Sequence[Deed], now_us: int) -> None:
        if self._forwarding is not None:
            for deed in deeds:
                message = audit_message(deed, self._source, now_us)
                self._forwarding.enter(syslog_line(message, deed, self._source, now_us))

    async def _tell_always(self) -> None:
        while True:
            await anyio.sleep(HEAD_EVERY_S)
            await self._tell_head()

    async def _tell_head(self) -> None:
        try:
            head = await to_thread.run_sync(self._file.head)
        except AuditFailed as error:
            self._emit(AuditLost(0, reason(error)))
        else:
            self._emit(AuditHead(head.number, Public(head.digest)))
