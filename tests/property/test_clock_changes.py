"""A sample of the proof of clock changes; all of it is ``make prove``."""

from __future__ import annotations

import pytest

from tests.support.cron_cases import changing_zones
from tests.support.proof import KINDS, Proof

CASES = 700
SERVED_HERE = ("policy", "celery 5.7")


@pytest.mark.parametrize("kind", SERVED_HERE)
def test_around_clock_changes_everywhere_the_oracle_agrees(kind: str) -> None:
    with Proof() as proof:
        found = [proof.check(number) for number in range(CASES) if KINDS[number % len(KINDS)] == kind]
    assert found == [None] * len(found)


def test_the_sample_is_of_all_zones_that_change_their_clocks() -> None:
    zones = changing_zones()
    assert {"Australia/Lord_Howe", "Pacific/Chatham", "Antarctica/Troll", "America/Santiago", "Africa/Casablanca"} <= {
        *zones
    }
    assert len(zones) > 200
