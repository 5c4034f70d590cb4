"""What is told of changes at run time that cannot be taken over: names and our own words, never values."""

from __future__ import annotations

from daemon.errors import BrokerDown
from daemon.events import Warned
from daemon.ports import Emit
from daemon.public import Public, escaped, reason
from daemon.scheduler.errors import StoreRefused
from daemon.scheduler.layers.compose import Composed
from daemon.scheduler.layers.layer import Layer
from daemon.scheduler.layers.override import read_override

_SCHEDULE = Public("schedule")
_KEY = 2
"""Where the key stands in a path ``schedule.NAME.KEY``."""


class Remarks:
    """Tells what someone should mend."""

    def __init__(self, emit: Emit) -> None:
        """Keep who takes events."""
        self._emit = emit
        self._is_refused = False

    def unheard(self, error: BrokerDown, every_s: float) -> None:
        """Tell that announcements do not arrive."""
        text = f"changes are noticed within {every_s:g} s only: {reason(error)}"
        self._warn("changes-unheard", _SCHEDULE, text)

    def unread(self, error: BrokerDown) -> None:
        """Tell once that the schedule waits; a broker that does not answer is told of elsewhere."""
        if isinstance(error, StoreRefused) and not self._is_refused:
            self._is_refused = True
            text = f"no entry fires until it can be read what was changed of them: {reason(error)}"
            self._warn("changes-unread", _SCHEDULE, text)

    def lost(self, before: int, now: int) -> None:
        """Tell that the broker knows of fewer changes than it did: pauses, holds and added entries may be gone with them."""
        text = (
            f"the broker knows of {now} changes, and had {before}: pauses, holds, what was set and what was added may be"
            " gone; carillon entries list shows what there is"
        )
        self._warn("changes-lost", _SCHEDULE, text)

    def was_read(self) -> None:
        """Note that the schedule goes on."""
        self._is_refused = False

    def added_unreadable(self, key: str) -> None:
        """Tell that an entry that was added is none of ours."""
        text = "what was added cannot be read; carillon entries remove takes it away"
        self._warn("added-unreadable", Public(key), text)

    def readable(self, name: Public, text: str | None) -> Layer | None:
        """Read what was changed of an entry, and tell if it cannot be read."""
        if text is None:
            return None
        override = read_override(text)
        if override is None:
            told = "what was changed of it cannot be read and is disregarded; carillon entries revert takes it away"
            self._warn("override-unreadable", name, told)
        return override

    def composed(self, name: Public, composed: Composed) -> None:
        """Tell what cannot be, by the names of the fields: their values may not be shown."""
        for problem in composed.problems:
            field = problem.path[-1] if problem.path[_KEY:] else "as a whole"
            self._warn("entry-disregarded", name, f"{field}: cannot be as it was set; carillon entries show says why")

    def _warn(self, code: str, about: Public, text: str) -> None:
        self._emit(Warned(Public(code), Public(escaped(about)), Public(escaped(text))))
