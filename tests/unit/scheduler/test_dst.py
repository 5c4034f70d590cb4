"""What an entry may say of clock changes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Cron, CrontabMode, Dst, DstPolicy, Fold, Gap, parse_dst
from daemon.scheduler.triggers.dst import POLICIES, dst_names

READ: dict[str, tuple[str | Mapping[str, object], DstPolicy | CrontabMode]] = {
    "cron": ("cron", Dst.CRON),
    "instant": ("instant", Dst.INSTANT),
    "once, first": ("once-first", Dst.ONCE_FIRST),
    "once, last": ("once-last", Dst.ONCE_LAST),
    "skip": ("skip-gap", Dst.SKIP_GAP),
    "shift": ("shift-gap", Dst.SHIFT_GAP),
    "celery": ("celery", CrontabMode.CELERY),
    "celery 5.6 is the same": ("celery-5.6", CrontabMode.CELERY),
    "celery 5.7 is the same": ("celery-5.7", CrontabMode.CELERY),
    "celery 5.4": ("celery-5.4", CrontabMode.CELERY_5_4),
    "celery 5.3 is the same": ("celery-5.3", CrontabMode.CELERY_5_4),
    "celery 5.4, beat": ("celery-5.4-beat", CrontabMode.CELERY_5_4_BEAT),
    "a table": ({"gap": "shift-one", "fold": "last"}, DstPolicy(Gap.SHIFT_ONE, Fold.LAST)),
    "a gap alone": ({"gap": "skip"}, Dst.SKIP_GAP),
    "a fold alone": ({"fold": "last"}, Dst.ONCE_LAST),
}


@pytest.mark.parametrize(("value", "expected"), READ.values(), ids=READ)
def test_a_policy_is_a_name_or_a_table(value: str | Mapping[str, object], expected: DstPolicy | CrontabMode) -> None:
    assert parse_dst(value) == expected


KNOWN = "known are cron, instant, once-first, once-last, skip-gap, shift-gap, celery, celery-5.4, celery-5.4-beat"

REFUSED: dict[str, tuple[object, str]] = {
    "another name": ("vixie", f'"vixie" is no policy for clock changes; {KNOWN}'),
    "a series of two behaviours": (
        "celery-5.5",
        '"celery-5.5" is two behaviours; write celery-5.4 for 5.5.0 and 5.5.1, celery for 5.5.2 and later',
    ),
    "another key": ({"spring": "skip"}, 'a table with "spring" says nothing of clock changes; its keys are gap and fold'),
    "an empty table": ({}, "an empty table says nothing of clock changes; its keys are gap and fold"),
    "another choice": ({"gap": "last"}, 'gap cannot be "last"; known are skip, after, shift, shift-one'),
    "a choice that is no text": ({"fold": 1}, "fold cannot be 1; known are first, last, both"),
    "a number": (
        3,
        '3 is no policy for clock changes; write a name, or a table such as { gap = "skip", fold = "first" }',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_policy_is_refused_saying_what_is(value: object, expected: str) -> None:
    with pytest.raises(TriggerInvalid) as caught:
        parse_dst(value)  # type: ignore[arg-type]
    assert f"{caught.value}; {caught.value.hint}" == expected


def test_every_name_that_is_offered_is_taken() -> None:
    for name in dst_names():
        found = parse_dst(name)
        assert name == (found.value if isinstance(found, CrontabMode) else found.name)


def test_policies_are_written_alike_exactly_if_they_are_equal() -> None:
    policies = [DstPolicy(gap, fold, only) for gap, fold, only in product(Gap, Fold, (False, True))]
    assert len({policy.name for policy in policies}) == len(policies)
    assert {name: policy.name for name, policy in POLICIES.items()} == {name: name for name in POLICIES}


def test_a_table_that_says_what_a_name_says_makes_the_same_trigger() -> None:
    table = parse_dst({"gap": "skip", "fold": "both"})
    assert isinstance(table, DstPolicy)
    described = Cron("0 2 * * *", "UTC", table).describe()
    assert described == Cron("0 2 * * *", "UTC", Dst.INSTANT).describe() == "cron 0 2 * * * in UTC dst instant"
