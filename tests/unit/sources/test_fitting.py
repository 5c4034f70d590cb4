"""From the form of a site file to entries of the scheduler."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.clock import microseconds
from daemon.public import Public
from daemon.sources.fitting import fitted, only_fitting
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried, Unfit

NAME, ZONE = Public("e"), Public("Europe/Berlin")
AT = datetime(2026, 12, 31, 8, tzinfo=UTC)


def test_a_message_lives_for_a_time_or_until_an_instant() -> None:
    data = {"task": "t", "every": "1m"}
    entry = fitted(NAME, {**data, "options": {"expires": "1h"}}, ZONE)
    assert (entry.expires_us, entry.expires_at_us) == (3_600_000_000, None)
    for written in (AT, "2026-12-31T09:00:00+01:00"):
        entry = fitted(NAME, {**data, "options": {"expires": written}}, ZONE)
        assert (entry.expires_us, entry.expires_at_us) == (None, microseconds(AT))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"every": "1m"}, "task"),
        ({"task": "t"}, "exactly one of"),
        ({"task": "t", "every": "1m", "retries": 3}, "retries: unknown key"),
        ({"task": "t", "cron": "0 0 31 2 *", "dst": "celery"}, "never fires"),
        ({"task": "t", "cron": "0 0 31 2 *"}, ""),
        ({"task": "t", "every": "1m", "options": {"expires": "2026-12-31T09:00:00"}}, "needs an offset"),
        ({"task": "t", "every": "1m", "options": {"expires": "2026-99-31T09:00:00Z"}}, "not a moment"),
        ({"chain": [{"task": "t", "options": {"expires": AT}}], "every": "1m"}, "an entry's own task"),
        ({"task": "t", "every": "10ms"}, "shorter than"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(data: dict[str, Any], said: str) -> None:
    with pytest.raises(Unfit) as caught:
        fitted(NAME, data, ZONE)
    assert said in caught.value.reason
    assert "\n" not in caught.value.reason


def test_what_does_not_fit_joins_what_stays_behind() -> None:
    good = SourcedEntry(NAME, "E", {"task": "t", "every": "1m"})
    bad = SourcedEntry(Public("bad"), "Bad", {"task": "t"})
    found = only_fitting(Sourced((bad, good), (Uncarried("x", "y"),)), ZONE)
    assert found.entries == (good,)
    assert [one.original for one in found.left] == ["x", "Bad"]
