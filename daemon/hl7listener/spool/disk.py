"""The disk under the spool: where it is, what room it has, and whether it failed too often to be tried again at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from daemon.clock import Clock
from daemon.errors import SpoolFailed
from daemon.events import Warned
from daemon.hl7listener.spool.outage import Outages
from daemon.hl7listener.spool.place import REMOTE, doubt_about, forbid_core_dumps, look_at_place
from daemon.hl7listener.spool.room import Outlook
from daemon.ports import Emit
from daemon.public import Public
from daemon.spool_events import DiskLow, DiskRoomy, DiskSeen, SpoolDown, SpoolPlaced


class Disk:
    """What is known of a disk.

    Attributes:
        is_down: whether it has failed too often to be tried.
    """

    def __init__(self, folder: Path, warn_bytes: int, clock: Clock, emit: Emit, *, any_filesystem: bool) -> None:
        """Know nothing yet."""
        self._folder = folder
        self._clock = clock
        self._emit = emit
        self._any_filesystem = any_filesystem
        self._outages = Outages()
        self._outlook = Outlook(warn_bytes)
        self._may_try = asyncio.Event()
        self._tell_down: list[Callable[[bool], None]] = []
        self._is_placed = False
        self.is_down = False

    def on_down(self, tell: Callable[[bool], None]) -> None:
        """Have ``tell`` called when it is not to be tried for a while, and when it is again."""
        self._tell_down.append(tell)

    def failed(self) -> None:
        """Count a failure."""
        self._outages.add(self._clock.monotonic_s())

    def resume(self) -> None:
        """Have it tried again at once."""
        self._may_try.set()

    def has_free(self, free_bytes: int) -> None:
        """Tell how much room there is."""
        has_changed = self._outlook.add(self._clock.monotonic_s(), free_bytes)
        lasts_s = self._outlook.lasts_s()
        self._emit(DiskSeen(free_bytes, lasts_s))
        if has_changed:
            self._emit(DiskLow(free_bytes, lasts_s) if self._outlook.is_low else DiskRoomy(free_bytes))

    async def wait_while_down(self) -> None:
        """Leave it alone if it failed too often, for a while or until someone says otherwise."""
        self._may_try = asyncio.Event()
        down_s = self._outages.down_for_s(self._clock.monotonic_s())
        if not down_s:
            return
        self._emit(SpoolDown(self._outages.total, down_s))
        self._set_down(is_down=True)
        try:
            with anyio.move_on_after(down_s):
                await self._may_try.wait()
        finally:
            self._outages.forget()
            self._set_down(is_down=False)

    async def look_at_place(self) -> None:
        """Look once where the folder is.

        Raises:
            SpoolFailed: it is no place for a spool.
            OSError: it cannot be written.
        """
        if self._is_placed:
            return
        forbid_core_dumps()
        place = await anyio.to_thread.run_sync(look_at_place, self._folder)
        if place.file_system in REMOTE and not self._any_filesystem:
            message = f"{self._folder} is on {place.file_system}, whose locks and syncs cannot be relied upon"
            hint = "put site.state_dir on a local disk; [spool] any_filesystem = true takes the risk"
            raise SpoolFailed(message, hint=hint)
        self._is_placed = True
        self._emit(SpoolPlaced(place.file_system, Public(place.at_rest.value), place.sync_s))
        text = doubt_about(place)
        if text:
            self._emit(Warned(Public("spool-place"), Public("spool"), Public(text)))

    def _set_down(self, *, is_down: bool) -> None:
        self.is_down = is_down
        for tell in self._tell_down:
            tell(is_down)
