"""Held jobs: one-off entries that wait for their instant while the scheduler asks the broker again and again."""

from __future__ import annotations

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.keys import once_ledger
from daemon.public import Public
from daemon.scheduler import Entry
from daemon.scheduler.model import How
from daemon.scheduler.triggers.instants import Instants
from tests.support.clock import START_US
from tests.support.scheduling import SITE, World, every, story


@story
async def test_a_job_that_waits_is_neither_written_before_its_instant_nor_taken_for_one_from_the_future(
    world: World,
) -> None:
    at_us = START_US + 600 * SECOND_US
    job = Entry(Public("job"), Public("t"), Instants([at_us]), is_once=True, task_id="promised", how=How.HELD)
    daemons = [world.start(every(3600, "other"), job) for _ in range(2)]
    await world.sleep(599)
    assert world.broker.ledgers.get(once_ledger(SITE, at_us), {}) == {}
    await world.sleep(2)
    assert world.ids == ["promised"]
    assert [daemon.heard(schedule_events.EntryAhead) for daemon in daemons] == [[], []]
