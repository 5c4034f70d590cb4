"""What is told, and when not again: the state of an alarm as the whole site remembers it in the broker. Pure.

One field for each entry (and each daemon), written by compare-and-set: whoever writes a change tells of it, so each is told once.
"""

from __future__ import annotations

from typing import NamedTuple

from daemon.scheduler.run import Run
from daemon.scheduler.watch.missed import Missed, What, makes_good


class Alarm(NamedTuple):
    """What was told last.

    Attributes:
        what: was missed.
        at_us: by which occurrence; for a daemon, when it was seen last.
        told_us: when that was told.
        is_over: whether it was told since that all is well again.
        by: the daemon that told.
    """

    what: What
    at_us: int
    told_us: int
    is_over: bool
    by: str

    def __str__(self) -> str:
        """Write the form kept in the broker."""
        return f"{'over' if self.is_over else 'missed'} {self.what.value} {self.at_us} {self.told_us} {self.by}"


_WORDS = 5


def parse_alarm(text: str | None) -> Alarm | None:
    """Read what the site remembers; ``None`` if that is nothing, or none of ours."""
    words = (text or "").split(" ", _WORDS - 1)
    if len(words) != _WORDS or words[0] not in ("missed", "over"):
        return None
    try:
        return Alarm(What(words[1]), int(words[2]), int(words[3]), words[0] == "over", words[4])
    except ValueError:
        return None


def after_miss(found: Alarm | None, missed: Missed, now_us: int, by: str, again_us: int) -> Alarm | None:
    """Say what to remember, and thereby to tell, of a miss; ``None`` if it was told, or is no news yet.

    Told is the first miss, each that is worse for the same occurrence, and while it goes on one every ``again_us``.
    """
    alarm = Alarm(missed.what, missed.at_us, now_us, is_over=False, by=by)
    if found is None:
        return alarm
    if missed.at_us < found.at_us:
        return None
    if missed.at_us == found.at_us:
        return alarm if missed.what.rank > found.what.rank else None
    return alarm if found.is_over or now_us - found.told_us >= again_us else None


def after_run(found: Alarm | None, run: Run, now_us: int, by: str) -> Alarm | None:
    """Say what to remember, and thereby to tell, when a run makes good what was missed; ``None`` if there is nothing to tell."""
    if found is None or found.is_over or not makes_good(found.what, found.at_us, run):
        return None
    return found._replace(is_over=True, told_us=now_us, by=by)


def after_return(found: Alarm | None, now_us: int, by: str) -> Alarm | None:
    """Say the same of a daemon that gives signs again."""
    return None if found is None or found.is_over else found._replace(is_over=True, told_us=now_us, by=by)
