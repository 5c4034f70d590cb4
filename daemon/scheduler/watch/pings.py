"""What is told of runs to those who watch from outside, in the protocol of healthchecks. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from daemon.scheduler.run import Run, RunState


class Phase(Enum):
    """How far a run has come; the value is what is added to the address."""

    START = "/start"
    SUCCESS = ""
    FAIL = "/fail"

    @property
    def is_last(self) -> bool:
        """Say whether nothing follows."""
        return self is not Phase.START


_OF_STATE = {
    RunState.STARTED: Phase.START,
    RunState.SUCCEEDED: Phase.SUCCESS,
    RunState.FAILED: Phase.FAIL,
    RunState.LOST: Phase.FAIL,
    RunState.REVOKED: Phase.FAIL,
}


class Told(NamedTuple):
    """Which ping of an entry was sent last."""

    at_us: int
    is_last: bool
    by: str

    def __str__(self) -> str:
        """Write the form kept in the broker."""
        return f"{self.at_us} {'end' if self.is_last else 'start'} {self.by}"


_WORDS = 3


def parse_told(text: str | None) -> Told | None:
    """Read what the site remembers; ``None`` if that is nothing, or none of ours."""
    words = (text or "").split(" ", _WORDS - 1)
    if len(words) != _WORDS or words[1] not in ("start", "end") or not words[0].isdigit():
        return None
    return Told(int(words[0]), words[1] == "end", words[2])


def phase_of(run: Run) -> Phase | None:
    """Say what is to be told of a run as it stands; ``None`` if nothing is."""
    return _OF_STATE.get(run.state)


def after_phase(found: Told | None, run: Run, phase: Phase, by: str) -> Told | None:
    """Say what to remember, and thereby to send; ``None`` if it was sent, or a later run's was."""
    told = Told(run.occurrence_us, phase.is_last, by)
    return told if found is None or (found.at_us, found.is_last) < (told.at_us, told.is_last) else None


def ping_url(url: str, phase: Phase, run_id: str) -> str:
    """Write the address for a phase, with the id of the run."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("rid", run_id)])
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}{phase.value}", query, ""))
