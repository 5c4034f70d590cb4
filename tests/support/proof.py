"""The proof that schedules keep to their rules when clocks change: a numbered row of windows, each with its oracle.

A window is an expression, a zone and a few hours or days about a clock change, drawn from its number alone. Its oracle says when it
fires; what comes next is then asked from ``STARTS`` random instants in it, each a case. ``KINDS`` says who is asked.
"""

from __future__ import annotations

import json
import random
import subprocess
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from daemon.clock import SECOND_US
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Cron, Crontab, CrontabMode, DstPolicy, Fold, Gap, Trigger
from tests.support import celery_chain
from tests.support.cron_cases import MONTHS, Case, changing_zones, draw_case
from tests.support.wall_scan import Pattern, changes, scan

ROOT = Path(__file__).parents[2]
KINDS = (*["policy"] * 4, "celery 5.7", "celery 5.6", "celery 5.5", "celery 5.4", "celery 5.3", "beat 5.4")
ODD = ("beat 5.4", "Asia/Pyongyang")
"""The one zone whose clocks skipped the rest of an hour before midnight: beat up to 5.6 compares the dates of the last fire
and of now, and loses what was due in that half hour. We do not."""

STARTS = 24
"""Random instants in each window from which the next fire is asked for."""

NEAR_S = 27 * 3600
POLICIES = (
    *(DstPolicy(gap, fold) for gap in Gap for fold in Fold),
    *[DstPolicy(Gap.AFTER, Fold.FIRST, fixed_only=True)] * 6,
)
_MODES = {
    "celery 5.7": CrontabMode.CELERY,
    "celery 5.6": CrontabMode.CELERY,
    "celery 5.5": CrontabMode.CELERY,
    "celery 5.4": CrontabMode.CELERY_5_4,
    "celery 5.3": CrontabMode.CELERY_5_4,
    "beat 5.4": CrontabMode.CELERY_5_4_BEAT,
}


class Difference(NamedTuple):
    """A case in which two engines disagree, with all that is needed to see it again."""

    number: int
    kind: str
    what: str
    missing: list[int]
    extra: list[int]

    def __str__(self) -> str:
        missing, extra = (
            [datetime.fromtimestamp(at, UTC).isoformat() for at in some[:5]] for some in (self.missing, self.extra)
        )
        return f"case {self.number}, {self.kind}: {self.what}\n  missing here: {missing}\n  only here: {extra}"


class Series:
    """Celery of another series, in an interpreter of its own."""

    def __init__(self, name: str) -> None:
        python = ROOT / f".venv-celery{name.replace('.', '')}" / "bin" / "python"
        self._process = subprocess.Popen(
            [str(python), str(ROOT / "tests" / "support" / "celery_chain.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version: str = self._read()

    def ask(self, *case: Any) -> list[int]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        answer: list[int] = self._read()
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Proof:
    """Checks cases; starts each older Celery when it is first asked."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, one: BaseException | None, tb: TracebackType | None) -> None:
        for series in self._series.values():
            series.close()

    def check(self, number: int) -> Difference | None:
        """Draw case ``number`` and ask its oracle."""
        kind, zones = KINDS[number % len(KINDS)], changing_zones()
        chance = random.Random(number)
        zone = zones[number // len(KINDS) % len(zones)]
        if (kind, zone) == ODD:
            return None
        case = draw_case(chance, zone)
        if kind == "policy":
            return self._policy(number, case, chance.choice(POLICIES))
        return self._celery(number, kind, case)

    def _policy(self, number: int, case: Case, policy: DstPolicy) -> Difference | None:
        theirs = scan(
            Pattern(case.text, both=False),
            case.zone,
            case.start_s,
            case.end_s,
            gap=policy.gap.value,
            fold=policy.fold.value,
            debian=policy.fixed_only,
        )
        return _compared(
            number, f"policy {policy.name}", case, _made(lambda: Cron(case.text, case.zone, policy)), theirs
        )

    def _celery(self, number: int, kind: str, case: Case) -> Difference | None:
        what, series = kind.split()
        change = next((at for at in _changes_near(case) if at <= case.start_s), None)
        question = (
            _numbered(case.text),
            case.zone,
            case.start_s,
            case.end_s,
            change,
            "polled" if what == "beat" else "chain",
        )
        ours = _made(lambda: Crontab(case.text, case.zone, _MODES[kind]))
        if not Pattern(case.text, both=True).possible:
            theirs = []
        else:
            theirs = celery_chain.fires(*question) if series == "5.7" else self._ask(series, *question)
        return _compared(number, kind, case, ours, theirs)

    def _ask(self, series: str, *question: Any) -> list[int]:
        if series not in self._series:
            self._series[series] = Series(series)
        return self._series[series].ask(*question)


def _made(make: Callable[[], Trigger]) -> Trigger | None:
    """Make a trigger; ``None`` if it is refused, as what never fires is."""
    with suppress(TriggerInvalid):
        return make()
    return None


def fires_of(trigger: Trigger | None, start_s: int, end_s: int) -> list[int]:
    """Give the instants of a trigger in [start, end), in seconds."""
    found: list[int] = []
    at_us = None if trigger is None else trigger.next_after(start_s * SECOND_US - 1)
    while trigger is not None and at_us is not None and at_us < end_s * SECOND_US:
        found.append(at_us // SECOND_US)
        at_us = trigger.next_after(at_us)
    return found


def _numbered(text: str) -> str:
    """Write months as numbers: Celery up to 5.4 knows no names for them."""
    for number, name in enumerate(MONTHS, 1):
        text = text.replace(name, str(number))
    return text


def _changes_near(case: Case) -> list[int]:
    year = datetime.fromtimestamp(case.start_s, UTC).year
    near = [at for one in (year - 1, year, year + 1) for at in changes(case.zone, one)]
    return [at for at in near if case.start_s - NEAR_S <= at <= case.end_s]


def _compared(number: int, kind: str, case: Case, trigger: Trigger | None, theirs: list[int]) -> Difference | None:
    """Compare the fires of the whole window, and what comes next from instants in it."""
    ours = fires_of(trigger, case.start_s, case.end_s)
    if ours != theirs:
        missing, extra = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
        return Difference(number, kind, str(case), missing, extra)
    chance = random.Random(-1 - number)
    for _ in range(STARTS if trigger is not None else 0):
        assert trigger is not None
        start_us = chance.randrange(case.start_s * SECOND_US, case.end_s * SECOND_US)
        found_us = trigger.next_after(start_us)
        found = None if found_us is None or found_us >= case.end_s * SECOND_US else found_us // SECOND_US
        place = bisect_right(theirs, start_us / SECOND_US)
        wanted = theirs[place] if place < len(theirs) else None
        if found != wanted:
            what = f"{case}, after {start_us} us"
            return Difference(number, kind, what, [] if wanted is None else [wanted], [] if found is None else [found])
    return None
