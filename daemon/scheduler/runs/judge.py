"""Whether a run of which no outcome is known goes on. Pure.

Silence alone proves little: a worker of the pool ``solo`` answers nothing and beats no heart while it runs a task, and one that shuts
down warmly has said goodbye while its last tasks go on. What proves more is that every listener on the workers' channel has answered
and the worker was not among them: the server has closed its connection, so its process is gone or cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from daemon.clock import SECOND_US
from daemon.scheduler.model import STALE_US

ASKS_NEEDED = 2
"""One answer may have met a worker that was connecting anew."""
VANISHED_NEEDED = 3
"""The same of a run that nobody was ever seen to have: it may be on its way between queue and worker."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is borne.

    Attributes:
        silence_s: of a worker that is not connected any more, or whose heart beats while it works and no longer does.
        absence_s: of a worker that said it goes, or of which nothing better is known.
        untold_s: of a run where neither results nor events can tell of its end.
        ask_first_s, ask_again_s: pause before workers are first asked about a run that others wait for, and after an answer that speaks
            against it.
        ask_s: how long a started run is believed to go on without asking its worker.
        stale_us: of any run that holds no places; for those that do, the broker says.
    """

    silence_s: float = 60.0
    absence_s: float = 1800.0
    untold_s: float = 60.0
    ask_first_s: float = 5.0
    ask_again_s: float = 2.0
    ask_s: float = 20.0
    stale_us: int = STALE_US


class Traces(NamedTuple):
    """What is known of a run.

    Attributes:
        age_us: since it was enqueued.
        is_stale: it has taken longer than it may.
        quiet_s: since anything told that it goes on: an answer, an event of its worker, its start.
        holds: whether others wait for its end.
        is_told: whether results or events would tell of its end.
        absences: times in a row that all workers answered, its own not among them; of a run no worker was seen to have, that none had it
            and its queue was empty.
        denials: times in a row that its own worker answered and did not have it.
        silences: times in a row that its worker was asked and did not answer.
        has_left: its worker said it goes.
        has_restarted: its worker is another process now.
        beats_at_work: the heart of its worker beats while it runs a task.
    """

    is_started: bool
    age_us: int
    is_stale: bool = False
    quiet_s: float = 0.0
    holds: bool = False
    is_told: bool = True
    absences: int = 0
    denials: int = 0
    silences: int = 0
    has_left: bool = False
    has_restarted: bool = False
    beats_at_work: bool = False


class Judgement(Enum):
    """What to think of a run."""

    GOES_ON = "goes-on"
    ASK = "ask"
    """Its worker should be asked."""
    GONE = "worker-gone"
    RESTARTED = "worker-restarted"
    """Its worker lives again and knows nothing of it."""
    VANISHED = "vanished"
    """No worker has it and its queue is empty."""
    STALE = "stale"
    """Nothing was heard of it for longer than it may take."""
    UNTOLD = "untold"
    """It is over, or nobody will tell whether it is."""

    @property
    def is_open(self) -> bool:
        """Say whether the run is taken to go on."""
        return self in (Judgement.GOES_ON, Judgement.ASK)


def judge(traces: Traces, patience: Patience) -> Judgement:
    """Say what to think of a run without an outcome."""
    if traces.is_stale:
        return Judgement.STALE if traces.is_told else Judgement.UNTOLD
    return _started(traces, patience) if traces.is_started else _waiting(traces, patience)


def _started(traces: Traces, patience: Patience) -> Judgement:
    if traces.denials >= ASKS_NEEDED:
        return Judgement.RESTARTED if traces.has_restarted else Judgement.UNTOLD
    is_unreached = traces.absences >= ASKS_NEEDED or (traces.beats_at_work and traces.silences >= ASKS_NEEDED)
    limit_s = patience.silence_s if is_unreached and not traces.has_left else patience.absence_s
    if traces.quiet_s >= limit_s:
        return Judgement.GONE
    should_ask = traces.holds or traces.has_restarted or traces.quiet_s >= patience.ask_s
    return Judgement.ASK if should_ask else Judgement.GOES_ON


def _waiting(traces: Traces, patience: Patience) -> Judgement:
    if traces.holds:
        if traces.absences < VANISHED_NEEDED:
            return Judgement.ASK
        return Judgement.VANISHED if traces.is_told else Judgement.UNTOLD
    if not traces.is_told and traces.age_us >= patience.untold_s * SECOND_US:
        return Judgement.UNTOLD
    return Judgement.GOES_ON
