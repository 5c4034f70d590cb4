"""What becomes of an entry when the clocks change, as a value.

A policy is two choices: what happens to times that the clocks skip, and to times that come twice. Celery's ways are such
policies too, but for one, which has no wall clock in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from daemon.scheduler.errors import TriggerInvalid

_Choice = TypeVar("_Choice", bound=Enum)

CLOCK_CHANGE_LIMIT_S = 3 * 3600
"""Debian's cron gives special care to changes of less than three hours; larger ones are a clock that was set."""


class Gap(Enum):
    """What becomes of times that the clocks skip.

    ``SKIP``: they do not fire. ``AFTER``: however many, one fire right after the gap. ``SHIFT``: each fires later by what
    was skipped. ``SHIFT_ONE``: the first fires later by what was skipped, and nothing else fires until then.
    """

    SKIP = "skip"
    AFTER = "after"
    SHIFT = "shift"
    SHIFT_ONE = "shift-one"


class Fold(Enum):
    """What becomes of times that come twice."""

    FIRST = "first"
    LAST = "last"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class DstPolicy:
    """What becomes of an entry when the clocks change.

    Attributes:
        fixed_only: as in Debian's cron, only entries at fixed times are cared for, and only if the change is of less than
            three hours. Others follow elapsed time: nothing in a gap, twice in a fold.
    """

    gap: Gap
    fold: Fold
    fixed_only: bool = False

    @property
    def name(self) -> str:
        """Write the policy; equal policies are written alike."""
        known = next((name for name, policy in POLICIES.items() if policy == self), None)
        return known or f"gap {self.gap.value} fold {self.fold.value}{' fixed only' if self.fixed_only else ''}"

    def heeds(self, shift_s: int) -> bool:
        """Say whether a clock change of this size is one to care for."""
        return not self.fixed_only or abs(shift_s) < CLOCK_CHANGE_LIMIT_S


class Dst:
    """The policies that have names.

    ``CRON``: as Debian's cron. ``INSTANT``: whenever the wall clock matches. The others make no difference between entries
    at fixed times and others: each time of day counts once (``ONCE_FIRST``, ``ONCE_LAST``), and what is skipped is made up
    for right after the gap, or not at all (``SKIP_GAP``), or later by as much as was skipped (``SHIFT_GAP``).
    """

    CRON: Final = DstPolicy(Gap.AFTER, Fold.FIRST, fixed_only=True)
    INSTANT: Final = DstPolicy(Gap.SKIP, Fold.BOTH)
    ONCE_FIRST: Final = DstPolicy(Gap.AFTER, Fold.FIRST)
    ONCE_LAST: Final = DstPolicy(Gap.AFTER, Fold.LAST)
    SKIP_GAP: Final = DstPolicy(Gap.SKIP, Fold.FIRST)
    SHIFT_GAP: Final = DstPolicy(Gap.SHIFT, Fold.FIRST)


POLICIES: Final[Mapping[str, DstPolicy]] = {
    "cron": Dst.CRON,
    "instant": Dst.INSTANT,
    "once-first": Dst.ONCE_FIRST,
    "once-last": Dst.ONCE_LAST,
    "skip-gap": Dst.SKIP_GAP,
    "shift-gap": Dst.SHIFT_GAP,
}


class CrontabMode(Enum):
    """Whose ``crontab`` an entry follows.

    ``CELERY``: 5.5.2 to 5.7, whose fires are the same. ``CELERY_5_4``: the times that ``crontab`` works out up to 5.5.1.
    ``CELERY_5_4_BEAT``: what beat up to 5.5.1 makes of them if it looks at the entry at every turn.
    """

    CELERY = "celery"
    CELERY_5_4 = "celery-5.4"
    CELERY_5_4_BEAT = "celery-5.4-beat"


RELEASES: Final[Mapping[str, CrontabMode]] = {
    "celery-5.3": CrontabMode.CELERY_5_4,
    "celery-5.6": CrontabMode.CELERY,
    "celery-5.7": CrontabMode.CELERY,
}
_TABLE = 'a name, or a table such as { gap = "skip", fold = "first" }'


def dst_names() -> tuple[str, ...]:
    """Give every name that ``parse_dst`` takes, without those that only repeat another by its release."""
    return (*POLICIES, *(mode.value for mode in CrontabMode))


def parse_dst(value: str | Mapping[str, object]) -> DstPolicy | CrontabMode:
    """Read what an entry says of clock changes: a name, or a table with ``gap`` and ``fold``.

    What a table leaves out is as in ``once-first``.

    Raises:
        TriggerInvalid: no such name, key or choice.
    """
    if isinstance(value, str):
        return _named(value)
    if not isinstance(value, Mapping):
        raise TriggerInvalid(f"{_plain(value)} is no policy for clock changes", hint=f"write {_TABLE}")
    if not value or (unknown := [key for key in value if key not in ("gap", "fold")]):
        what = "an empty table" if not value else f"a table with {_plain(unknown[0])}"
        raise TriggerInvalid(f"{what} says nothing of clock changes", hint="its keys are gap and fold")
    gap = _choice(Gap, "gap", value.get("gap", Gap.AFTER.value))
    return DstPolicy(gap, _choice(Fold, "fold", value.get("fold", Fold.FIRST.value)))


def _named(name: str) -> DstPolicy | CrontabMode:
    if name in POLICIES:
        return POLICIES[name]
    if name in RELEASES:
        return RELEASES[name]
    if name in {mode.value for mode in CrontabMode}:
        return CrontabMode(name)
    if name == "celery-5.5":
        raise TriggerInvalid(
            '"celery-5.5" is two behaviours', hint="write celery-5.4 for 5.5.0 and 5.5.1, celery for 5.5.2 and later"
        )
    raise TriggerInvalid(f"{_plain(name)} is no policy for clock changes", hint=f"known are {', '.join(dst_names())}")


def _choice(kind: type[_Choice], key: str, value: object) -> _Choice:
    known = {one.value: one for one in kind}
    if not isinstance(value, str) or value not in known:
        raise TriggerInvalid(f"{key} cannot be {_plain(value)}", hint=f"known are {', '.join(known)}")
    return known[value]


def _plain(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
