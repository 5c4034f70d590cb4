"""RedBeat's keys, written by RedBeat itself and read from a real Valkey."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from dateutil.rrule import MO
from redbeat import RedBeatSchedulerEntry, schedules

from daemon.errors import SourceDown
from daemon.sources.redbeat_entry import LOST_NTH, redbeat_entries
from daemon.sources.redbeat_keys import read_redbeat
from tests.support.valkey import ValkeyServer, free_port

pytestmark = pytest.mark.anyio


def save(server: ValkeyServer, prefix: str = "redbeat:") -> None:
    app: Any = Celery("wards", broker=server.url, set_as_current=False)
    app.conf.update(redbeat_redis_url=server.url, redbeat_key_prefix=prefix)
    for name, when, more in (
        ("every", schedule(30, app=app), {"args": [datetime(2026, 1, 2, tzinfo=UTC)], "kwargs": {"a": "ä"}}),
        ("cron", crontab(minute=[0, 30], hour="2", app=app), {"options": {"queue": "beds", "expires": 60}}),
        ("first monday", schedules.rrule("MONTHLY", dtstart=datetime(2026, 1, 5, 9, tzinfo=UTC), byweekday=MO(1), app=app), {}),
        ("off", schedule(60, app=app), {"enabled": False}),
    ):  # fmt: skip
        RedBeatSchedulerEntry(name, "wards.count", when, app=app, **more).save()


async def test_what_redbeat_stored_is_brought_over(valkey: ValkeyServer) -> None:
    save(valkey)
    found = redbeat_entries(await read_redbeat(valkey.url), "Europe/Berlin")
    assert found.left == ()
    assert {str(one.name): dict(one.data) for one in found.entries} == {
        "every": {
            "task": "wards.count", "every": "30s", "anchor": "start", "args": [datetime(2026, 1, 2, tzinfo=UTC)],
            "kwargs": {"a": "ä"},
        },
        "cron": {
            "task": "wards.count", "cron": "0,30 2 * * *", "dst": "celery", "timezone": "Europe/Berlin",
            "options": {"queue": "beds", "expires": "1m"},
        },
        "first-monday": {
            "task": "wards.count", "rrule": "FREQ=MONTHLY;BYDAY=MO", "start": datetime(2026, 1, 5, 9, tzinfo=UTC),
            "timezone": "UTC", "options": {"headers": {"periodic_task_name": "first monday"}},
        },
        "off": {"task": "wards.count", "every": "1m", "anchor": "start", "enabled": False},
    }  # fmt: skip
    assert LOST_NTH in next(one for one in found.entries if one.original == "first monday").differences


async def test_another_prefix_is_another_schedule_and_an_empty_one_is_none(valkey: ValkeyServer) -> None:
    save(valkey, "wards:")
    assert await read_redbeat(valkey.url) == []
    assert len(await read_redbeat(valkey.url, "wards:")) == 4


async def test_a_hash_that_lost_its_definition_is_named(valkey: ValkeyServer) -> None:
    save(valkey)
    valkey.client.hdel("redbeat:every", "definition")
    found = redbeat_entries(await read_redbeat(valkey.url))
    assert [one.original for one in found.left] == ["every"]


async def test_a_redis_that_is_away_or_another_kind_of_key_is_one_plain_error(valkey: ValkeyServer) -> None:
    with pytest.raises(SourceDown):
        await read_redbeat(f"redis://:secret@127.0.0.1:{free_port()}/0")
    valkey.client.set("redbeat::schedule", "text")
    with pytest.raises(SourceDown):
        await read_redbeat(valkey.url)
    with pytest.raises(SourceDown) as caught:
        await read_redbeat("nonsense://:secret@h")
    assert "secret" not in f"{caught.value}{caught.value.hint}"
